// Random ids, and fingerprints that recognise a file when it is chosen again: by its length and pieces of its bytes, not
// by its name.
import { PageError } from "./page-error";

const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** 128 random bits. `randomUUID` is only available with TLS. */
export const uniqueId = () => hex(crypto.getRandomValues(new Uint8Array(16)));

/** Makes headers by which the service recognises a repeated request: one key for each body, however often it is sent. */
export function idempotency(): (body: unknown) => { "idempotency-key": string } {
  let [last, key] = ["", ""];
  return (body) => {
    const text = JSON.stringify(body);
    if (text !== last) [last, key] = [text, uniqueId()];
    return { "idempotency-key": key };
  };
}

const PIECE = 256 * 1024;

/** Some bytes of a file. Throws if the browser cannot read them any more: the file was moved, deleted or changed. */
export async function readPiece(file: Blob, from: number, to: number): Promise<ArrayBuffer> {
  try {
    return await file.slice(from, to).arrayBuffer();
  } catch {
    throw new PageError("unreadable-file");
  }
}

/** The fingerprint in hexadecimal, or undefined if the browser computes no digests (a page without TLS). */
export async function fingerprint(file: Blob): Promise<string | undefined> {
  if (!crypto.subtle) return undefined;
  const middle = Math.max(0, Math.floor(file.size / 2) - PIECE / 2);
  const pieces = [file.slice(0, PIECE), file.slice(middle, middle + PIECE), file.slice(-PIECE)];
  const sample = await readPiece(new Blob([`${file.size}:`, ...pieces]), 0, Number.MAX_SAFE_INTEGER);
  const digest = await crypto.subtle.digest("SHA-256", sample);
  return hex(new Uint8Array(digest));
}
