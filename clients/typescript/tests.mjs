// What needs no service: `node tests.mjs` where `framelift` can be imported.

import assert from "node:assert/strict";
import { createHash, webcrypto } from "node:crypto";
import test from "node:test";

// As in Node.js 18.
delete globalThis.crypto;
const { Client, DamagedResult, InvalidSignature, verify } = await import("framelift");

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
// The example of the specification's own libraries.
const BODY = '{"test": 2432232314}';
const HEADERS = {
  "Webhook-Id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
  "Webhook-Timestamp": "1614265330",
  "Webhook-Signature": "v1,Y3JhcA== v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
};

test("a good signature gives the event", async () => {
  assert.deepEqual(await verify(SECRET, BODY, HEADERS, 1614265331), { test: 2432232314 });
  assert.deepEqual(await verify(SECRET, BODY, new Headers(HEADERS), 1614265331), { test: 2432232314 });
});

test("what is not signed so is refused", async () => {
  for (const [secret, body, headers, now] of [
    [SECRET, `${BODY} `, HEADERS, 1614265330],
    [SECRET, BODY, HEADERS, 1614265330 + 301],
    [SECRET, BODY, HEADERS, 1614265330 - 301],
    [SECRET, BODY, { ...HEADERS, "Webhook-Id": "other" }, 1614265330],
    [SECRET, BODY, { ...HEADERS, "Webhook-Timestamp": "x" }, 1614265330],
    [SECRET, BODY, {}, 1614265330],
    ["whsec_c2VjcmV0", BODY, HEADERS, 1614265330],
    ["whsec_?", BODY, HEADERS, 1614265330],
  ]) {
    await assert.rejects(verify(secret, body, headers, now), InvalidSignature);
  }
});

/** A stored ZIP, with a directory in the large form if `large`. */
async function archive(count, large) {
  const encode = (text) => new TextEncoder().encode(text);
  const digest = async (data) => Buffer.from(await webcrypto.subtle.digest("SHA-256", data)).toString("hex");
  const parts = [];
  const entries = [];
  let at = 0;
  const add = (name, data) => {
    const header = Buffer.alloc(30);
    header.writeUInt32LE(0x04034b50, 0);
    header.writeUInt16LE(name.length, 26);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt32LE(large ? 0xffffffff : data.length, 20);
    entry.writeUInt32LE(large ? 0xffffffff : data.length, 24);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt16LE(large ? 28 : 0, 30);
    entry.writeUInt32LE(large ? 0xffffffff : at, 42);
    const extra = Buffer.alloc(large ? 28 : 0);
    if (large) {
      extra.writeUInt16LE(1, 0);
      extra.writeUInt16LE(24, 2);
      [data.length, data.length, at].forEach((value, n) => extra.writeBigUInt64LE(BigInt(value), 4 + 8 * n));
    }
    entries.push(entry, encode(name), extra);
    parts.push(header, encode(name), data);
    at += 30 + name.length + data.length;
  };
  const frames = [];
  for (let n = 1; n <= count; n += 1) {
    const data = new Uint8Array(n % 997).fill(n % 251);
    const file = `frames/frame_${n}.jpg`;
    add(file, data);
    frames.push({ file, time: `${n}/25`, time_seconds: n / 25, width: 4, height: 2, keyframe: n === 1, sha256: await digest(data) });
  }
  add("manifest.json", encode(JSON.stringify({ frames })));
  const directory = Buffer.concat(entries);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(large ? 0xffff : count + 1, 10);
  end.writeUInt32LE(large ? 0xffffffff : directory.length, 12);
  end.writeUInt32LE(large ? 0xffffffff : at, 16);
  const more = Buffer.alloc(large ? 76 : 0);
  if (large) {
    more.writeUInt32LE(0x06064b50, 0);
    [count + 1, directory.length, at].forEach((value, n) => more.writeBigUInt64LE(BigInt(value), 32 + 8 * n));
    more.writeUInt32LE(0x07064b50, 56);
    more.writeBigUInt64LE(BigInt(at + directory.length), 64);
  }
  return Buffer.concat([...parts, directory, more, end]);
}

const record = (status, percent = 0, more = {}) => ({
  id: "1", status, progress: { percent }, completed_at: ["completed", "failed"].includes(status) ? "now" : null, ...more,
});
const told = (kind, id, data) => `event: ${kind}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`;
const status = (video, id = "1-1") => told("status", id, video);
const stream = (text) => new Response(text, { headers: { "content-type": "text/event-stream" } });

