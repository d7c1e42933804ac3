// Uploads belong to the account that began them, and an attempt that failed does not create a second video.
import assert from "node:assert/strict";
import { openAsBlob } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { settle, tokens } from "./browser";

const { addFile, resume, retry, uploads } = await import("../src/uploads");
const { signIn, signOut } = await import("../src/session");
const { DEFAULTS, lastForm, read, rememberForm } = await import("../src/options");
const { fingerprint } = await import("../src/fingerprint");
const { PageError } = await import("../src/page-error");
const { describe } = await import("../src/errors");
const { call, NetworkError, withRetries } = await import("../src/api");

interface Asked {
  what: string;
  key: string | null;
  token: string | null;
}

let asked: Asked[] = [];
/** What the service answers, by method and path; otherwise it fails. */
let answers: Record<string, () => Response> = {};

/** Not a hook, because hooks apply to the tests of all files. */
async function begin() {
  globalThis.fetch = (async (url: string, { method = "GET", headers, body }: RequestInit = {}) => {
    const what = `${method} ${url}`;
    const sent = new Headers(headers);
    if (what === "POST /auth/login") return tokens(JSON.parse(String(body)).email);
    if (what === "POST /auth/logout") return new Response(null, { status: 204 });
    asked.push({ what, key: sent.get("idempotency-key"), token: sent.get("authorization") });
    return answers[what]?.() ?? Response.json({ code: "internal", status: 500 }, { status: 500 });
  }) as typeof fetch;
  answers = {};
  await signIn("ada", "");
  asked = [];
}

const file = (text: string) => new File([text], "film.mp4");
const { options } = read(DEFAULTS);
const posts = () => asked.filter(({ what }) => what === "POST /videos");
const only = () => uploads.value[0] ?? assert.fail("there is no upload");

test("each attempt to create a video has the same key, until its options change", async () => {
  await begin();
  await addFile(file("one"), options);
  assert.equal(only().state, "failed");
  await retry(only().key);
  answers["POST /videos"] = () =>
    Response.json({ code: "validation-failed", status: 422, errors: [] }, { status: 422 });
  await retry(only().key);
  rememberForm({ ...DEFAULTS, every: "7" });
  await retry(only().key);
  const [first, second, third, fourth] = posts().map(({ key }) => key);
  assert.ok(first !== null && first === second && second === third, JSON.stringify(asked));
  assert.notEqual(fourth, first);
  await signOut();
});

test("an interrupted upload is not forgotten while the service does not say that it is gone", async () => {
  await begin();
  const print = await fingerprint(file("two"));
  localStorage.setItem("framelift.uploads.ada", JSON.stringify([{ print, id: "v2" }]));
  await addFile(file("two"), options);
  assert.equal(only().state, "failed");
  answers["GET /videos/v2"] = () => Response.json({ id: "v2", status: "awaiting_upload" });
  answers["GET /videos/v2/upload-parts?to=1"] = () =>
    Response.json({ code: "x", status: 500 }, { status: 500 });
  await retry(only().key);
  assert.deepEqual(
    asked.map(({ what }) => what),
    ["GET /videos/v2", "GET /videos/v2", "GET /videos/v2/upload-parts?to=1"],
  );
  answers["GET /videos/v2"] = () => Response.json({ code: "video-not-found", status: 404 }, { status: 404 });
  await signOut();
  await signIn("ada", "");
  await addFile(file("two"), options);
  assert.equal(posts().length, 1, "one that is gone is uploaded anew");
  await signOut();
});

test("uploads are remembered for the account of the token, whatever else is known of it", async () => {
  await begin();
  await signOut();
  // The session of an earlier page: its account is not known, and `/auth/me` fails.
  localStorage.setItem("framelift.refresh_token", "r");
  answers["POST /auth/refresh"] = () => tokens("grace");
  const made = { id: "v3", upload: { method: "MULTIPART", part_size: 5_242_880 } };
  answers["POST /videos"] = () => Response.json(made, { status: 201 });
  await addFile(file("three"), options);
  assert.match(localStorage.getItem("framelift.uploads.grace") ?? "", /"v3"/);
  assert.equal(localStorage.getItem("framelift.uploads."), null);
  await signOut();
});

test("nothing of one account is left for the next one", async () => {
  await begin();
  rememberForm({ ...DEFAULTS, every: "9" });
  await addFile(file("four"), options);
  assert.equal(uploads.value.length, 1);
  let failures = 0;
  const waiting = withRetries(() => {
    failures += 1;
    return call("get", "/videos/{id}", { path: { id: "v4" } }).catch(() => {
      throw new NetworkError();
    });
  });
  await settle();
  await signOut();
  assert.deepEqual(uploads.value, []);
  await signIn("eve", "");
  assert.equal(lastForm().every, DEFAULTS.every);
  await assert.rejects(waiting);
  assert.equal(failures, 1, "it was sent again with the token of the next account");
  await signOut();
  await signIn("ada", "");
  assert.equal(lastForm().every, "9");
  await signOut();
});

test("a file that cannot be read and a lost network are told apart", async () => {
  await begin();
  const path = join(await mkdtemp(join(tmpdir(), "framelift-")), "film.mp4");
  await writeFile(path, "five");
  const gone = new File([await openAsBlob(path)], "film.mp4");
  await rm(dirname(path), { recursive: true });
  await addFile(gone, options);
  const { error } = only();
  assert.ok(error instanceof PageError && error.kind === "unreadable-file", String(error));
  assert.deepEqual(posts(), []);
  const texts = [error, new PageError("upload-lost"), new PageError("new-version"), new TypeError("a fault")];
  assert.equal(new Set(texts.map((it) => describe(it).text)).size, 4);
  assert.ok(describe(new PageError("new-version")).reload);
  await assert.rejects(resume("unknown", file("six")), PageError);
  await signOut();
});
