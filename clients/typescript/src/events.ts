// Server-sent events by `fetch`, because `EventSource` cannot send a token.

import { Refused } from "./errors.js";
import type { Progress, VideoResponse } from "./schema.js";

/** A change of a video, with the whole record if more than its progress has changed. */
export type Event =
  | { kind: "status"; id: string; video: VideoResponse }
  | { kind: "progress"; id: string; progress: Progress }
  | { kind: "deleted"; id: string };

/** The service is never silent for longer than 15 seconds. */
const IDLE_TIMEOUT_MS = 40_000;

/** The events of consecutive streams; `undefined` if one breaks off or cannot be opened. */
export async function* follow(
  open: (lastEventId: string | undefined, signal: AbortSignal) => Promise<Response>,
  sleep: (milliseconds: number) => Promise<void>,
  signal?: AbortSignal,
): AsyncGenerator<Event | undefined, void, undefined> {
  let lastEventId: string | undefined;
  for (let faults = 0; ; ) {
    let alive = false;
    const attempt = new AbortController();
    const end = (): void => attempt.abort();
    signal?.addEventListener("abort", end);
    let timer = setTimeout(end, IDLE_TIMEOUT_MS);
    try {
      const answer = await open(lastEventId, attempt.signal);
      for await (const block of blocks(answer)) {
        clearTimeout(timer);
        timer = setTimeout(end, IDLE_TIMEOUT_MS);
        const fields = new Map<string, string>();
        for (const line of block.split(/\r?\n/)) {
          const colon = line.indexOf(":");
          fields.set(line.slice(0, colon), line.slice(colon + 1).replace(/^ /, ""));
        }
        // A comment has no name.
        alive ||= fields.has("data") || fields.has("");
        const event = eventOf(fields.get("event"), fields.get("data"));
        lastEventId = fields.get("id") ?? lastEventId;
        if (event) yield event;
      }
    } catch (error) {
      signal?.throwIfAborted();
      const passing = (refused: Refused): boolean => refused.code === "not-found" || refused.status === 429 || refused.status >= 500;
      if (error instanceof Refused && !passing(error)) throw error;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      end();
    }
    faults = alive ? 0 : faults + 1;
    if (faults === 0) {
      await sleep(2000);
    } else {
      yield undefined;
      await sleep(Math.min(1000 * 2 ** (faults - 1), 30_000) * (0.5 + Math.random() / 2));
    }
  }
}

/** The blocks between empty lines, without an incomplete one at the end. */
async function* blocks(answer: Response): AsyncGenerator<string, void, undefined> {
  const reader = answer.body?.getReader();
  const decoder = new TextDecoder();
  for (let rest = ""; reader; ) {
    const { done, value } = await reader.read();
    if (done) return;
    const whole = (rest + decoder.decode(value, { stream: true })).split(/\r?\n\r?\n/);
    rest = whole.pop() ?? "";
    yield* whole;
  }
}

/** Parses an event; undefined for a kind of a later version. */
function eventOf(kind: string | undefined, data: string | undefined): Event | undefined {
  if (data === undefined) return undefined;
  const found = JSON.parse(data);
  if (kind === "status") return { kind, id: found.id, video: found };
  if (kind === "progress") return { kind, id: found.id, progress: found.progress };
  return kind === "deleted" ? { kind, id: found.id } : undefined;
}
