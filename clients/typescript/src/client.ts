// The client: logs in, sends videos, waits for them, and gets their frames.

import { crypto } from "./crypto.js";
import { DamagedResult, ProcessingFailed, Refused, Unreachable } from "./errors.js";
import { type Frame, frames, sha256 } from "./frames.js";
import type {
  AcceptedResponse,
  CreateVideoResponse,
  DownloadResponse,
  OptionsBody,
  Status,
  TokenResponse,
  UploadPartsResponse,
  VideoPage,
  VideoResponse,
} from "./schema.js";

const WAITS = [300, 1000, 2000, 5000, 15000];
const AT_ONCE = 4;
/** Bytes of an archive in one request. */
const RANGE = 8 << 20;

export interface UploadOptions {
  /** The file's name, where it has none itself; its extension says what it is. */
  name?: string;
  options?: OptionsBody;
  /** A key of yours (up to 54 characters): the same call goes on after this page or process has ended, for 24
   * hours. Parts that have arrived are not sent again, and there is one video. */
  key?: string;
  /** Called with the bytes that have arrived. */
  progress?: (sent: number, total: number) => void;
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
    this.#keep(await this.#call({ method: "POST", path: "/auth/login", body: { email, password }, anonymous: true }));
  }

  /** Uploads a video: a `File`, or a `Blob` with a name. Blobs of files are read as they go. */
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

  /** Waits until the frames are ready; throws `ProcessingFailed` if there will be none. */
  async wait(video: Video, signal?: AbortSignal): Promise<VideoResponse> {
    for (let pause = 200; ; pause = Math.min(pause * 1.5, 2000)) {
      const found = await this.video(video);
      if (found.status === "completed") return found;
      if (found.completed_at) throw new ProcessingFailed(found);
      await sleep(pause, signal);
    }
  }

  /** Waits, and gives the frames one after the other, without downloading the archive whole. */
  async *frames(video: Video, signal?: AbortSignal): AsyncGenerator<Frame, void, undefined> {
    const { result } = await this.wait(video, signal);
    if (result) yield* frames(result.size_bytes, (start, end) => this.#read(video, start, end, signal));
  }

  /** Waits, and gives the archive, checked. For large ones, `archiveUrl` gives a URL to download from. */
  async archive(video: Video, signal?: AbortSignal): Promise<Blob> {
    const { result } = await this.wait(video, signal);
    const size = result?.size_bytes ?? 0;
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    for (let at = 0; at < size; at += RANGE) pieces.push(await this.#read(video, at, Math.min(at + RANGE, size), signal));
    const archive = new Blob(pieces, { type: "application/zip" });
    if ((await sha256(new Uint8Array(await archive.arrayBuffer()))) !== result?.sha256) {
      throw new DamagedResult("the archive that came is not the one that was made");
    }
    return archive;
  }

  /** A URL from which the archive of a completed video can be downloaded for a while, without a token. */
  archiveUrl(video: Video): Promise<DownloadResponse> {
    return this.request("GET", `/videos/${idOf(video)}/download`);
  }

  /** Processes the same upload once more; gives the new video. */
  async run(video: Video, options: OptionsBody): Promise<VideoResponse> {
    const accepted: AcceptedResponse = await this.request("POST", `/videos/${idOf(video)}/runs`, { options });
    return this.video(accepted.id);
  }

  async cancel(video: Video): Promise<void> {
    await this.request("POST", `/videos/${idOf(video)}/cancel`);
  }

  async delete(video: Video): Promise<void> {
    await this.request("DELETE", `/videos/${idOf(video)}`);
  }

  /** Any call of the API; gives the JSON that it answers. */
  request<T>(method: string, path: string, body?: unknown): Promise<T> {
    return this.#call({ method, path, body });
  }

  /** Sends a request, again where that does no harm, and after renewing the token. */
  async #call<T>(call: Call): Promise<T> {
    const repeatable = call.method === "GET" || call.method === "DELETE" || call.key !== undefined;
    let renewed = false;
    for (let attempt = 0; ; attempt += 1) {
      const used = this.#token;
      const headers = new Headers({ accept: "application/json" });
      if (used && !call.anonymous) headers.set("authorization", `Bearer ${used}`);
      if (call.key !== undefined) headers.set("idempotency-key", call.key);
      if (call.body !== undefined) headers.set("content-type", "application/json");
      const body = call.body === undefined ? null : JSON.stringify(call.body);
      let wait = WAITS[attempt];
      try {
        const answer = await send(`${this.#url}${call.path}`, { method: call.method, headers, body, signal: call.signal ?? null });
        const text = await answer.text();
        if (answer.ok) return (text ? JSON.parse(text) : undefined) as T;
        const refused = new Refused(answer.status, problem(text));
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

  /** Trades the refresh token once, however many calls need it. */
  async #renew(used: string | undefined): Promise<void> {
    if (this.#token !== used) return;
    const body = { refresh_token: this.#refreshToken };
    this.#renewing ??= this.#call<TokenResponse>({ method: "POST", path: "/auth/refresh", body, anonymous: true })
      .then((tokens) => this.#keep(tokens))
      .finally(() => (this.#renewing = undefined));
    await this.#renewing;
  }

  #keep(tokens: TokenResponse): void {
    this.#token = tokens.access_token;
    this.#refreshToken = tokens.refresh_token;
  }

  async #whole(file: Blob, created: CreateVideoResponse, announce: () => Promise<CreateVideoResponse>, how: UploadOptions): Promise<void> {
    for (let attempt = 0; ; attempt += 1) {
      const { upload } = created;
      if (upload.method !== "PUT") throw new Unreachable("the service asks for another way to upload than before");
      const status = await put(upload.url, file, upload.headers, how.signal);
      if (status >= 200 && status < 300) break;
      await again(status, attempt, how.signal);
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
      await Promise.all(Array.from({ length: AT_ONCE }, worker));
      // Fresh URLs, and what has arrived, come with the next round.
      if (failed !== undefined) await again(failed, attempt, how.signal);
    }
  }

  /** Bytes of a video's archive, asked for again where a connection breaks off. */
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
      await again(status, attempt, signal);
    }
  }
}

/** `fetch`, whose failures to connect are `Unreachable`. */
async function send(url: string, request: RequestInit): Promise<Response> {
  try {
    return await fetch(url, request);
  } catch (error) {
    if (request.signal?.aborted) throw error;
    const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : "";
    throw new Unreachable(`${new URL(url).origin} does not answer${cause}`, { cause: error });
  }
}

/** Sends bytes to a presigned URL; the status, 0 without an answer. */
async function put(url: string, body: Blob, headers: Record<string, string>, signal?: AbortSignal): Promise<number> {
  // The browser says the length itself, and lets nobody else say it.
  const own = Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== "content-length"));
  try {
    return (await send(url, { method: "PUT", body, headers: own, signal: signal ?? null })).status;
  } catch (error) {
    if (error instanceof Unreachable) return 0;
    throw error;
  }
}

/** Waits after bytes that did not arrive, or gives up. */
async function again(status: number, attempt: number, signal?: AbortSignal): Promise<void> {
  if (![0, 200, 403, 429].includes(status) && status < 500) {
    throw new Refused(status, { code: "store-refused", detail: `the object store answered ${status}` });
  }
  const wait = WAITS[attempt];
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
