// The list of videos, kept up to date while somebody looks: it is asked for once, and a stream of events tells what
// changes from then on. Where the stream breaks off, the list is asked for again at each attempt to open another one.
import { signal } from "@preact/signals";
import { ApiError, call, callWhole, type Options, openEvents, type Status, type Video } from "./api";
import { follow, type Message } from "./events";
import { uniqueId } from "./fingerprint";
import { signedIn } from "./session";

const PAGE = 20;
/** Active videos beyond the first page that are asked for one by one. */
const SINGLE = 5;

/** The caller's videos, newest first, as far as they were asked for or told of. */
export const videos = signal<readonly Video[]>([]);
/** Whether the first answer is there. */
export const loaded = signal(false);
/** Where the next older page begins; none at the end. */
export const older = signal<string | null>(null);
/** Whether the service answers. */
export const reachable = signal(true);
/** What screen readers are told of, when it changes: a video, and its status now. */
export const news = signal<Video | null>(null);

const ACTIVE: readonly Status[] = ["queued", "pending", "processing"];
const CANCELABLE: readonly Status[] = ["awaiting_upload", ...ACTIVE];
export const isActive = (video: Video) => ACTIVE.includes(video.status);
export const isCancelable = (video: Video) => CANCELABLE.includes(video.status);

let etag: string | null = null;
let failures = 0;
/** Videos that the open stream has told of: it tells of their end, too. */
const followed = new Set<string>();
/** Videos that were told of since the list was asked for: what it says of them may be older. */
const told = new Set<string>();
/** Deleted videos: no older word brings them back. */
const deleted = new Set<string>();

export const isDeleted = (id: string) => deleted.has(id);

/** How far a video has come; none goes back in this. */
const stage = (video: Video) => (video.status === "awaiting_upload" ? 0 : isActive(video) ? 1 : 2);

/** Ids sort by creation. */
function show(list: Iterable<Video>) {
  videos.value = [...list].sort((a, b) => (a.id < b.id ? 1 : -1));
}

function announce(known: Video | undefined, video: Video) {
  if (known !== undefined && known.status !== video.status && !isActive(video)) news.value = video;
}

/** Takes over a page, and whether all of it was news. */
function merge(page: readonly Video[]): boolean {
  const oldest = page.at(-1)?.id;
  const known = new Map(videos.value.map((video) => [video.id, video]));
  const fresh = page.filter((video) => {
    const before = known.get(video.id);
    const ahead = before === undefined ? -1 : stage(before) - stage(video);
    return !deleted.has(video.id) && (told.has(video.id) ? before !== undefined && ahead < 0 : ahead <= 0);
  });
  const ids = new Set(fresh.map(({ id }) => id));
  const listed = new Set(page.map(({ id }) => id));
  // What is older than the page was asked for before, and stays.
  const rest = videos.value.filter(
    ({ id }) =>
      !ids.has(id) &&
      (listed.has(id) || told.has(id) || (page.length === PAGE && oldest !== undefined && id < oldest)),
  );
  for (const video of fresh) announce(known.get(video.id), video);
  show([...fresh, ...rest]);
  return fresh.length === page.length;
}

/** Takes over a video as it is now. */
export function keep(video: Video) {
  const known = videos.value.find(({ id }) => id === video.id);
  if (deleted.has(video.id) || (known !== undefined && stage(known) > stage(video))) return;
  announce(known, video);
  show([video, ...videos.value.filter((other) => other !== known)]);
}

function drop(id: string) {
  deleted.add(id);
  videos.value = videos.value.filter((video) => video.id !== id);
}

let asking: Promise<void> | undefined;
let next: Promise<void> | undefined;

/** Asks now. A call while one is under way is answered by the next one: the answer on its way may be older. */
export function refreshVideos(): Promise<void> {
  if (asking === undefined) {
    asking = ask().finally(() => {
      asking = undefined;
      meet();
    });
    return asking;
  }
  next ??= asking.then(() => {
    next = undefined;
    return signedIn.value ? refreshVideos() : undefined;
  });
  return next;
}

