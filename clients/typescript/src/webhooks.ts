// Checks that an event comes from Framelift: Standard Webhooks 1.0, HMAC-SHA256.

import { crypto } from "./crypto.js";

/** Seconds that an event may be old, or ahead of this machine's clock. */
const TOLERANCE = 300;

/** The event is not from Framelift, or is a replay of an old one. */
export class InvalidSignature extends Error {
  override name = "InvalidSignature";
}

/** The event, if it is signed with `secret` (`whsec_…`). `body` is the unparsed body. */
export async function verify(
  secret: string,
  body: string,
  headers: Headers | Record<string, string | undefined>,
  now = Date.now() / 1000,
): Promise<unknown> {
  const entries = headers instanceof Headers ? [...headers] : Object.entries(headers);
  const found = new Map(entries.map(([name, value]) => [name.toLowerCase(), value]));
  const [id, sent, signatures] = ["id", "timestamp", "signature"].map((name) => found.get(`webhook-${name}`));
  if (!id || !sent || !signatures || !/^\d+$/.test(sent)) throw new InvalidSignature("a header is missing or malformed");
  if (Math.abs(now - Number(sent)) > TOLERANCE) {
    throw new InvalidSignature("the event is more than five minutes old, or from the future");
  }
  const key = await crypto.subtle.importKey("raw", decoded(secret.replace(/^whsec_/, "")), { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  const content = new TextEncoder().encode(`${id}.${sent}.${body}`);
  for (const signature of signatures.split(" ")) {
    const [version, value] = signature.split(",");
    // `verify` compares in constant time.
    if (version === "v1" && value && (await crypto.subtle.verify("HMAC", key, decoded(value), content))) return JSON.parse(body);
  }
  throw new InvalidSignature("no signature of the event is good");
}

function decoded(text: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  } catch {
    throw new InvalidSignature("the secret or a signature is malformed");
  }
}
