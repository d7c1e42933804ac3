// The list follows the events, and an answer that is older than an event takes nothing back.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

const storage = new Map([["framelift.refresh_token", "r"]]);
const listeners = new Map<string, () => void>();
const events = {
  addEventListener: (name: string, listener: () => void) => listeners.set(name, listener),
  removeEventListener: (name: string) => listeners.delete(name),
};
const page = { hidden: false, ...events };
Object.assign(globalThis, {
  localStorage: {
    getItem: (key: string) => storage.get(key) ?? null,
    setItem: () => {},
    removeItem: () => {},
  },
  document: page,
  ...events,
});
// Node.js 20 has none.
globalThis.navigator ??= {} as Navigator;
const { deleteVideo, news, refreshVideos, videos, watch } = await import("../src/videos");
const { signedIn } = await import("../src/session");

const video = (id: string, status: string, percent = 0) => ({
  id,
  status,
  file_name: id,
  progress: { percent },
});
let asked: string[] = [];
let list: { answer: (items: object[]) => void }[] = [];
let stream: ReadableStreamDefaultController<Uint8Array>;
let closed: string[] = [];
let stop = () => {};
const settle = () => new Promise((resolve) => setImmediate(resolve));

async function tell(event: string, data: object) {
  stream.enqueue(new TextEncoder().encode(`event: ${event}\nid: 1\ndata: ${JSON.stringify(data)}\n\n`));
  await settle();
}

beforeEach(() => {
  // Other tests may have loaded the module where nobody was signed in.
  signedIn.value = true;
  asked = [];
  list = [];
  closed = [];
  globalThis.fetch = (async (url: string, { method, signal }: RequestInit) => {
    if (method === "DELETE") return new Response(null, { status: 204 });
    if (url === "/auth/refresh")
      return Response.json({ access_token: "a", expires_in: 3600, refresh_token: "r" });
    asked.push(url);
    if (url === "/videos/events") {
      const body = new ReadableStream({
        start: (controller) => {
          stream = controller;
          signal?.addEventListener("abort", () => {
            closed.push(url);
            controller.error(signal.reason);
          });
        },
      });
      return new Response(body, { headers: { "content-type": "text/event-stream" } });
    }
    return new Promise((resolve) => {
      const answer = (items: object[]) => resolve(Response.json({ items, next_cursor: null }));
      list.push({ answer });
    });
  }) as typeof fetch;
});

afterEach(() => stop());

test("one list is asked for, then events tell", async () => {
  stop = watch();
  await settle();
  list[0]?.answer([video("2", "pending"), video("1", "completed")]);
  await settle();
  await tell("status", video("2", "processing"));
  await tell("progress", { id: "2", progress: { percent: 40 } });
  assert.deepEqual(
    videos.value.map((it) => [it.id, it.status, it.progress.percent]),
    [
      ["2", "processing", 40],
      ["1", "completed", 0],
    ],
  );
  await tell("status", video("3", "pending"));
  await tell("status", video("2", "completed"));
  await tell("deleted", { id: "1" });
  assert.deepEqual(
    videos.value.map((it) => it.id),
    ["3", "2"],
  );
  assert.equal(news.value?.id, "2");
  assert.deepEqual(asked.sort(), ["/videos/events", "/videos?limit=20"]);
  stop();
  listeners.delete("storage");
  assert.deepEqual([closed, listeners.size, videos.value], [["/videos/events"], 0, []]);
});

test("an answer on its way takes back nothing that was told meanwhile", async () => {
  stop = watch();
  await settle();
  await tell("status", video("2", "completed"));
  await tell("status", video("1", "canceled"));
  await tell("deleted", { id: "1" });
  list[0]?.answer([video("2", "processing"), video("1", "pending"), video("0", "failed")]);
  await settle();
  assert.deepEqual(
    videos.value.map((it) => [it.id, it.status]),
    [
      ["2", "completed"],
      ["0", "failed"],
    ],
  );
  stop();
});

test("a hidden tab listens to nothing and catches up when it is shown", async () => {
  stop = watch();
  await settle();
  list[0]?.answer([]);
  page.hidden = true;
  listeners.get("visibilitychange")?.();
  await settle();
  assert.deepEqual(closed, ["/videos/events"]);
  asked = [];
  page.hidden = false;
  listeners.get("visibilitychange")?.();
  await settle();
  assert.deepEqual(asked.sort(), ["/videos/events", "/videos?limit=20"]);
  list[1]?.answer([]);
  await settle();
});

test("what ended between the list and the stream is asked for once", async () => {
  stop = watch();
  await settle();
  await tell("status", video("1", "pending"));
  list[0]?.answer([video("2", "processing"), video("1", "pending")]);
  await settle();
  list[1]?.answer([video("2", "completed"), video("1", "pending")]);
  await settle();
  assert.deepEqual(
    videos.value.map((it) => it.status),
    ["completed", "pending"],
  );
  await tell("status", video("3", "pending"));
  assert.equal(list.length, 2, "the stream tells of the others");
});

test("no older word brings a video back, or takes its end away", async () => {
  stop = watch();
  await settle();
  await tell("status", video("3", "pending"));
  list[0]?.answer([video("3", "completed"), video("2", "completed"), video("1", "completed")]);
  await settle();
  assert.equal(videos.value[0]?.status, "completed", "the answer is newer than the event");
  await tell("status", video("2", "processing"));
  assert.equal(videos.value[1]?.status, "completed");
  const deleting = deleteVideo("1");
  await settle();
  await tell("status", video("1", "completed"));
  await deleting;
  await settle();
  list[1]?.answer([video("3", "completed"), video("2", "completed"), video("1", "completed")]);
  await settle();
  assert.deepEqual(
    videos.value.map((it) => it.id),
    ["3", "2"],
  );
});

test("who asks while an answer is on its way gets the next one", async () => {
  stop = watch();
  await settle();
  let shown: readonly string[] | undefined;
  void refreshVideos().then(() => {
    shown = videos.value.map((it) => it.status);
  });
  list[0]?.answer([video("1", "awaiting_upload")]);
  await settle();
  assert.equal(shown, undefined);
  list[1]?.answer([video("1", "completed")]);
  await settle();
  assert.deepEqual(shown, ["completed"]);
});
