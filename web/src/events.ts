// Server-sent events read with `fetch`, because `EventSource` cannot send a token: a stream is opened again with the id
// of its last event, at once after a proper end, later and later where it breaks off.

export interface Message {
  event: string;
  data: string;
}

export interface Source {
  /** Opens the stream behind the last event that was read; throws where that is refused. */
  open(lastEventId: string | undefined, signal: AbortSignal): Promise<Response>;
  /** An event. */
  tell(message: Message): void;
  /** The stream is there, and what it has told first was read: for the first time, again behind its last event, or
   * after a fault. */
  opened(afterFault: boolean): void;
  /** It broke off or could not be opened; it is tried again later. */
  broken(): void;
  /** Waits; ends early with the signal. */
  wait?(ms: number, signal: AbortSignal): Promise<void>;
}

/** Between the end of a stream and the next one, unless the service says how long. */
const RETRY_MS = 2_000;
const LONGEST_MS = 30_000;
/** A comment comes every 15 s: after so much silence nobody is there. */
const SILENCE_MS = 40_000;

/** How long to wait after so many faults in a row: twice as long each time, and not all clients at once. */
export function pauseAfter(faults: number, random = Math.random()): number {
  return Math.min(RETRY_MS * 2 ** (faults - 1), LONGEST_MS) * (0.5 + random / 2);
}

/** Follows a stream until what is returned is called. */
export function follow(source: Source): () => void {
  const ending = new AbortController();
  void new Follower(source, ending.signal).run();
  return () => ending.abort();
}

class Follower {
  readonly #source: Source;
  readonly #signal: AbortSignal;
  #lastEventId: string | undefined;
  #retryMs = RETRY_MS;

  constructor(source: Source, signal: AbortSignal) {
    this.#source = source;
    this.#signal = signal;
  }

  async run() {
    const wait = this.#source.wait ?? waitFor;
    for (let faults = 0; !this.#signal.aborted; ) {
      let asked = 0;
      try {
        // One that ends behind its first piece, again and again, does no good.
        faults = (await this.#once(faults > 0)) > 1 ? 0 : faults + 1;
      } catch (error) {
        faults += 1;
        asked = ((error as { retryAfter?: number }).retryAfter ?? 0) * 1000;
      }
      if (this.#signal.aborted) return;
      if (faults > 0) this.#source.broken();
      await wait(faults > 0 ? Math.max(pauseAfter(faults), asked) : this.#retryMs, this.#signal);
    }
  }

  /** Reads one stream to its end; how many pieces came. */
  async #once(afterFault: boolean): Promise<number> {
    const attempt = new AbortController();
    const end = () => attempt.abort();
    this.#signal.addEventListener("abort", end);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(end, SILENCE_MS);
    };
    try {
      alive();
      const answer = await this.#source.open(this.#lastEventId, attempt.signal);
      if (!answer.headers.get("content-type")?.startsWith("text/event-stream") || answer.body === null)
        throw new Error("no stream of events");
      const reader = answer.body.getReader();
      const decoder = new TextDecoder();
      let rest = "";
      for (let pieces = 0; ; pieces += 1) {
        const { done, value } = await reader.read();
        if (done) return pieces;
        if (this.#signal.aborted) return pieces;
        alive();
        const blocks = (rest + decoder.decode(value, { stream: true })).split(/\r?\n\r?\n/);
        rest = blocks.pop() ?? "";
        for (const block of blocks) this.#read(block);
        // Behind the first piece, because a proxy that collects events sends the head alone.
        if (pieces === 0) this.#source.opened(afterFault);
      }
    } finally {
      clearTimeout(timer);
      this.#signal.removeEventListener("abort", end);
      // Nothing stays open where a reader has thrown.
      end();
    }
  }

  /** One message, as the HTML standard spells them. */
  #read(block: string) {
    let event = "message";
    const data: string[] = [];
    for (const line of block.split(/\r?\n/)) {
      const [, name, value = ""] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
      if (name === "event") event = value;
      else if (name === "data") data.push(value);
      else if (name === "id") this.#lastEventId = value;
      else if (name === "retry" && /^\d+$/.test(value)) this.#retryMs = Number(value);
    }
    if (data.length > 0) this.#source.tell({ event, data: data.join("\n") });
  }
}

function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
