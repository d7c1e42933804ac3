// The list of videos: loaded once, then kept up to date by a stream of events. Each time the stream breaks off, the list
// is loaded again. Answers and events may arrive out of order: a video never goes back to an earlier stage of its life.
import { signal } from "@preact/signals";
import { ApiError, call, callWhole, type Options, openEvents, type Status, type Video } from "./api";
import { follow, type Message } from "./events";
import type { idempotency } from "./fingerprint";
import { signedIn } from "./session";

const PAGE = 20;
/** Active videos beyond the first page that are loaded one by one while there is no stream. */
const SINGLE = 5;

/** The caller's videos, newest first: the loaded pages and those that events have brought. */
export const videos = signal<readonly Video[]>([]);
/** Whether the first page is loaded. */
export const loaded = signal(false);
/** The cursor of the next older page; none at the end. */
export const older = signal<string | null>(null);
/** Whether the service answers. */
export const reachable = signal(true);
/** The video whose processing ended last, which is announced to screen readers. */
export const news = signal<Video | null>(null);

const ACTIVE: readonly Status[] = ["queued", "pending", "processing"];
const CANCELABLE: readonly Status[] = ["awaiting_upload", ...ACTIVE];
export const isActive = (video: Video) => ACTIVE.includes(video.status);
export const isCancelable = (video: Video) => CANCELABLE.includes(video.status);

let etag: string | null = null;
let failures = 0;
/** Videos that the open stream has sent an event of: it will also send their end. */
const followed = new Set<string>();
/** Videos with an event since the list was requested: the answer may be older than that. */
const changed = new Set<string>();
/** Deleted videos: an answer or event that was on its way must not add them again. */
const deleted = new Set<string>();

export const isDeleted = (id: string) => deleted.has(id);

/** The stage of a video's life: before, during and after processing. */
const stage = (video: Video) => (video.status === "awaiting_upload" ? 0 : isActive(video) ? 1 : 2);

/** Ids sort by creation. */
function show(list: Iterable<Video>) {
  videos.value = [...list].sort((a, b) => (a.id < b.id ? 1 : -1));
}

function announce(known: Video | undefined, video: Video) {
  if (known !== undefined && known.status !== video.status && !isActive(video)) news.value = video;
}

/** Merges the first page into the list; whether all of its videos were taken from it. */
function merge(page: readonly Video[]): boolean {
  const oldest = page.at(-1)?.id;
  const known = new Map(videos.value.map((video) => [video.id, video]));
  const fresh = page.filter((video) => {
    const before = known.get(video.id);
    const ahead = before === undefined ? -1 : stage(before) - stage(video);
    return !deleted.has(video.id) && (changed.has(video.id) ? before !== undefined && ahead < 0 : ahead <= 0);
  });
  const ids = new Set(fresh.map(({ id }) => id));
  const listed = new Set(page.map(({ id }) => id));
  // Videos older than the page stay as they were loaded before.
  const rest = videos.value.filter(
    ({ id }) =>
      !ids.has(id) &&
      (listed.has(id) || changed.has(id) || (page.length === PAGE && oldest !== undefined && id < oldest)),
  );
  for (const video of fresh) announce(known.get(video.id), video);
  show([...fresh, ...rest]);
  return fresh.length === page.length;
}

/** Adds a video to the list, or updates it. */
export function update(video: Video) {
  const known = videos.value.find(({ id }) => id === video.id);
  if (deleted.has(video.id) || (known !== undefined && stage(known) > stage(video))) return;
  announce(known, video);
  show([video, ...videos.value.filter((other) => other !== known)]);
}

function drop(id: string) {
  deleted.add(id);
  videos.value = videos.value.filter((video) => video.id !== id);
}

let loading: Promise<void> | undefined;
let next: Promise<void> | undefined;

