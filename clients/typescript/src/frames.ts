// Reads frames without downloading the whole archive: its members are uncompressed, so each is a range.

import { crypto } from "./crypto.js";
import { DamagedResult } from "./errors.js";

const TAIL = 64 << 10;
const BATCH = 4 << 20;

/** One image with its record from the manifest. */
export interface Frame {
  /** From 1. */
  number: number;
  /** Its name in the archive. */
  file: string;
  /** Its presentation time in seconds, exactly: `1001/30000`. */
  time: string;
  /** The same as a number. */
  seconds: number;
  width: number;
  height: number;
  keyframe: boolean;
  /** The image file. */
  data: Uint8Array<ArrayBuffer>;
}

interface Listed {
  file: string;
  time: string;
  time_seconds: number;
  width: number;
  height: number;
  keyframe: boolean;
  sha256: string;
}

/** A member's range, from its local header to the end of its bytes, and its length. */
interface Span {
  start: number;
  end: number;
  length: number;
}

/** Reads bytes of the archive from `start` to `end`, exclusive. */
export type Read = (start: number, end: number) => Promise<Uint8Array<ArrayBuffer>>;

/** The frames in their order, read some megabytes at a time. */
export async function* frames(size: number, read: Read): AsyncGenerator<Frame, void, undefined> {
  const members = await directory(size, read);
  const span = (file: string): Span => {
    const found = members.get(file);
    if (!found) throw new DamagedResult(`${file} is not in the archive`);
    return found;
  };
  const manifest = span("manifest.json");
  const text = content(await read(manifest.start, manifest.end), 0, manifest.length);
  const listed: Listed[] = JSON.parse(new TextDecoder().decode(text)).frames;
  for (let at = 0; at < listed.length; ) {
    const first = listed[at];
    if (!first) break;
    const { start } = span(first.file);
    let { end } = span(first.file);
    const batch = [first];
    for (const record of listed.slice(at + 1)) {
      const next = span(record.file);
      if (next.start !== end || next.end - start > BATCH) break;
      batch.push(record);
      end = next.end;
    }
    const bytes = await read(start, end);
    for (const record of batch) {
      const member = span(record.file);
      const data = content(bytes, member.start - start, member.length);
      if ((await sha256(data)) !== record.sha256) throw new DamagedResult(`${record.file} is not what was made`);
      const { file, time, time_seconds: seconds, width, height, keyframe } = record;
      at += 1;
      yield { number: at, file, time, seconds, width, height, keyframe, data };
    }
  }
}

/** The SHA-256 of bytes, in hexadecimal. */
async function sha256(data: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The archive's members by their names, from its central directory. */
async function directory(size: number, read: Read): Promise<Map<string, Span>> {
  const tailStart = Math.max(0, size - TAIL);
  const tail = await read(tailStart, size);
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength);
  let end = tail.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end -= 1;
  if (end < 0) throw new DamagedResult("the archive has no end");
  let [count, length, offset] = [view.getUint16(end + 10, true), view.getUint32(end + 12, true), view.getUint32(end + 16, true)];
  const locator = end - 20;
  if (locator >= 0 && view.getUint32(locator, true) === 0x07064b50) {
    const large = Number(view.getBigUint64(locator + 8, true)) - tailStart;
    if (large < 0 || view.getUint32(large, true) !== 0x06064b50) throw new DamagedResult("the archive's end is damaged");
    [count, length, offset] = [32, 40, 48].map((at) => Number(view.getBigUint64(large + at, true))) as [number, number, number];
  }
  if (offset + length > size) throw new DamagedResult("the archive's directory lies beyond its end");
  const bytes = offset >= tailStart ? tail.subarray(offset - tailStart) : await read(offset, offset + length);
  const entries = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: { name: string; start: number; length: number }[] = [];
  for (let at = 0; found.length < count; ) {
    if (at + 46 > bytes.length || entries.getUint32(at, true) !== 0x02014b50) {
      throw new DamagedResult("the archive's directory is damaged");
    }
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => entries.getUint16(at + field, true)) as [number, number, number];
    const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameLength));
    let [stored, start] = [entries.getUint32(at + 20, true), entries.getUint32(at + 42, true)];
    const original = entries.getUint32(at + 24, true);
    for (let extra = at + 46 + nameLength, last = extra + extraLength; extra + 4 <= last; ) {
      const [id, bytesOfIt] = [entries.getUint16(extra, true), entries.getUint16(extra + 2, true)];
      if (id === 1) {
        // The extra field has only the values that did not fit, in this order.
        let field = extra + 4;
        const next = () => Number(entries.getBigUint64((field += 8) - 8, true));
        if (original === 0xffffffff) next();
        if (stored === 0xffffffff) stored = next();
        if (start === 0xffffffff) start = next();
      }
      extra += 4 + bytesOfIt;
    }
    found.push({ name, start, length: stored });
    at += 46 + nameLength + extraLength + commentLength;
  }
  found.sort((a, b) => a.start - b.start);
  return new Map(found.map(({ name, start, length }, n) => [name, { start, end: found[n + 1]?.start ?? offset, length }]));
}

/** A member's bytes, which follow its local header. */
function content(bytes: Uint8Array<ArrayBuffer>, at: number, length: number): Uint8Array<ArrayBuffer> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (at + 30 > bytes.length || view.getUint32(at, true) !== 0x04034b50) {
    throw new DamagedResult("a member is not where the archive says");
  }
  const begin = at + 30 + view.getUint16(at + 26, true) + view.getUint16(at + 28, true);
  if (begin + length > bytes.length) throw new DamagedResult("a member is cut off");
  return bytes.slice(begin, begin + length);
}