/** The frames that a client reads of it, and how many ranges it asked for. */
async function read(bytes) {
  let ranges = 0;
  globalThis.fetch = async (url, { headers }) => {
    if (!url.startsWith("http://store")) {
      if (url.endsWith("/download")) return Response.json({ url: "http://store" });
      return stream(status(record("completed", 100, { result: { size_bytes: bytes.length } })));
    }
    ranges += 1;
    const [start, end] = headers.range.slice(6).split("-").map(Number);
    return new Response(bytes.subarray(start, end + 1), { status: 206 });
  };
  const frames = [];
  for await (const frame of new Client("http://api", "token").frames("1")) frames.push(frame);
  return { frames, ranges };
}

test("frames come in order, by few ranges", async () => {
  for (const [count, large] of [[1, false], [3000, false], [40, true]]) {
    const { frames, ranges } = await read(await archive(count, large));
    assert.deepEqual(frames.map((frame) => frame.number), Array.from({ length: count }, (_, n) => n + 1));
    assert.deepEqual(frames.at(-1).data, new Uint8Array(count % 997).fill(count % 251));
    assert.equal(frames[0].seconds, 0.04);
    assert.ok(ranges <= 5, `${ranges} ranges`);
  }
});

test("a few frames are asked for one by one", async () => {
  const asked = [];
  globalThis.fetch = async (url) => {
    const { pathname, search, searchParams } = new URL(url);
    asked.push(pathname + search);
    if (pathname.endsWith("/events")) return stream(status(record("completed", 100, { options: { format: "png" } })));
    if (pathname.startsWith("/f/")) return new Response(`image ${pathname.slice(3)}`);
    if (pathname.includes("/at/")) return new Response("image 7", { headers: { "content-location": "/videos/1/frames/7" } });
    const [from, limit] = [Number(searchParams.get("from")), Number(searchParams.get("limit"))];
    const numbers = Array.from({ length: Math.max(0, Math.min(250, from + limit - 1) - from + 1) }, (_, n) => from + n);
    const items = numbers.map((n) => ({ n, time: `${n}`, time_seconds: n, bytes: `image ${n}`.length, url: `/f/${n}` }));
    return Response.json({ items, next_cursor: from + limit <= 250 ? "x" : null });
  };
  const numbers = async (how) => {
    const found = [];
    for await (const frame of new Client("http://api", "token").frames("1", how)) {
      assert.equal(new TextDecoder().decode(frame.data), `image ${frame.number}`);
      assert.equal(frame.file, `frames/frame_${String(frame.number).padStart(6, "0")}.png`);
      found.push(frame.number);
    }
    return found;
  };
  assert.deepEqual(await numbers({ start: 101, stop: 103 }), [101, 102]);
  assert.deepEqual(asked.splice(0).slice(1), ["/videos/1/frames?from=101&limit=2", "/f/101", "/f/102"]);
  assert.deepEqual(await numbers({ start: 120 }), Array.from({ length: 131 }, (_, n) => 120 + n));
  asked.splice(0);
  assert.deepEqual(await numbers({ at: ["12.5s", 7] }), [7, 7]);
  assert.equal(asked[1], "/videos/1/frames/at/12.5s");
  await assert.rejects(numbers({ at: [1], stop: 3 }), RangeError);
});

test("one stream tells of a video to its end; what breaks off is gone on with, and looks take its place", async () => {
  const asked = [];
  const progress = told("progress", "1-2", { id: "1", progress: { percent: 40 } });
  const streams = [
    `retry: 2000\n\n${status(record("processing"))}: \n\n${progress}event: sta`,
    status(record("completed", 100), "2-2"),
  ];
  globalThis.fetch = async (url, { headers }) => {
    asked.push(`${new URL(url).pathname} ${headers.get("last-event-id")}`);
    return stream(streams.shift());
  };
  const states = [];
  for await (const state of new Client("http://api", "token").watch("1")) states.push([state.status, state.progress.percent]);
  assert.deepEqual(states, [["processing", 0], ["processing", 40], ["completed", 100]]);
  assert.deepEqual(asked, ["/videos/1/events null", "/videos/1/events 1-2"]);

  globalThis.fetch = async (url) =>
    url.endsWith("/events")
      ? Response.json({ code: "not-found" }, { status: 404 })
      : Response.json(record("failed", 0, { failure: { code: "not-a-video", message: "it is none" } }));
  await assert.rejects(new Client("http://api", "token").wait("1"), /not-a-video: it is none/);
});

test("damage is told", async () => {
  const whole = await archive(30, false);
  const image = whole.indexOf(Buffer.alloc(20, 20));
  const header = whole.indexOf(Buffer.from("PK\x03\x04"), 100);
  for (const at of [image, header, whole.length - 22]) {
    const damaged = Buffer.from(whole);
    damaged.write("bad", at);
    await assert.rejects(read(damaged), DamagedResult);
  }
  await assert.rejects(read(Buffer.from("no archive at all, but long enough")), DamagedResult);
});