async function ask() {
  told.clear();
  try {
    const headers = etag === null ? {} : { "if-none-match": etag };
    const answer = await callWhole("get", "/videos", { query: { limit: PAGE }, headers });
    if (answer.status === 200 && answer.body !== undefined) {
      const first = !loaded.value;
      // What was passed over is told again.
      etag = merge(answer.body.items) ? answer.etag : null;
      if (first || videos.value.length <= PAGE) older.value = answer.body.next_cursor ?? null;
      loaded.value = true;
    }
    for (const { id } of live ? [] : videos.value.slice(PAGE).filter(isActive).slice(0, SINGLE)) {
      const video = await call("get", "/videos/{id}", { path: { id } });
      if (!told.has(id)) keep(video);
    }
    failures = 0;
    reachable.value = true;
  } catch (error) {
    failures += 1;
    // One lost answer is no news.
    if (failures > 1 && !(error instanceof ApiError && error.status < 500)) reachable.value = false;
  }
}

/** Whether the list was asked for, where that was needed, since there is a stream. */
let met = false;

/** What ended behind the list's answer and before the stream's first look is told by neither: the list is asked for once
 * more where it has a video at work that the stream does not tell of. */
function meet() {
  if (!live || met || !loaded.value || asking !== undefined) return;
  met = true;
  if (videos.value.some((video) => isCancelable(video) && !followed.has(video.id))) void refreshVideos();
}

function take({ event, data }: Message) {
  const message = JSON.parse(data) as Video;
  told.add(message.id);
  followed.add(message.id);
  if (event === "status") keep(message);
  else if (event === "deleted") drop(message.id);
  else if (event === "progress") {
    const { id, progress } = message;
    videos.value = videos.value.map((video) => (video.id === id ? { ...video, progress } : video));
  }
}

/** Whether events come. */
let live = false;

/** Keeps `videos` up to date from now on, while somebody is signed in; what is returned ends that. */
export function watch(): () => void {
  let stop = () => {};
  // Nobody looks at a hidden tab, or behind the door; it catches up when it is shown again.
  const look = () => {
    stop();
    live = false;
    met = false;
    followed.clear();
    if (document.hidden || !signedIn.value) return;
    void refreshVideos();
    stop = follow({
      open: (lastEventId, signal) => openEvents("/videos/events", lastEventId, signal),
      tell: take,
      opened: (afterFault) => {
        live = true;
        if (afterFault) void refreshVideos();
        else meet();
      },
      broken: () => {
        live = false;
        void refreshVideos();
      },
    });
  };
  const signals = ["online", "offline"];
  document.addEventListener("visibilitychange", look);
  for (const name of signals) addEventListener(name, look);
  // At once, too.
  const ignore = signedIn.subscribe(look);
  return () => {
    ignore();
    stop();
    live = false;
    document.removeEventListener("visibilitychange", look);
    for (const name of signals) removeEventListener(name, look);
    videos.value = [];
    loaded.value = false;
    older.value = null;
    etag = null;
    failures = 0;
    reachable.value = true;
    deleted.clear();
  };
}

export async function loadOlder() {
  const cursor = older.value;
  if (cursor === null) return;
  const page = await call("get", "/videos", { query: { limit: PAGE, cursor } });
  const known = new Set(videos.value.map((video) => video.id));
  show([...videos.value, ...page.items.filter((video) => !known.has(video.id))]);
  older.value = page.next_cursor ?? null;
}

export async function cancel(id: string) {
  await call("post", "/videos/{id}/cancel", { path: { id } });
  await refreshVideos();
}

export async function deleteVideo(id: string) {
  await call("delete", "/videos/{id}", { path: { id } });
  drop(id);
  void refreshVideos();
}

/** Processes the same upload again; the new video's id. */
export async function runAgain(id: string, options: Options): Promise<string> {
  const headers = { "idempotency-key": uniqueId() };
  const made = await call("post", "/videos/{id}/runs", { path: { id }, body: { options }, headers });
  await refreshVideos();
  return made.id;
}

/** Lets the browser save the archive. */
export async function download(id: string) {
  const { url } = await call("get", "/videos/{id}/download", { path: { id } });
  location.assign(url);
}
