// The list of videos, kept up to date while somebody looks. `watch` is the one place that knows how news comes:
// today by asking with an entity tag; server-sent events go here.
import { signal } from "@preact/signals";
import { ApiError, call, callWhole, type Options, type Status, type Video } from "./api";
import { uniqueId } from "./fingerprint";
import { signedIn } from "./session";

const PAGE = 20;
/** Between two questions, while something goes on and while nothing does. */
const BUSY_MS = 1500;
const CALM_MS = 15_000;
/** Active videos beyond the first page that are asked for one by one. */
const SINGLE = 5;

/** The caller's videos, newest first, as far as they were asked for. */
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
let timer: ReturnType<typeof setTimeout> | undefined;
let failures = 0;

function merge(page: readonly Video[]) {
  const oldest = page.at(-1)?.id;
  const before = new Map(videos.value.map((video) => [video.id, video]));
  // Ids sort by creation: what is older than the page was asked for before, and stays.
  const rest = videos.value.filter(
    (video) => page.length === PAGE && oldest !== undefined && video.id < oldest,
  );
  for (const video of page) {
    const known = before.get(video.id);
    if (known !== undefined && known.status !== video.status && !isActive(video)) news.value = video;
  }
  videos.value = [...page, ...rest];
}

export function replace(video: Video) {
  videos.value = videos.value.map((known) => (known.id === video.id ? video : known));
}

let asking: Promise<void> | undefined;
let again = false;

/** Asks now. A call while one is under way is answered after another one. */
export function refreshVideos(): Promise<void> {
  if (asking !== undefined) {
    again = true;
    return asking;
  }
  asking = ask().finally(() => {
    asking = undefined;
    if (again) {
      again = false;
      void refreshVideos();
    } else {
      plan();
    }
  });
  return asking;
}

async function ask() {
  try {
    const headers = etag === null ? {} : { "if-none-match": etag };
    const answer = await callWhole("get", "/videos", { query: { limit: PAGE }, headers });
    if (answer.status === 200 && answer.body !== undefined) {
      const first = !loaded.value;
      merge(answer.body.items);
      etag = answer.etag;
      if (first || videos.value.length <= PAGE) older.value = answer.body.next_cursor ?? null;
      loaded.value = true;
    }
    for (const video of videos.value.slice(PAGE).filter(isActive).slice(0, SINGLE)) {
      replace(await call("get", "/videos/{id}", { path: { id: video.id } }));
    }
    failures = 0;
    reachable.value = true;
  } catch (error) {
    failures += 1;
    // One lost answer is no news.
    if (failures > 1 && !(error instanceof ApiError && error.status < 500)) reachable.value = false;
  }
}

function plan() {
  clearTimeout(timer);
  if (!watching || document.hidden || !signedIn.value) return;
  const pause = videos.value.some(isActive) ? BUSY_MS : CALM_MS;
  timer = setTimeout(refreshVideos, failures > 0 ? Math.min(BUSY_MS * 2 ** failures, 30_000) : pause);
}

let watching = false;

/** Keeps `videos` up to date from now on; what is returned ends that. */
export function watch(): () => void {
  watching = true;
  const look = () => (document.hidden ? clearTimeout(timer) : void refreshVideos());
  document.addEventListener("visibilitychange", look);
  addEventListener("online", look);
  addEventListener("offline", look);
  void refreshVideos();
  return () => {
    watching = false;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", look);
    removeEventListener("online", look);
    removeEventListener("offline", look);
    videos.value = [];
    loaded.value = false;
    older.value = null;
    etag = null;
    failures = 0;
    reachable.value = true;
  };
}

export async function loadOlder() {
  const cursor = older.value;
  if (cursor === null) return;
  const page = await call("get", "/videos", { query: { limit: PAGE, cursor } });
  const known = new Set(videos.value.map((video) => video.id));
  videos.value = [...videos.value, ...page.items.filter((video) => !known.has(video.id))];
  older.value = page.next_cursor ?? null;
}

export async function cancel(id: string) {
  await call("post", "/videos/{id}/cancel", { path: { id } });
  await refreshVideos();
}

export async function deleteVideo(id: string) {
  await call("delete", "/videos/{id}", { path: { id } });
  videos.value = videos.value.filter((video) => video.id !== id);
  await refreshVideos();
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