/** Loads the first page. A call while one is being loaded waits for another one after it, which is newer. */
export function refreshVideos(): Promise<void> {
  if (loading === undefined) {
    loading = load().finally(() => {
      loading = undefined;
      closeGap();
    });
    return loading;
  }
  next ??= loading.then(() => {
    next = undefined;
    return signedIn.value ? refreshVideos() : undefined;
  });
  return next;
}

async function load() {
  changed.clear();
  try {
    const headers = etag === null ? {} : { "if-none-match": etag };
    const answer = await callWhole("get", "/videos", { query: { limit: PAGE }, headers });
    if (answer.status === 200 && answer.body !== undefined) {
      const first = !loaded.value;
      // Without the entity tag, the next answer has the whole page again.
      etag = merge(answer.body.items) ? answer.etag : null;
      if (first || videos.value.length <= PAGE) older.value = answer.body.next_cursor ?? null;
      loaded.value = true;
    }
    for (const { id } of live ? [] : videos.value.slice(PAGE).filter(isActive).slice(0, SINGLE)) {
      const video = await call("get", "/videos/{id}", { path: { id } });
      if (!changed.has(id)) update(video);
    }
    failures = 0;
    reachable.value = true;
  } catch (error) {
    failures += 1;
    // A single lost answer is not shown.
    if (failures > 1 && !(error instanceof ApiError && error.status < 500)) reachable.value = false;
  }
}

/** Whether the gap between the list and the open stream is closed. */
let gapClosed = false;

/**
 * Loads the list once more if it has an unfinished video of which the stream has sent nothing: its processing has ended
 * after the list was read and before the stream began.
 */
function closeGap() {
  if (!live || gapClosed || !loaded.value || loading !== undefined) return;
  gapClosed = true;
  if (videos.value.some((video) => isCancelable(video) && !followed.has(video.id))) void refreshVideos();
}

function receive({ event, data }: Message) {
  const message = JSON.parse(data) as Video;
  changed.add(message.id);
  followed.add(message.id);
  if (event === "status") update(message);
  else if (event === "deleted") drop(message.id);
  else if (event === "progress") {
    const { id, progress } = message;
    videos.value = videos.value.map((video) => (video.id === id ? { ...video, progress } : video));
  }
}

/** Whether the stream is open. */
let live = false;

/** Keeps `videos` up to date while somebody is signed in, until the returned function is called. */
export function watch(): () => void {
  let stop = () => {};
  // A hidden tab has no stream: it catches up when it is shown again.
  const restart = () => {
    stop();
    live = false;
    gapClosed = false;
    followed.clear();
    if (document.hidden || !signedIn.value) return;
    void refreshVideos();
    stop = follow({
      open: (lastEventId, signal) => openEvents("/videos/events", lastEventId, signal),
      receive,
      opened: (afterFault) => {
        live = true;
        if (afterFault) void refreshVideos();
        else closeGap();
      },
      broken: () => {
        live = false;
        void refreshVideos();
      },
    });
  };
  const signals = ["online", "offline"];
  document.addEventListener("visibilitychange", restart);
  for (const name of signals) addEventListener(name, restart);
  // Calls it at once.
  const unsubscribe = signedIn.subscribe(restart);
  return () => {
    unsubscribe();
    stop();
    live = false;
    document.removeEventListener("visibilitychange", restart);
    for (const name of signals) removeEventListener(name, restart);
    videos.value = [];
    news.value = null;
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

/** Processes the same upload again; the new video's id. A repeated call with the same `once` makes no second run. */
export async function runAgain(
  id: string,
  options: Options,
  once: ReturnType<typeof idempotency>,
): Promise<string> {
  const body = { options };
  const made = await call("post", "/videos/{id}/runs", { path: { id }, body, headers: once(body) });
  await refreshVideos();
  return made.id;
}

/** Lets the browser save the archive. */
export async function download(id: string) {
  const { url } = await call("get", "/videos/{id}/download", { path: { id } });
  location.assign(url);
}
