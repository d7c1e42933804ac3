// The uploads of this tab: created at the service, sent to the object store by Uppy, then completed at the service. An
// interrupted upload is recognised by its file's fingerprint and resumed when the file is chosen again.
import { signal } from "@preact/signals";
import { ApiError, call, type NewVideo, type Options, withRetries } from "./api";
import { fingerprint, uniqueId } from "./fingerprint";
import { lastForm, read } from "./options";
import { OtherFile } from "./other-file";
import type { Sender } from "./sender";
import { account } from "./session";
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
  upload: NewVideo["upload"] | undefined;
  /** Times and the bytes sent by then, to compute the speed. */
  samples: [number, number][];
}

/** The uploads of this tab, oldest first. */
export const uploads = signal<readonly Upload[]>([]);
const jobs = new Map<string, Job>();

export const uploadOf = (id: string) => uploads.value.find((upload) => upload.id === id);

function change(key: string, fields: Partial<Upload>) {
  uploads.value = uploads.value.map((upload) => (upload.key === key ? { ...upload, ...fields } : upload));
}

function drop(key: string) {
  jobs.delete(key);
  uploads.value = uploads.value.filter((upload) => upload.key !== key);
}

// ---- Interrupted uploads -------------------------------------------------------------------

interface Kept {
  print: string;
  id: string;
}

const storageKey = () => `framelift.uploads.${account.value?.id ?? ""}`;

function kept(): Kept[] {
  try {
    return JSON.parse(localStorage.getItem(storageKey()) ?? "[]");
  } catch {
    return [];
  }
}

function keep(entry: Kept) {
  const others = kept().filter((it) => it.id !== entry.id);
  localStorage.setItem(storageKey(), JSON.stringify([...others, entry].slice(-100)));
}

export function forgetUpload(id: string) {
  localStorage.setItem(storageKey(), JSON.stringify(kept().filter((it) => it.id !== id)));
}

// ---- The life of an upload -----------------------------------------------------------------

/** Uppy is loaded with the first upload. */
let loading: Promise<Sender> | undefined;

function sender(): Promise<Sender> {
  loading ??= import("./sender").then(
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
        sent: (key) => void handOver(key),
        failed: (key, error) => change(key, { state: "failed", error, speed: 0 }),
      }),
    (error) => {
      loading = undefined;
      throw error;
    },
  );
  return loading;
}

/** Starts the upload of a file, or resumes its interrupted upload. */
export async function addFile(file: File, options: Options) {
  const print = await fingerprint(file);
  const same = uploads.value.find((upload) => upload.key === print);
  if (same !== undefined) {
    if (same.state === "failed") await retry(same.key);
    return;
  }
  const key = print ?? uniqueId();
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
  jobs.set(key, { file, options, upload: undefined, samples: [] });
  uploads.value = [...uploads.value, entry];
  const earlier = print === undefined ? undefined : kept().find((it) => it.print === print);
  if (earlier !== undefined && (await stillOpen(earlier.id))) {
    await goOn(key, earlier.id);
    return;
  }
  await start(key);
}

/** Resumes the upload of a video with the file that was chosen again. */
export async function resume(id: string, file: File) {
  const video = videos.value.find((it) => it.id === id);
  const print = await fingerprint(file);
  const entry = kept().find((it) => it.id === id);
  const same = entry === undefined ? file.size === video?.size_bytes : print === entry.print;
  if (!same || video === undefined) throw new OtherFile();
  const key = print ?? id;
  jobs.set(key, { file, options: video.options, upload: undefined, samples: [] });
  const begun = { id, key, name: video.file_name, size: file.size, sent: 0, speed: 0, error: undefined };
  uploads.value = [...uploads.value, { ...begun, state: "starting", refused: undefined }];
  await goOn(key, id);
}

/** Sends the bytes of an existing upload that have not arrived. */
async function goOn(key: string, id: string) {
  try {
    const { part_size } = await withRetries(() =>
      call("get", "/videos/{id}/upload-parts", { path: { id }, query: { to: 1 } }),
    );
    await send(key, id, part_size);
  } catch (error) {
    if (!(error instanceof ApiError && error.code === "not-found"))
      return change(key, { state: "failed", error });
    await startAnew(key, id);
  }
}

