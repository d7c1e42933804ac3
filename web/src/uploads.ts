// The uploads of this tab: created at the service, sent to the object store by Uppy, then completed at the service. An
// interrupted upload is recognised by its file's fingerprint and resumed when the file is chosen again.
import { signal } from "@preact/signals";
import { ApiError, call, NetworkError, type NewVideo, type Options, withRetries } from "./api";
import { fingerprint, idempotency, readPiece, uniqueId } from "./fingerprint";
import { loadPart } from "./load-part";
import { lastForm, read } from "./options";
import { PageError } from "./page-error";
import type { Sender } from "./sender";
import { owner, reader } from "./session";
import { reachable, refreshVideos, videos } from "./videos";

export interface Upload {
  /** The video's id; empty until it is created. */
  id: string;
  key: string;
  name: string;
  size: number;
  state: "starting" | "sending" | "paused" | "finishing" | "failed";
  sent: number;
  /** Bytes a second, over the last seconds. */
  speed: number;
  error: unknown;
  /** The options that the service has refused, as JSON. */
  refused: string | undefined;
}

interface Job {
  file: File;
  options: Options;
  /** The account that uploads. */
  owner: string;
  /** Recognises the file when it is chosen again; none without TLS. */
  fingerprint: string | undefined;
  /** The same key for each attempt to create the video, so that a lost answer does not create a second one. */
  idempotency: ReturnType<typeof idempotency>;
  upload: NewVideo["upload"] | undefined;
  /** Whether the upload was canceled. */
  canceled: boolean;
  /** Times and the bytes sent by then, to compute the speed. */
  samples: [number, number][];
}

/** The uploads of this tab, oldest first. */
export const uploads = signal<readonly Upload[]>([]);
const jobs = new Map<string, Job>();

export const uploadOf = (id: string) => uploads.value.find((upload) => upload.id === id);

function add(file: File, options: Options, fields: Partial<Upload>): string {
  const key = uniqueId();
  jobs.set(key, {
    file,
    options,
    owner: "",
    fingerprint: undefined,
    idempotency: idempotency(),
    upload: undefined,
    canceled: false,
    samples: [],
  });
  const entry: Upload = {
    id: "",
    key,
    name: file.name,
    size: file.size,
    state: "starting",
    sent: 0,
    speed: 0,
    error: undefined,
    refused: undefined,
  };
  uploads.value = [...uploads.value, { ...entry, ...fields }];
  return key;
}

function change(key: string, fields: Partial<Upload>) {
  uploads.value = uploads.value.map((upload) => (upload.key === key ? { ...upload, ...fields } : upload));
}

function drop(key: string) {
  jobs.delete(key);
  uploads.value = uploads.value.filter((upload) => upload.key !== key);
}

// The uploads of who has signed out stop, and nobody else sees them.
reader.subscribe(() => {
  const keys = [...jobs.keys()];
  jobs.clear();
  uploads.value = [];
  if (keys.length > 0)
    void loading?.then(
      (it) => {
        for (const key of keys) it.remove(key);
      },
      () => {},
    );
});

// ---- Interrupted uploads -------------------------------------------------------------------

interface Kept {
  /** The file's fingerprint, under the name that stored entries have. */
  print: string;
  id: string;
}

const storageKey = (owner: string) => `framelift.uploads.${owner}`;

function kept(owner: string): Kept[] {
  try {
    return JSON.parse(localStorage.getItem(storageKey(owner)) ?? "[]");
  } catch {
    return [];
  }
}

function keep(owner: string, entry: Kept) {
  const others = kept(owner).filter((it) => it.id !== entry.id);
  localStorage.setItem(storageKey(owner), JSON.stringify([...others, entry].slice(-100)));
}

function forgetUpload(owner: string, id: string) {
  localStorage.setItem(storageKey(owner), JSON.stringify(kept(owner).filter((it) => it.id !== id)));
}

// ---- The life of an upload -----------------------------------------------------------------

/** Uppy is loaded with the first upload. */
let loading: Promise<Sender> | undefined;

