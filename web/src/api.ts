// Calls of the API. Paths, bodies and answers have the types of its OpenAPI document.
import type { components, paths } from "../generated/schema";
import { accessToken, reader, refresh, signedOutByServer } from "./session";

type Schemas = components["schemas"];
export type Video = Schemas["VideoResponse"];
export type Status = Schemas["Status"];
export type Options = Schemas["OptionsBody"];
export type Select = Schemas["SelectBody"];
export type Account = Schemas["AccountResponse"];
export type Frame = Schemas["FrameItem"];
export type Delivery = Schemas["WebhookDelivery"];
export type Plugin = Schemas["PluginResponse"];
export type Session = Schemas["Session"];
export type Tokens = Schemas["TokenResponse"];
export type Problem = Schemas["Problem"];
export type ProblemCode = Schemas["ProblemCode"];
export type NewVideo = Schemas["CreateVideoResponse"];
export type UploadParts = Schemas["UploadPartsResponse"];

type Method = "get" | "post" | "patch" | "delete" | "put";
type PathOf<M extends Method> = {
  [P in keyof paths]: paths[P] extends Record<M, infer O> ? (O extends undefined ? never : P) : never;
}[keyof paths];
type Operation<M extends Method, P extends keyof paths> = paths[P] extends Record<M, infer O> ? O : never;
type Body<O> = O extends { requestBody?: { content: { "application/json": infer B } } } ? B : never;
type Json<A> = A extends { content: { "application/json": infer B } } ? B : undefined;
type Answer<O> = O extends { responses: infer R }
  ? { [S in keyof R & (200 | 201 | 202 | 204)]: Json<R[S]> }[keyof R & (200 | 201 | 202 | 204)]
  : never;

interface Request<O> {
  /** The parameters of the path. */
  path?: Record<string, string>;
  query?: Record<string, string | number | undefined>;
  body?: Body<O>;
  /** A body that is not JSON. */
  content?: Blob;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** An error answer of the API: a problem document (RFC 9457). */
export class ApiError extends Error {
  override name = "ApiError";
  readonly status: number;
  readonly code: ProblemCode;
  readonly errors: readonly { pointer: string; detail: string }[];
  readonly correlationId: string;
  readonly retryAfter: number | undefined;

