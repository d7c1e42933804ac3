// The client: logs in, uploads videos, waits for them, and reads their frames.

import { crypto } from "./crypto.js";
import { DamagedResult, ProcessingFailed, Refused, Unreachable } from "./errors.js";
import { type Event, follow } from "./events.js";
import { type Frame, frames } from "./frames.js";
import type {
  AcceptedResponse,
  CreateVideoResponse,
  DownloadResponse,
  FrameItem,
  FramePage,
  OptionsBody,
  Status,
  TokenResponse,
  UploadPartsResponse,
  VideoPage,
  VideoResponse,
} from "./schema.js";
import { Sha256 } from "./sha256.js";

const RETRY_DELAYS_MS = [300, 1000, 2000, 5000, 15000];
const CONCURRENT_PARTS = 4;
/** Bytes of an archive in one request. */
const RANGE_BYTES = 8 << 20;

export interface UploadOptions {
  /** The file's name, where it has none itself; its extension says what it is. */
  name?: string;
  options?: OptionsBody;
  /** A key of yours (up to 54 characters): the same call resumes after this page or process has ended, for 24
   * hours. Parts that have arrived are not sent again, and only one video is created. */
  key?: string;
  /** Called with the bytes that have arrived. */
  progress?: (sent: number, total: number) => void;
  signal?: AbortSignal;
}

export interface DownloadOptions {
  /** Called with the bytes that were written. */
  progress?: (received: number, total: number) => void;
  signal?: AbortSignal;
}

export interface FramesOptions {
  /** The number of the first frame, from 1. */
  start?: number;
  /** The number behind the last frame. */
  stop?: number;
  /** Times in place of numbers: "12.5s", or seconds. */
  at?: (string | number)[];
  signal?: AbortSignal;
}

interface Call {
  method: string;
  path: string;
  body?: unknown;
  key?: string;
  anonymous?: boolean;
  signal?: AbortSignal | undefined;
}

type Video = string | { id: string };
const idOf = (video: Video): string => (typeof video === "string" ? video : video.id);

/** Framelift at `url`. `token` is an access token; `login` gets one and renews it as needed. */
export class Client {
  readonly #url: string;
  #token: string | undefined;
  #refreshToken: string | undefined;
  #renewing: Promise<void> | undefined;

  constructor(url: string, token?: string) {
    this.#url = url.replace(/\/+$/, "");
    this.#token = token;
  }

  async login(email: string, password: string): Promise<void> {
    this.#storeTokens(await this.#call({ method: "POST", path: "/auth/login", body: { email, password }, anonymous: true }));
  }

  /** Uploads a video: a `File`, or a `Blob` with a name. Files are streamed. */
  async upload(file: Blob & { name?: string }, how: UploadOptions = {}): Promise<VideoResponse> {
    const { options, signal, key = crypto.randomUUID() } = how;
    const body = { file_name: how.name ?? file.name ?? "", size_bytes: file.size, ...(options && { options }) };
    const announce = (): Promise<CreateVideoResponse> => this.#call({ method: "POST", path: "/videos", body, key, signal });
    const created = await announce();
    if (created.status === "awaiting_upload") {
      await (created.upload.method === "PUT" ? this.#whole(file, created, announce, how) : this.#parts(file, created.id, how));
    }
    await this.#call({ method: "POST", path: `/videos/${created.id}/complete`, key: `${key.slice(0, 54)}-complete`, signal });
    return this.video(created.id);
  }

  video(video: Video): Promise<VideoResponse> {
    return this.request("GET", `/videos/${idOf(video)}`);
  }

  /** All videos, newest first. */
  async *videos(status?: Status): AsyncGenerator<VideoResponse, void, undefined> {
    for (let cursor: string | null | undefined = ""; cursor !== null && cursor !== undefined; ) {
      const query = new URLSearchParams({ limit: "100", ...(status && { status }), ...(cursor && { cursor }) });
      const page: VideoPage = await this.request("GET", `/videos?${query}`);
      yield* page.items;
      cursor = page.next_cursor;
    }
  }

  /** The video now, and again after each change, until it has ended. Polls if there is no stream of events. */
  async *watch(video: Video, signal?: AbortSignal): AsyncGenerator<VideoResponse, void, undefined> {
    let last: VideoResponse | undefined;
    for await (const event of this.#follow(`/videos/${idOf(video)}/events`, signal)) {
      let now: VideoResponse;
      if (event?.kind === "status") now = event.video;
      else if (event?.kind !== "progress") now = await this.video(video);
      else if (last) now = { ...last, progress: event.progress };
      else continue;
      if (JSON.stringify(now) !== JSON.stringify(last)) yield (last = now);
      if (now.completed_at) return;
    }
  }

  /** The changes of all your videos: first the unfinished ones as they are now, then each change. It ends with `signal`. */
  async *events(signal?: AbortSignal): AsyncGenerator<Event, void, undefined> {
    let faults = 0;
    for await (const event of this.#follow("/videos/events", signal)) {
      faults = event ? 0 : faults + 1;
      if (faults > RETRY_DELAYS_MS.length) throw new Unreachable("the service sends no events");
      if (event) yield event;
    }
  }

  #follow(path: string, signal?: AbortSignal): AsyncGenerator<Event | undefined, void, undefined> {
    const open = (lastEventId: string | undefined, attempt: AbortSignal) => this.#stream(path, lastEventId, attempt);
    return follow(open, (milliseconds) => sleep(milliseconds, signal), signal);
  }

