// Records of frames are loaded when they are shown, also in the middle of many.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

const storage = new Map<string, string>();
Object.assign(globalThis, {
  localStorage: {
    getItem: (key: string) => storage.get(key) ?? null,
    setItem: () => {},
    removeItem: () => {},
  },
  addEventListener: () => {},
});
// Node.js 20 has none.
globalThis.navigator ??= {} as Navigator;
const { Frames } = await import("../src/frames");

const COUNT = 10_000;
let asked: string[] = [];
let validFor = 3600;
let failing = false;

/** The service, as its document describes it. */
function serve(url: string): Response {
  const { pathname, searchParams } = new URL(url, "http://service");
  if (pathname === "/auth/refresh") {
    return Response.json({ access_token: "a", token_type: "Bearer", expires_in: 3600, refresh_token: "r" });
  }
  asked.push(`${pathname}${searchParams.size > 0 ? `?${searchParams}` : ""}`);
  if (failing)
    return Response.json({ code: "unavailable", status: 503, title: "", detail: "" }, { status: 503 });
  const first = Number(searchParams.get("from"));
  const end = Math.min(COUNT, first + Number(searchParams.get("limit")) - 1);
  const items = Array.from({ length: end - first + 1 }, (_, n) => {
    const number = first + n;
    const url = `/f/v.${number}.9.one`;
    const time = `${number / 25}`;
    return {
      n: number,
      time,
      time_seconds: number / 25,
      width: 16,
      height: 9,
      bytes: 1,
      keyframe: false,
      url,
    };
  });
  const expires_at = new Date(Date.now() + validFor * 1000).toISOString();
  return Response.json({ items, next_cursor: null, url_template: "/f/v.{n}.9.all.sum", expires_at });
}

beforeEach(() => {
  storage.set("framelift.refresh_token", "r");
  asked = [];
  validFor = 3600;
  failing = false;
  globalThis.fetch = (async (url: string) => serve(url)) as typeof fetch;
});

test("one call is enough to show any frame", async () => {
  const frames = await Frames.open("v", COUNT);
  assert.deepEqual(asked, ["/videos/v/frames?limit=100&from=1"]);
  assert.equal(frames.url(0), "/f/v.1.9.all.sum");
  assert.equal(frames.url(9_999), "/f/v.10000.9.all.sum");
  assert.equal(frames.frame(99)?.time_seconds, 4);
  assert.equal(frames.frame(100), undefined);
});

test("each page is loaded once", async () => {
  const frames = await Frames.open("v", COUNT);
  asked = [];
  await Promise.all([frames.need(5_090, 5_110), frames.need(5_095, 5_120)]);
  assert.deepEqual(asked, ["/videos/v/frames?limit=100&from=5001", "/videos/v/frames?limit=100&from=5101"]);
  assert.equal(frames.frame(5_100)?.n, 5_101);
  await frames.need(9_990, 20_000);
  assert.equal(frames.frame(9_999)?.n, COUNT);
});

test("a page is loaded again if it failed or its links are about to expire", async () => {
  const frames = await Frames.open("v", COUNT);
  failing = true;
  await assert.rejects(frames.need(200, 201));
  failing = false;
  validFor = 30;
  await frames.need(200, 201);
  asked = [];
  await frames.need(0, 1);
  assert.deepEqual(asked, ["/videos/v/frames?limit=100&from=1"]);
});
