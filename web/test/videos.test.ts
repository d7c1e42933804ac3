// The list follows the events, and an answer that is older than an event changes nothing.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { dispatch, listenerCount, page, settle, tokens } from "./browser";

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

async function tell(event: string, data: object) {
  stream.enqueue(new TextEncoder().encode(`event: ${event}\nid: 1\ndata: ${JSON.stringify(data)}\n\n`));
  await settle();
}

beforeEach(() => {
  localStorage.setItem("framelift.refresh_token", "r");
  signedIn.value = true;
  asked = [];
  list = [];
  closed = [];
  globalThis.fetch = (async (url: string, { method, signal }: RequestInit) => {
    if (method === "DELETE") return new Response(null, { status: 204 });
    if (url === "/auth/refresh") return tokens("ada");
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

test("the list is loaded once, then events change it", async () => {
  const before = listenerCount();
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
  assert.deepEqual([closed, listenerCount(), videos.value], [["/videos/events"], before, []]);
});

test("an answer that is older than an event changes nothing", async () => {
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
  dispatch("visibilitychange");
  await settle();
  assert.deepEqual(closed, ["/videos/events"]);
  asked = [];
  page.hidden = false;
  dispatch("visibilitychange");
  await settle();
  assert.deepEqual(asked.sort(), ["/videos/events", "/videos?limit=20"]);
  list[1]?.answer([]);
  await settle();
});

test("the list is loaded once more for videos that ended before the stream began", async () => {
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
  assert.equal(list.length, 2, "the stream sends the others");
});

test("an older answer or event does not bring a video back, or undo its end", async () => {
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

test("a refresh while the list is being loaded waits for the next answer", async () => {
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