  constructor(problem: Problem, retryAfter: number | undefined) {
    super(problem.detail || problem.title);
    this.status = problem.status;
    this.code = problem.code;
    this.errors = problem.errors ?? [];
    this.correlationId = problem.correlation_id;
    this.retryAfter = retryAfter;
  }
}

/** The service's answer to a call without a session, where the page knows it beforehand. */
export const unauthenticated = () =>
  new ApiError(
    { type: "", title: "", status: 401, detail: "", code: "unauthenticated", correlation_id: "" },
    undefined,
  );

/** No answer at all: no network, or no server. */
export class NetworkError extends Error {
  override name = "NetworkError";
}

/** An answer with its status and entity tag. */
export interface Whole<T> {
  status: number;
  etag: string | null;
  body: T;
}

/** Calls that are made without an access token. */
const OPEN: readonly string[] = [
  "/auth/register",
  "/auth/login",
  "/auth/refresh",
  "/auth/logout",
  "/auth/password/reset-request",
  "/auth/password/reset",
  "/auth/verify",
];

/** Sends one request; renews an expired access token once. Throws answers that are not successful. */
async function send(
  target: string,
  init: RequestInit & { headers: Headers },
  open: boolean,
): Promise<Response> {
  const asker = reader.value;
  // Signed out meanwhile, and maybe somebody else is in: nothing is sent with their token, and no answer shown to them.
  const check = () => {
    if (!open && reader.value !== asker) throw unauthenticated();
  };
  const attempt = async (token: string | undefined) => {
    check();
    if (token !== undefined) init.headers.set("authorization", `Bearer ${token}`);
    try {
      // The page revalidates by itself, with entity tags.
      return await fetch(target, { ...init, credentials: "omit", cache: "no-store" });
    } catch (error) {
      if (init.signal?.aborted) throw error;
      throw new NetworkError();
    }
  };
  let answer = await attempt(open ? undefined : await accessToken());
  if (answer.status === 401 && !open) {
    const problem = await readProblem(answer.clone());
    // A wrong password on a call with a token is 401, too.
    if (problem.code === "unauthenticated") {
      answer = await attempt(await refresh());
      if (answer.status === 401) signedOutByServer();
    }
  }
  check();
  if (!answer.ok && answer.status !== 304) throw await readProblem(answer);
  return answer;
}

/** Calls under way that change something. */
const saving = new Set<Promise<unknown>>();

/** Makes a sign-out wait for this. */
export function holding<T>(work: Promise<T>): Promise<T> {
  saving.add(work);
  const done = () => saving.delete(work);
  work.then(done, done);
  return work;
}

/** Waits until everything is saved, for 5 seconds at most. */
export async function saved(): Promise<void> {
  for (const end = Date.now() + 5_000; saving.size > 0 && Date.now() < end; )
    await Promise.race([Promise.allSettled([...saving]), wait(5_000)]);
}

/** Sends one request and returns its answer with status and entity tag. */
export async function callWhole<M extends Method, P extends PathOf<M>>(
  method: M,
  path: P,
  request: Request<Operation<M, P>> = {},
): Promise<Whole<Answer<Operation<M, P>>>> {
  let target: string = path;
  for (const [name, value] of Object.entries(request.path ?? {})) {
    target = target.replace(`{${name}}`, encodeURIComponent(value));
  }
  const query = Object.entries(request.query ?? {}).filter(([, value]) => value !== undefined);
  if (query.length > 0)
    target += `?${new URLSearchParams(query.map(([name, value]) => [name, String(value)]))}`;
  const headers = new Headers({ accept: "application/json", ...request.headers });
  if (request.body !== undefined) headers.set("content-type", "application/json");
  if (request.content !== undefined) headers.set("content-type", request.content.type);
  const body = request.body === undefined ? (request.content ?? null) : JSON.stringify(request.body);
  const init = { method: method.toUpperCase(), headers, body, signal: request.signal ?? null };
  const sent = send(target, init, OPEN.includes(path));
  const answer = await (method === "get" ? sent : holding(sent));
  const text = await answer.text();
  const read = (text === "" ? undefined : JSON.parse(text)) as Answer<Operation<M, P>>;
  return { status: answer.status, etag: answer.headers.get("etag"), body: read };
}

/** Opens a stream of the events after the one with that id. */
export function openEvents(path: PathOf<"get">, lastEventId: string | undefined, signal: AbortSignal) {
  const headers = new Headers({ accept: "text/event-stream" });
  if (lastEventId !== undefined) headers.set("last-event-id", lastEventId);
  return send(path, { headers, signal }, false);
}

/** Sends one request and returns the body of its answer. */
export async function call<M extends Method, P extends PathOf<M>>(
  method: M,
  path: P,
  request: Request<Operation<M, P>> = {},
): Promise<Answer<Operation<M, P>>> {
  return (await callWhole(method, path, request)).body;
}

async function readProblem(answer: Response): Promise<ApiError> {
  const retryAfter = Number(answer.headers.get("retry-after")) || undefined;
  let problem: Problem;
  try {
    problem = await answer.json();
  } catch {
    // No problem document: the answer is a proxy's or the edge host's.
    const correlation_id = answer.headers.get("x-correlation-id") ?? "";
    const code = answer.status === 503 ? "unavailable" : "internal";
    problem = { type: "", title: answer.statusText, status: answer.status, detail: "", code, correlation_id };
  }
  return new ApiError(problem, retryAfter);
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Retries a call that had no answer or found the service unavailable. Only for calls that may be repeated. */
export async function withRetries<T>(attempt: () => Promise<T>): Promise<T> {
  const asker = reader.value;
  for (const pause of [500, 1500, 4000]) {
    try {
      return await attempt();
    } catch (error) {
      const passing = error instanceof NetworkError || (error instanceof ApiError && error.status === 503);
      if (!passing) throw error;
      const asked = error instanceof ApiError ? (error.retryAfter ?? 0) * 1000 : 0;
      await wait(Math.max(pause, Math.min(asked, 10_000)));
      if (reader.value !== asker) throw error;
    }
  }
  return attempt();
}