/** A client of a service whose result is `made`, and whose object store has `stored`. */
function clientOf(made, stored) {
  const sha256 = createHash("sha256").update(made).digest("hex");
  globalThis.fetch = async (url, { headers }) => {
    if (url.endsWith("/events")) {
      return stream(status(record("completed", 100, { result: { size_bytes: made.length, sha256 } })));
    }
    if (url.endsWith("/download")) return Response.json({ url: "http://store" });
    const [start, end] = headers.range.slice(6).split("-").map(Number);
    return new Response(stored.subarray(start, end + 1), { status: 206 });
  };
  return new Client("http://api", "token");
}

test("archives are checked as they come, whatever their length", async () => {
  const random = webcrypto.getRandomValues(new Uint8Array(60_000));
  const lengths = [...Array.from({ length: 130 }, (_, n) => n + 1), 59_999, 60_000, (8 << 20) + 1, (16 << 20) + 77];
  for (const length of lengths) {
    const made = Buffer.alloc(length, random);
    const [pieces, told] = [[], []];
    const target = new WritableStream({ write: (piece) => void pieces.push(piece) });
    await clientOf(made, made).download("1", target, { progress: (received, total) => told.push([received, total]) });
    assert.ok(Buffer.concat(pieces).equals(made), `${length} bytes`);
    assert.deepEqual(told.at(-1), [length, length]);
  }
  const archive = await clientOf(random, random).archive("1");
  assert.ok(Buffer.from(await archive.arrayBuffer()).equals(random));
});

test("a damaged archive is refused, and its stream aborted", async () => {
  const made = Buffer.alloc(100_000, 7);
  const stored = Buffer.from(made);
  stored[70_000] = 8;
  let aborted;
  const target = new WritableStream({ close: () => assert.fail("closed"), abort: (reason) => void (aborted = reason) });
  await assert.rejects(clientOf(made, stored).download("1", target), DamagedResult);
  assert.ok(aborted instanceof DamagedResult);
  await assert.rejects(clientOf(made, stored).archive("1"), DamagedResult);
});

test("what breaks off between parts is resumed", async () => {
  const arrived = new Map();
  const puts = [];
  const keys = [];
  let fatal = 3;
  globalThis.fetch = async (url, { method = "GET", headers, body }) => {
    const { pathname } = new URL(url);
    if (method === "PUT") {
      const number = Number(pathname.slice(1));
      if (number === fatal) throw fatal;
      puts.push([number, await body.text()]);
      arrived.set(number, body.size);
      return new Response();
    }
    if (pathname === "/videos") {
      keys.push(headers.get("idempotency-key"));
      return Response.json({ id: "1", status: "awaiting_upload", upload: { method: "MULTIPART" } });
    }
    if (!pathname.endsWith("/upload-parts")) return Response.json(record("pending"));
    const parts = [1, 2, 3, 4, 5].map((number) => ({ number, url: `http://store/${number}` }));
    const uploaded = Array.from(arrived, ([number, size]) => ({ number, size }));
    return Response.json({ part_size: 2, part_count: 5, parts, uploaded });
  };
  const stop = new AbortController();
  const send = (progress) =>
    new Client("http://api", "token").upload(new Blob(["0123456789"]), { name: "a.mp4", key: "mine", progress, signal: stop.signal });
  // The page is closed as soon as something has arrived.
  await assert.rejects(send((sent) => sent > 0 && stop.abort()));
  const first = puts.splice(0).map(([number]) => number);
  assert.ok(first.length > 0 && first.length < 5 && !first.includes(3), `${first}`);

  fatal = undefined;
  const told = [];
  const again = new Client("http://api", "token");
  const progress = (sent) => told.push(sent);
  const video = await again.upload(new Blob(["0123456789"]), { name: "a.mp4", key: "mine", progress });
  assert.equal(video.status, "pending");
  assert.deepEqual(puts.map(([number]) => number), [1, 2, 3, 4, 5].filter((number) => !first.includes(number)));
  assert.deepEqual(puts.find(([number]) => number === 3), [3, "45"]);
  assert.deepEqual([told[0], told.at(-1)], [first.length * 2, 10]);
  assert.deepEqual(keys, ["mine", "mine"]);
});

test("a run whose answer is lost is the same run", async () => {
  const keys = [];
  globalThis.fetch = async (url, { method = "GET", headers }) => {
    if (method === "GET") return Response.json(record("pending"));
    keys.push(headers.get("idempotency-key"));
    if (keys.length === 1) throw new TypeError("lost");
    return Response.json({ id: "2" });
  };
  assert.equal((await new Client("http://api", "token").run("1", {})).status, "pending");
  assert.equal(keys.length, 2);
  assert.ok(keys[0] && keys[0] === keys[1], `${keys}`);
});