async function stillOpen(id: string): Promise<boolean> {
  try {
    const video = await call("get", "/videos/{id}", { path: { id } });
    if (video.status === "awaiting_upload") return true;
  } catch (error) {
    if (!(error instanceof ApiError) || error.status >= 500) return false;
  }
  forgetUpload(id);
  return false;
}

async function remove(id: string) {
  forgetUpload(id);
  try {
    await call("delete", "/videos/{id}", { path: { id } });
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
  }
}

/** Restarts an upload in one request, whose URL cannot be requested again. */
async function startAnew(key: string, id: string) {
  try {
    await remove(id);
  } catch (error) {
    return change(key, { state: "failed", error });
  }
  await start(key);
}

/** Creates the video and sends the file. */
async function start(key: string) {
  const job = jobs.get(key);
  if (job === undefined) return;
  // Refused options have been corrected since.
  if (uploads.value.some((it) => it.key === key && it.refused !== undefined))
    job.options = read(lastForm()).options;
  change(key, { state: "starting", error: undefined, refused: undefined });
  // The same key for each attempt, so that a lost answer does not create a second video.
  const headers = { "idempotency-key": uniqueId() };
  const { file, options } = job;
  const body = { file_name: file.name, size_bytes: file.size, options };
  try {
    const made = await withRetries(() => call("post", "/videos", { body, headers }));
    job.upload = made.upload;
    const partSize = made.upload.method === "MULTIPART" ? made.upload.part_size : 0;
    if (partSize > 0) keep({ print: key, id: made.id });
    await send(key, made.id, partSize);
    refreshVideos();
  } catch (error) {
    const refused = error instanceof ApiError && error.code === "validation-failed";
    change(key, { state: "failed", error, refused: refused ? JSON.stringify(options) : undefined });
  }
}

async function send(key: string, id: string, partSize: number) {
  const job = jobs.get(key);
  if (job === undefined) return;
  change(key, { id, state: "sending", error: undefined });
  job.samples = [];
  const put = job.upload?.method === "PUT" ? job.upload : undefined;
  (await sender()).send({ key, id, file: job.file, partSize, put });
}

/** Completes an upload at the service after the object store has received everything. */
async function handOver(key: string) {
  const upload = uploads.value.find((it) => it.key === key);
  if (upload === undefined) return;
  change(key, { state: "finishing", sent: upload.size, speed: 0 });
  try {
    await withRetries(() => call("post", "/videos/{id}/complete", { path: { id: upload.id } }));
    forgetUpload(upload.id);
    await refreshVideos();
    drop(key);
  } catch (error) {
    change(key, { state: "failed", error });
  }
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
  if (upload.id === "") return start(key);
  (await sender()).remove(key);
  const put = job.upload?.method === "PUT" ? job.upload : undefined;
  if (put !== undefined && new Date(put.expires_at).getTime() > Date.now()) return send(key, upload.id, 0);
  return goOn(key, upload.id);
}

/** Cancels an upload. */
export async function abandon(key: string) {
  const upload = uploads.value.find((it) => it.key === key);
  if (loading !== undefined) (await sender()).remove(key);
  drop(key);
  if (upload === undefined || upload.id === "") return;
  await remove(upload.id);
  await refreshVideos();
}

/** Resumes uploads that failed without a network, or without the service, when it is back. */
function resumeFailed() {
  for (const upload of uploads.value) {
    if (upload.state === "failed" && !(upload.error instanceof ApiError)) void retry(upload.key);
  }
}
addEventListener("online", resumeFailed);
reachable.subscribe((there) => {
  if (there) resumeFailed();
});

/** Makes the browser ask before the tab closes during an upload. */
addEventListener("beforeunload", (event) => {
  if (uploads.value.some((upload) => upload.state !== "failed")) event.preventDefault();
});