  /** Waits until the frames are ready; throws `ProcessingFailed` if there will be none. */
  async wait(video: Video, signal?: AbortSignal): Promise<VideoResponse> {
    for await (const found of this.watch(video, signal)) {
      if (found.status === "completed") return found;
      if (found.completed_at) throw new ProcessingFailed(found);
    }
    throw new Unreachable("the service does not say how the video ended");
  }

  /** Waits, and yields the frames one after the other, without downloading the whole archive: all of them from the
   * archive, some megabytes at a time; those that `start` and `stop` or `at` name by a request each. */
  async *frames(video: Video, how: FramesOptions = {}): AsyncGenerator<Frame, void, undefined> {
    const { start = 1, stop, at, signal } = how;
    if (start < 1 || (at && (start > 1 || stop !== undefined))) throw new RangeError("give numbers from 1, or times");
    const found = await this.wait(video, signal);
    const path = `/videos/${found.id}/frames`;
    if (at) {
      for (const time of at) {
        const answer = await this.#send({ method: "GET", path: `${path}/at/${encodeURIComponent(time)}`, signal });
        const number = answer.headers.get("content-location")?.split("/").pop();
        const page: FramePage = await this.#call({ method: "GET", path: `${path}?from=${number}&limit=1`, signal });
        const item = page.items[0];
        if (item) yield await frameOf(found, item, answer);
      }
    } else if (start > 1 || stop !== undefined) {
      for (let first = start, more = true; more && first < (stop ?? Number.POSITIVE_INFINITY); ) {
        const limit = Math.min(100, (stop ?? Number.POSITIVE_INFINITY) - first);
        const page: FramePage = await this.#call({ method: "GET", path: `${path}?from=${first}&limit=${limit}`, signal });
        for (const item of page.items) {
          // The link needs no token.
          yield await frameOf(found, item, await this.#send({ method: "GET", path: item.url, anonymous: true, signal }));
        }
        first += page.items.length;
        more = typeof page.next_cursor === "string";
      }
    } else if (found.result) {
      yield* frames(found.result.size_bytes, (begin, end) => this.#read(found, begin, end, signal));
    }
  }

  /** Waits, and returns the checked archive. For large ones, `download` needs less memory. */
  async archive(video: Video, how: DownloadOptions = {}): Promise<Blob> {
    const pieces: Blob[] = [];
    for await (const piece of this.#archive(video, how)) pieces.push(new Blob([piece]));
    return new Blob(pieces, { type: "application/zip" });
  }

  /** Waits, writes the archive to `target` some megabytes at a time, and checks it. Closes `target`, or aborts it after an
   * error, such as `DamagedResult`. */
  async download(video: Video, target: WritableStream<Uint8Array>, how: DownloadOptions = {}): Promise<void> {
    const writer = target.getWriter();
    try {
      for await (const piece of this.#archive(video, how)) await writer.write(piece);
      await writer.close();
    } catch (error) {
      await writer.abort(error).catch(() => {});
      throw error;
    }
  }

  /** The pieces of the archive. Throws `DamagedResult` after the last one unless they are what was made. */
  async *#archive(video: Video, how: DownloadOptions): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    const { result } = await this.wait(video, how.signal);
    const size = result?.size_bytes ?? 0;
    const hash = new Sha256();
    for (let at = 0; at < size; at += RANGE_BYTES) {
      const end = Math.min(at + RANGE_BYTES, size);
      const piece = await this.#read(video, at, end, how.signal);
      hash.update(piece);
      yield piece;
      how.progress?.(end, size);
    }
    if (hash.hex() !== result?.sha256) throw new DamagedResult("the archive is damaged: its SHA-256 differs");
  }

  /** A URL from which the archive of a completed video can be downloaded for a while, without a token. */
  archiveUrl(video: Video): Promise<DownloadResponse> {
    return this.request("GET", `/videos/${idOf(video)}/download`);
  }

  /** Processes the same upload again. Returns the new video. A `key` of yours lets you repeat a call whose answer was lost:
   * it creates one video only. */
  async run(video: Video, options: OptionsBody, key: string = crypto.randomUUID()): Promise<VideoResponse> {
    const accepted: AcceptedResponse = await this.request("POST", `/videos/${idOf(video)}/runs`, { options }, key);
    return this.video(accepted.id);
  }

  async cancel(video: Video): Promise<void> {
    await this.request("POST", `/videos/${idOf(video)}/cancel`);
  }

  async delete(video: Video): Promise<void> {
    await this.request("DELETE", `/videos/${idOf(video)}`);
  }

  /** Makes any call of the API, with `key` as its idempotency key. Returns the JSON of the answer. */
  request<T>(method: string, path: string, body?: unknown, key?: string): Promise<T> {
    return this.#call({ method, path, body, ...(key !== undefined && { key }) });
  }

  /** Opens a stream of events. Renews the token if it has expired. */
  async #stream(path: string, lastEventId: string | undefined, signal: AbortSignal): Promise<Response> {
    for (let renewed = false; ; renewed = true) {
      const used = this.#token;
      const headers = new Headers({ accept: "text/event-stream" });
      if (used) headers.set("authorization", `Bearer ${used}`);
      if (lastEventId !== undefined) headers.set("last-event-id", lastEventId);
      const answer = await send(`${this.#url}${path}`, { headers, signal });
      if (answer.ok) return answer;
      const refused = new Refused(answer.status, problem(await answer.text()));
      if (refused.code !== "unauthenticated" || !this.#refreshToken || renewed) throw refused;
      await this.#renew(used);
    }
  }

  /** The JSON of an answer. */
  async #call<T>(call: Call): Promise<T> {
    const text = await (await this.#send(call)).text();
    return (text ? JSON.parse(text) : undefined) as T;
  }

  /** Sends a request, with retries if it may be repeated, and renews the token if it has expired. */
  async #send(call: Call): Promise<Response> {
    const repeatable = call.method === "GET" || call.method === "DELETE" || call.key !== undefined;
    let renewed = false;
    for (let attempt = 0; ; attempt += 1) {
      const used = this.#token;
      const headers = new Headers({ accept: "application/json" });
      if (used && !call.anonymous) headers.set("authorization", `Bearer ${used}`);
      if (call.key !== undefined) headers.set("idempotency-key", call.key);
      if (call.body !== undefined) headers.set("content-type", "application/json");
      const body = call.body === undefined ? null : JSON.stringify(call.body);
      let wait = RETRY_DELAYS_MS[attempt];
      try {
        const answer = await send(`${this.#url}${call.path}`, { method: call.method, headers, body, signal: call.signal ?? null });
        if (answer.ok) return answer;
        const refused = new Refused(answer.status, problem(await answer.text()));
        if (refused.code === "unauthenticated" && this.#refreshToken && !renewed && !call.anonymous) {
          await this.#renew(used);
          renewed = true;
          continue;
        }
        const temporary = [502, 503, 504].includes(answer.status) || ["rate-limited", "idempotency-in-progress"].includes(refused.code);
        if (!repeatable || !temporary || wait === undefined) throw refused;
        const asked = Number(answer.headers.get("retry-after") ?? Number.NaN);
        if (asked >= 0) wait = Math.min(asked, 30) * 1000;
      } catch (error) {
        if (!(error instanceof Unreachable) || !repeatable || wait === undefined) throw error;
      }
      await sleep(wait, call.signal);
    }
  }

  /** Refreshes the token once for all concurrent calls. */
  async #renew(used: string | undefined): Promise<void> {
    if (this.#token !== used) return;
    const body = { refresh_token: this.#refreshToken };
    this.#renewing ??= this.#call<TokenResponse>({ method: "POST", path: "/auth/refresh", body, anonymous: true })
      .then((tokens) => this.#storeTokens(tokens))
      .finally(() => (this.#renewing = undefined));
    await this.#renewing;
  }

  #storeTokens(tokens: TokenResponse): void {
    this.#token = tokens.access_token;
    this.#refreshToken = tokens.refresh_token;
  }

  async #whole(file: Blob, created: CreateVideoResponse, announce: () => Promise<CreateVideoResponse>, how: UploadOptions): Promise<void> {
    for (let attempt = 0; ; attempt += 1) {
      const { upload } = created;
      if (upload.method !== "PUT") throw new Unreachable("the service asks for a different upload method than before");
      const status = await put(upload.url, file, upload.headers, how.signal);
      if (status >= 200 && status < 300) break;
      await pauseOrThrow(status, attempt, how.signal);
      created = await announce();
    }
    how.progress?.(file.size, file.size);
  }

  async #parts(file: Blob, id: string, how: UploadOptions): Promise<void> {
    for (let attempt = 0; ; attempt += 1) {
      let parts: UploadPartsResponse = await this.#call({ method: "GET", path: `/videos/${id}/upload-parts`, signal: how.signal });
      const length = parts.part_size;
      const arrived = new Map(parts.uploaded.map((part) => [part.number, part.size]));
      const sizeOf = (number: number): number => Math.min(length, file.size - (number - 1) * length);
      const numbers = Array.from({ length: parts.part_count }, (_, n) => n + 1);
      const missing = numbers.filter((number) => arrived.get(number) !== sizeOf(number));
      let sent = file.size - missing.reduce((sum, number) => sum + sizeOf(number), 0);
      how.progress?.(sent, file.size);
      const first = missing[0];
      if (first === undefined) return;
      if (!parts.parts.some((part) => part.number === first)) {
        parts = await this.#call({ method: "GET", path: `/videos/${id}/upload-parts?from=${first}`, signal: how.signal });
      }
      const urls = new Map(parts.parts.map((part) => [part.number, part.url]));
      const todo = missing.filter((number) => urls.has(number));
      let failed: number | undefined;
      const worker = async (): Promise<void> => {
        for (let number = todo.shift(); number !== undefined && failed === undefined; number = todo.shift()) {
          const begin = (number - 1) * length;
          const status = await put(urls.get(number) ?? "", file.slice(begin, begin + sizeOf(number)), {}, how.signal);
          if (status < 200 || status >= 300) {
            failed = status;
            return;
          }
          attempt = 0;
          how.progress?.((sent += sizeOf(number)), file.size);
        }
      };
      await Promise.all(Array.from({ length: CONCURRENT_PARTS }, worker));
      // The next round fetches new URLs and the parts that have arrived.
      if (failed !== undefined) await pauseOrThrow(failed, attempt, how.signal);
    }
  }

  /** Reads a range of a video's archive. Resumes a broken connection. */
  async #read(video: Video, start: number, end: number, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    for (let attempt = 0; ; attempt += 1) {
      const { url } = await this.archiveUrl(video);
      let status = 0;
      try {
        const answer = await send(url, { headers: { range: `bytes=${start}-${end - 1}` }, signal: signal ?? null });
        status = answer.status;
        if (status === 206) {
          const bytes = new Uint8Array(await answer.arrayBuffer());
          if (bytes.length === end - start) return bytes;
          status = 0;
        }
      } catch (error) {
        if (signal?.aborted) throw error;
      }
      await pauseOrThrow(status, attempt, signal);
    }
  }
}

/** A frame that was fetched by one request. */
async function frameOf(video: VideoResponse, item: FrameItem, answer: Response): Promise<Frame> {
  const data = new Uint8Array(await answer.arrayBuffer());
  if (data.length !== item.bytes) throw new DamagedResult(`frame ${item.n} is not as long as it was made`);
  const { format } = video.options;
  const extension = !format || format === "jpeg" ? "jpg" : format;
  const file = `frames/frame_${String(item.n).padStart(6, "0")}.${extension}`;
  const { n: number, time, time_seconds: seconds, width, height, keyframe } = item;
  return { number, file, time, seconds, width, height, keyframe, data };
}

/** `fetch` that throws `Unreachable` if there is no answer. */
async function send(url: string, request: RequestInit): Promise<Response> {
  try {
    return await fetch(url, request);
  } catch (error) {
    if (request.signal?.aborted) throw error;
    const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : "";
    throw new Unreachable(`${new URL(url).origin} does not answer${cause}`, { cause: error });
  }
}

/** Sends bytes to a presigned URL. Returns the status, 0 without an answer. */
async function put(url: string, body: Blob, headers: Record<string, string>, signal?: AbortSignal): Promise<number> {
  // Browsers set the length themselves and forbid setting it.
  const own = Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== "content-length"));
  try {
    return (await send(url, { method: "PUT", body, headers: own, signal: signal ?? null })).status;
  } catch (error) {
    if (error instanceof Unreachable) return 0;
    throw error;
  }
}

/** Waits before the next attempt, or throws if there is none. */
async function pauseOrThrow(status: number, attempt: number, signal?: AbortSignal): Promise<void> {
  if (![0, 200, 403, 429].includes(status) && status < 500) {
    throw new Refused(status, { code: "store-refused", detail: `the object store answered ${status}` });
  }
  const wait = RETRY_DELAYS_MS[attempt];
  if (wait === undefined) throw new Unreachable("the object store does not answer as it should");
  await sleep(wait, signal);
}

function problem(text: string): ConstructorParameters<typeof Refused>[1] {
  try {
    const found: unknown = JSON.parse(text);
    return typeof found === "object" && found ? found : {};
  } catch {
    return {};
  }
}

function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });
}
