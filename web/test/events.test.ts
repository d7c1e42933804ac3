// A stream of events is read piece by piece, reopened after its last event, and retried after longer and longer pauses.
import assert from "node:assert/strict";
import { test } from "node:test";
import { follow, type Message, pauseAfter } from "../src/events";

type Opening = string[] | Error | Response;

/** Follows streams of these pieces, one after the other; returns the events, requests and pauses. */
async function followed(...openings: Opening[]) {
  const seen = {
    told: [] as Message[],
    ids: [] as (string | undefined)[],
    opened: [] as boolean[],
    waits: [] as number[],
    broken: 0,
  };
  await new Promise<void>((done) => {
    const stop = follow({
      async open(lastEventId) {
        seen.ids.push(lastEventId);
        const opening = openings[seen.ids.length - 1] ?? new Error();
        if (opening instanceof Response) return opening;
        if (opening instanceof Error) throw opening;
        const pieces = opening.map((piece) => new TextEncoder().encode(piece));
        const body = new ReadableStream({
          pull: (to) => {
            const piece = pieces.shift();
            if (piece === undefined) to.close();
            else to.enqueue(piece);
          },
        });
        return new Response(body, { headers: { "content-type": "text/event-stream" } });
      },
      receive: (message) => seen.told.push(message),
      opened: (afterFault) => seen.opened.push(afterFault),
      broken: () => {
        seen.broken += 1;
      },
      async wait(ms) {
        seen.waits.push(ms);
        if (seen.waits.length < openings.length) return;
        stop();
        done();
      },
    });
  });
  return seen;
}

test("messages are read across pieces, and the next stream begins after the last one", async () => {
  const first = [
    "retry: 700\n\n: \n\nevent: status\nid: 5\nda",
    "ta: {}\n\n",
    "event: progress\r\nid: 6\r\ndata:x\r\n\r\nid: 9\ndata: never",
  ];
  const { told, ids, opened, waits, broken } = await followed(first, ["retry: 700\n\n", ": \n\n"]);
  assert.deepEqual(told, [
    { event: "status", data: "{}" },
    { event: "progress", data: "x" },
  ]);
  assert.deepEqual(ids, [undefined, "6"]);
  assert.deepEqual([opened, waits, broken], [[false, false], [700, 700], 0]);
});

test("an id without an event counts as the last one", async () => {
  const { told, ids } = await followed(["retry: 700\n\nid: 4:\n\n", ": \n\n"], [": \n\n"]);
  assert.deepEqual([told, ids], [[], [undefined, "4:"]]);
});

test("a stream that fails is retried after longer and longer pauses, and then events may have been missed", async () => {
  const lost = Object.assign(new Error(), { retryAfter: 50 });
  const page = new Response("<html>");
  const { opened, waits, broken } = await followed(lost, page, ["retry: 1\n\n"], ["retry: 1\n\n", ": \n\n"]);
  assert.equal(broken, 3, "a stream that ends behind its first piece is no good, either");
  assert.deepEqual(opened, [true, true]);
  assert.equal(waits[0], 50_000);
  assert.ok((waits[1] ?? 0) >= 2_000 && (waits[2] ?? 0) >= 4_000, String(waits));
  assert.equal(waits[3], 1);
});

test("pauses double up to half a minute, with jitter", () => {
  assert.deepEqual(
    [1, 2, 3, 9].map((faults) => pauseAfter(faults, 1)),
    [2_000, 4_000, 8_000, 30_000],
  );
  assert.equal(pauseAfter(9, 0), 15_000);
});
