// Reads server-sent events with `fetch`, because `EventSource` cannot send a token. A stream is reopened with the id of
// its last event: soon after a proper end, after longer and longer pauses while it fails.

export interface Message {
  event: string;
  data: string;
}

export interface Source {
  /** Opens the stream after the last event that was read; throws if that is refused. */
  open(lastEventId: string | undefined, signal: AbortSignal): Promise<Response>;
  /** Called for each event. */
  receive(message: Message): void;
  /** Called when the first piece of a stream was read; `afterFault` if the attempt before has failed. */
  opened(afterFault: boolean): void;
  /** Called when a stream fails; it is retried later. */
  broken(): void;
  /** Waits; returns early when the signal aborts. */
  wait?(ms: number, signal: AbortSignal): Promise<void>;
}

/** Between the end of a stream and the next one, unless the service says how long. */
const RETRY_MS = 2_000;
const LONGEST_MS = 30_000;
/** The service sends a comment every 15 s: a stream that is silent for longer than this is dead. */
const SILENCE_MS = 40_000;

/** How long to wait after so many faults in a row: doubled each time, with jitter. */
export function pauseAfter(faults: number, random = Math.random()): number {
  return Math.min(RETRY_MS * 2 ** (faults - 1), LONGEST_MS) * (0.5 + random / 2);
}

/** Follows a stream until the returned function is called. */
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
        // A stream that ends after its first piece counts as a fault: something in between may buffer it.
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

  /** Reads one stream to its end; returns the number of pieces. */
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
        // Not before the first piece: a proxy that buffers events sends the head alone.
        if (pieces === 0) this.#source.opened(afterFault);
      }
    } finally {
      clearTimeout(timer);
      this.#signal.removeEventListener("abort", end);
      // Closes the connection if a receiver has thrown.
      end();
    }
  }

  /** Parses one message by the HTML standard. */
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
    if (data.length > 0) this.#source.receive({ event, data: data.join("\n") });
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
