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
/** How long a stream may take to tell of a video. */
const UNTOLD_MS = 3_000;
/** Videos that the open stream has told of: it tells of their end, too. */
const followed = new Set<string>();
/** Videos that were told of since the list was asked for: what it says of them may be older. */
const told = new Set<string>();

/** Ids sort by creation. */
function show(list: Iterable<Video>) {
  videos.value = [...list].sort((a, b) => (a.id < b.id ? 1 : -1));
}

function announce(known: Video | undefined, video: Video) {
  if (known !== undefined && known.status !== video.status && !isActive(video)) news.value = video;
}

function merge(page: readonly Video[]) {
  const oldest = page.at(-1)?.id;
  const known = new Map(videos.value.map((video) => [video.id, video]));
  // What is older than the page was asked for before, and stays.
  const rest = videos.value.filter(
    ({ id }) => told.has(id) || (page.length === PAGE && oldest !== undefined && id < oldest),
  );
  const fresh = page.filter(({ id }) => !told.has(id));
  for (const video of fresh) announce(known.get(video.id), video);
  show([...fresh, ...rest]);
}

/** Takes over a video as it is now. */
export function keep(video: Video) {
  const known = videos.value.find(({ id }) => id === video.id);
  announce(known, video);
  show([video, ...videos.value.filter((other) => other !== known)]);
}

function drop(id: string) {
  videos.value = videos.value.filter((video) => video.id !== id);
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
    if (!again) return;
    again = false;
    if (signedIn.value) void refreshVideos();
  });
  return asking;
}

async function ask() {
  told.clear();
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
    for (const { id } of live ? [] : videos.value.slice(PAGE).filter(isActive).slice(0, SINGLE)) {
      const video = await call("get", "/videos/{id}", { path: { id } });
      if (!told.has(id)) keep(video);
    }
    failures = 0;
    reachable.value = true;
    checkLater();
  } catch (error) {
    failures += 1;
    // One lost answer is no news.
    if (failures > 1 && !(error instanceof ApiError && error.status < 500)) reachable.value = false;
  }
}

let check: ReturnType<typeof setTimeout> | undefined;

/** A stream looks now and then, and does not see what begins and ends in between. */
function checkLater() {
  clearTimeout(check);
  check = setTimeout(() => {
    if (live && videos.value.some((video) => isActive(video) && !followed.has(video.id)))
      void refreshVideos();
  }, UNTOLD_MS);
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

/** Keeps `videos` up to date from now on; what is returned ends that. */
export function watch(): () => void {
  let stop = () => {};
  // Nobody looks at a hidden tab; it catches up when it is shown again.
  const look = () => {
    stop();
    live = false;
    if (document.hidden) return;
    void refreshVideos();
    stop = follow({
      open: (lastEventId, signal) => openEvents("/videos/events", lastEventId, signal),
      tell: take,
      opened: (afterFault) => {
        live = true;
        followed.clear();
        checkLater();
        if (afterFault) void refreshVideos();
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
  look();
  return () => {
    stop();
    clearTimeout(check);
    live = false;
    document.removeEventListener("visibilitychange", look);
    for (const name of signals) removeEventListener(name, look);
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