function sender(): Promise<Sender> {
  loading ??= loadPart(() => import("./sender")).then(
    ({ createSender }) =>
      createSender({
        progress: (key, sent) => {
          const job = jobs.get(key);
          if (job === undefined) return;
          const now = performance.now();
          job.samples.push([now, sent]);
          while (job.samples.length > 2 && now - (job.samples[0]?.[0] ?? now) > 5000) job.samples.shift();
          const [from, before] = job.samples[0] ?? [now, sent];
          const speed = now > from ? ((sent - before) * 1000) / (now - from) : 0;
          change(key, { sent, speed: Math.max(0, speed) });
        },
        sent: (key) => void step(key, () => handOver(key)),
        failed: (key, error) => void fail(key, error),
      }),
    (error) => {
      loading = undefined;
      throw error;
    },
  );
  return loading;
}

/** Marks an upload as failed, with the cause in terms that `describe` knows. */
async function fail(key: string, error: unknown) {
  const job = jobs.get(key);
  if (job === undefined) return;
  let cause = error;
  const status = (error as { source?: { status?: number } }).source?.status;
  if (error instanceof NetworkError || status === 0) {
    // A request whose file is gone fails like one without a network.
    cause = await readPiece(job.file, 0, 1).then(
      () => new PageError("upload-lost"),
      (unreadable) => unreadable,
    );
  }
  if (status !== undefined && status > 0) cause = new PageError("upload-refused");
  const refused = error instanceof ApiError && error.code === "validation-failed";
  const options = refused ? JSON.stringify(job.options) : undefined;
  change(key, { state: "failed", error: cause, speed: 0, refused: options });
}

/** Runs a step of an upload. */
async function step(key: string, work: () => Promise<void>) {
  try {
    await work();
  } catch (error) {
    await fail(key, error);
  }
}

/** Starts the upload of a file, or resumes its interrupted upload. */
export async function addFile(file: File, options: Options) {
  const key = add(file, options, {});
  await step(key, () => begin(key));
}

async function begin(key: string) {
  const job = jobs.get(key);
  if (job === undefined) return;
  change(key, { state: "starting", error: undefined });
  job.owner = await owner();
  job.fingerprint ??= await fingerprint(job.file);
  const twin =
    job.fingerprint &&
    [...jobs].find(([other, it]) => other !== key && it.fingerprint === job.fingerprint)?.[0];
  if (twin) {
    drop(key);
    return again(twin, job.file);
  }
  const earlier = job.fingerprint && kept(job.owner).find((it) => it.print === job.fingerprint);
  if (earlier && (await isOpen(job.owner, earlier.id))) await goOn(key, earlier.id);
  else await create(key);
}

/** Takes the file of an upload of this tab that was chosen again: the browser may have lost the first choice. */
async function again(key: string, file: File) {
  const job = jobs.get(key);
  if (job === undefined || uploads.value.find((it) => it.key === key)?.state !== "failed") return;
  job.file = file;
  await retry(key);
}

/** Resumes the upload of a video with the file that was chosen again. */
export async function resume(id: string, file: File) {
  const video = videos.value.find((it) => it.id === id);
  const [account, found] = [await owner(), await fingerprint(file)];
  const entry = kept(account).find((it) => it.id === id);
  const same = entry === undefined ? file.size === video?.size_bytes : found === entry.print;
  if (!same || video === undefined) throw new PageError("other-file");
  const key = add(file, video.options, { id, name: video.file_name });
  const job = jobs.get(key);
  if (job !== undefined) Object.assign(job, { owner: account, fingerprint: found });
  await step(key, () => goOn(key, id));
}

/** Sends the bytes of an existing upload that have not arrived. */
async function goOn(key: string, id: string) {
  try {
    const { part_size } = await withRetries(() =>
      call("get", "/videos/{id}/upload-parts", { path: { id }, query: { to: 1 } }),
    );
    await send(key, id, part_size);
  } catch (error) {
    if (!(error instanceof ApiError && error.code === "not-found")) throw error;
    // The upload goes in one request, whose URL cannot be requested again.
    await remove(jobs.get(key)?.owner ?? "", id);
    await create(key);
  }
}

