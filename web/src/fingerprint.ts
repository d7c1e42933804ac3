// Random ids, and fingerprints that recognise a file when it is chosen again: by its length and pieces of its bytes, not by its
// name.

const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** 128 random bits. `randomUUID` is only available with TLS. */
export const uniqueId = () => hex(crypto.getRandomValues(new Uint8Array(16)));

const PIECE = 256 * 1024;

/** The fingerprint in hexadecimal, or undefined if the browser computes no digests (a page without TLS). */
export async function fingerprint(file: Blob): Promise<string | undefined> {
  if (!crypto.subtle) return undefined;
  const middle = Math.max(0, Math.floor(file.size / 2) - PIECE / 2);
  const pieces = [file.slice(0, PIECE), file.slice(middle, middle + PIECE), file.slice(-PIECE)];
  const sample = await new Blob([`${file.size}:`, ...pieces]).arrayBuffer();
  const digest = await crypto.subtle.digest("SHA-256", sample);
  return hex(new Uint8Array(digest));
}
