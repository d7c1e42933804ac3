// Names for things: at random, or what a file is known by when it is asked for again: its length and pieces of its bytes, whatever it is called.

const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** 128 random bits; `randomUUID` is only there with TLS. */
export const uniqueId = () => hex(crypto.getRandomValues(new Uint8Array(16)));

const PIECE = 256 * 1024;

/** Hex, or nothing where the browser computes no digests (a page that came without TLS). */
export async function fingerprint(file: Blob): Promise<string | undefined> {
  if (!crypto.subtle) return undefined;
  const middle = Math.max(0, Math.floor(file.size / 2) - PIECE / 2);
  const pieces = [file.slice(0, PIECE), file.slice(middle, middle + PIECE), file.slice(-PIECE)];
  const sample = await new Blob([`${file.size}:`, ...pieces]).arrayBuffer();
  const digest = await crypto.subtle.digest("SHA-256", sample);
  return hex(new Uint8Array(digest));
}