/** Whether an interrupted upload can go on. Throws where the service does not say. */
async function isOpen(owner: string, id: string): Promise<boolean> {
  try {
    const video = await withRetries(() => call("get", "/videos/{id}", { path: { id } }));
    if (video.status === "awaiting_upload") return true;
  } catch (error) {
    if (!(error instanceof ApiError && (error.status === 404 || error.status === 403))) throw error;
  }
  forgetUpload(owner, id);
  return false;
}

async function remove(owner: string, id: string) {
  forgetUpload(owner, id);
  try {
    await call("delete", "/videos/{id}", { path: { id } });
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
  }
}

/** Creates the video and sends the file. */
async function create(key: string) {
  const job = jobs.get(key);
  if (job === undefined) return;
  // Refused options have been corrected since.
  if (uploads.value.some((it) => it.key === key && it.refused !== undefined))
    job.options = read(lastForm()).options;
  change(key, { id: "", state: "starting", error: undefined, refused: undefined });
  const body = { file_name: job.file.name, size_bytes: job.file.size, options: job.options };
  const headers = job.idempotency(body);
  const made = await withRetries(() => call("post", "/videos", { body, headers }));
  // The next video of this file is another one.
  job.idempotency = idempotency();
  if (job.canceled) return remove(job.owner, made.id);
  job.upload = made.upload;
  const partSize = made.upload.method === "MULTIPART" ? made.upload.part_size : 0;
  if (partSize > 0 && job.fingerprint !== undefined) keep(job.owner, { print: job.fingerprint, id: made.id });
  await send(key, made.id, partSize);
  void refreshVideos();
}

async function send(key: string, id: string, partSize: number) {
  const job = jobs.get(key);
  if (job === undefined) return;
  change(key, { id, state: "sending", error: undefined });
  job.samples = [];
  const put = job.upload?.method === "PUT" ? job.upload : undefined;
  const to = await sender();
  // Canceled while the sender was loading.
  if (jobs.get(key) === job) to.send({ key, id, file: job.file, partSize, put });
}

/** Completes an upload at the service after the object store has received everything. */
async function handOver(key: string) {
  const upload = uploads.value.find((it) => it.key === key);
  const job = jobs.get(key);
  if (upload === undefined || job === undefined) return;
  change(key, { state: "finishing", sent: upload.size, speed: 0 });
  await withRetries(() => call("post", "/videos/{id}/complete", { path: { id: upload.id } }));
  forgetUpload(job.owner, upload.id);
  await refreshVideos();
  drop(key);
}

export async function pause(key: string) {
  (await sender()).pause(key);
  change(key, { state: "paused", speed: 0 });
}

export async function unpause(key: string) {
  const job = jobs.get(key);
  if (job !== undefined) job.samples = [];
  change(key, { state: "sending" });
  (await sender()).resume(key);
}

/** Resumes a failed upload. */
export async function retry(key: string) {
  const upload = uploads.value.find((it) => it.key === key);
  const job = jobs.get(key);
  if (upload === undefined || job === undefined) return;
  await step(key, async () => {
    if (upload.id === "") return begin(key);
    (await sender()).remove(key);
    const put = job.upload?.method === "PUT" ? job.upload : undefined;
    if (put !== undefined && new Date(put.expires_at).getTime() > Date.now()) return send(key, upload.id, 0);
    return goOn(key, upload.id);
  });
}

/** Cancels an upload. */
export async function abandon(key: string) {
  const upload = uploads.value.find((it) => it.key === key);
  const job = jobs.get(key);
  if (upload === undefined || job === undefined) return;
  job.canceled = true;
  drop(key);
  if (loading !== undefined) (await sender()).remove(key);
  if (upload.id === "") return;
  await remove(job.owner, upload.id);
  await refreshVideos();
}

/** Resumes uploads that have lost the network or the service, when it is back. */
function resumeLost() {
  for (const { key, state, error } of uploads.value) {
    if (state === "failed" && error instanceof PageError && error.kind === "upload-lost") void retry(key);
  }
}
addEventListener("online", resumeLost);
reachable.subscribe((there) => {
  if (there) resumeLost();
});

/** Makes the browser ask before the tab closes during an upload. */
addEventListener("beforeunload", (event) => {
  if (uploads.value.some((upload) => upload.state !== "failed")) event.preventDefault();
});
