// The frames of a result, one by one, out of its ZIP in the object store: an archive's members are stored as they
// are, so each is a range of bytes. The whole archive is never fetched.
import { call } from "./api";

export interface Frame {
  /** Its name in the archive, without folders. */
  name: string;
  /** Seconds of the video at which it is shown; none if the manifest does not say. */
  time: number | undefined;
  width: number;
  height: number;
  /** Where its entry begins, and its bytes. */
  offset: number;
  size: number;
}

interface Entry {
  name: string;
  method: number;
  offset: number;
  size: number;
}

/** An archive that this reader does not understand. */
export class UnreadableArchive extends Error {
  override name = "UnreadableArchive";
}

const TYPES: Record<string, string> = {
  jpg: "image/jpeg",
  png: "image/png",
  webp: "image/webp",
  avif: "image/avif",
};
/** The end record is looked for in this much; a longer comment than none is not ours. */
const TAIL = 16 * 1024;
/** Bytes before an entry's data: header, name, and what else may be there. */
const HEADER = 30;
const SLACK = 128;
/** Pictures that are kept. */
const KEPT = 300;

export class Archive {
  readonly #id: string;
  #location: Promise<{ url: string; size: number; until: number }> | undefined;
  readonly #kept = new Map<number, Promise<string>>();
  frames: readonly Frame[] = [];

  private constructor(id: string) {
    this.#id = id;
  }

  static async open(id: string): Promise<Archive> {
    const archive = new Archive(id);
    const entries = await archive.#entries();
    const manifest = entries.find((entry) => entry.name === "manifest.json");
    const known = manifest === undefined ? new Map() : await archive.#manifest(manifest);
    archive.frames = entries
      .filter((entry) => entry.name.startsWith("frames/") && entry.method === 0)
      .map(({ name, offset, size }) => {
        const said = known.get(name);
        const { time_seconds: time, width = 16, height = 9 } = said ?? {};
        return { name: name.slice("frames/".length), time, width, height, offset, size };
      });
    return archive;
  }

  /** A URL of a frame's picture, within this page. */
  picture(n: number): Promise<string> {
    const known = this.#kept.get(n);
    if (known !== undefined) {
      // The last one used goes last.
      this.#kept.delete(n);
      this.#kept.set(n, known);
      return known;
    }
    const picture = this.#load(n);
    this.#kept.set(n, picture);
    picture.catch(() => this.#kept.delete(n));
    for (const [old, url] of this.#kept) {
      if (this.#kept.size <= KEPT) break;
      this.#kept.delete(old);
      url.then(URL.revokeObjectURL, () => {});
    }
    return picture;
  }

  /** Gives back what the pictures take. */
  close() {
    for (const url of this.#kept.values()) url.then(URL.revokeObjectURL, () => {});
    this.#kept.clear();
  }

  async #load(n: number): Promise<string> {
    const frame = this.frames[n];
    if (frame === undefined) throw new UnreadableArchive();
    const bytes = await this.#data(frame);
    const type = TYPES[frame.name.split(".").pop() ?? ""] ?? "application/octet-stream";
    return URL.createObjectURL(new Blob([bytes], { type }));
  }

  async #data({ offset, size }: { offset: number; size: number }): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = await this.#range(offset, offset + HEADER + SLACK + size);
    const view = new DataView(bytes.buffer);
    if (bytes.length < HEADER || view.getUint32(0, true) !== 0x04034b50) throw new UnreadableArchive();
    const start = HEADER + view.getUint16(26, true) + view.getUint16(28, true);
    if (start + size <= bytes.length) return bytes.subarray(start, start + size);
    return this.#range(offset + start, offset + start + size);
  }

  async #locate() {
    const known = await this.#location;
    if (known === undefined || known.until - Date.now() < 60_000) {
      this.#location = call("get", "/videos/{id}/download", { path: { id: this.#id } }).then((it) => ({
        url: it.url,
        size: it.size_bytes,
        until: new Date(it.expires_at).getTime(),
      }));
      this.#location.catch(() => {
        this.#location = undefined;
      });
      return this.#location;
    }
    return known;
  }

  /** The bytes from `from` to before `to`, as far as there are any. */
  async #range(from: number, to: number): Promise<Uint8Array<ArrayBuffer>> {
    const { url, size } = await this.#locate();
    const last = Math.min(to, size) - 1;
    const answer = await fetch(url, { headers: { range: `bytes=${from}-${last}` }, credentials: "omit" });
    if (answer.status !== 206) throw new UnreadableArchive();
    return new Uint8Array(await answer.arrayBuffer());
  }

  /** The archive's directory (APPNOTE, 4.3.12 to 4.3.16), with the 64-bit form where there is one. */
  async #entries(): Promise<Entry[]> {
    const { size } = await this.#locate();
    const start = Math.max(0, size - TAIL);
    const tail = await this.#range(start, size);
    const view = new DataView(tail.buffer);
    let end = tail.length - 22;
    while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end -= 1;
    if (end < 0) throw new UnreadableArchive();
    let length = view.getUint32(end + 12, true);
    let offset = view.getUint32(end + 16, true);
    if (end >= 20 && view.getUint32(end - 20, true) === 0x07064b50) {
      const at = Number(view.getBigUint64(end - 12, true));
      const record = new DataView((await this.#range(at, at + 56)).buffer);
      length = Number(record.getBigUint64(40, true));
      offset = Number(record.getBigUint64(48, true));
    }
    const inTail = offset >= start;
    const directory = inTail ? tail.subarray(offset - start) : await this.#range(offset, offset + length);
    return [...entriesOf(directory.subarray(0, length))];
  }

  async #manifest(
    entry: Entry,
  ): Promise<Map<string, { time_seconds?: number; width?: number; height?: number }>> {
    let data: Blob = new Blob([await this.#data(entry)]);
    if (entry.method === 8) {
      data = await new Response(data.stream().pipeThrough(new DecompressionStream("deflate-raw"))).blob();
    }
    const { frames } = JSON.parse(await data.text());
    return new Map(frames.map((frame: { file: string }) => [frame.file, frame]));
  }
}

function* entriesOf(directory: Uint8Array): Generator<Entry> {
  const view = new DataView(directory.buffer, directory.byteOffset, directory.byteLength);
  const text = new TextDecoder();
  let at = 0;
  while (at + 46 <= directory.length && view.getUint32(at, true) === 0x02014b50) {
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((it) =>
      view.getUint16(at + it, true),
    ) as [number, number, number];
    const name = text.decode(directory.subarray(at + 46, at + 46 + nameLength));
    const plain = view.getUint32(at + 24, true);
    let size = view.getUint32(at + 20, true);
    let offset = view.getUint32(at + 42, true);
    // The extra field that has the 64-bit numbers, of those that do not fit.
    const end = at + 46 + nameLength + extraLength;
    for (let extra = at + 46 + nameLength; extra + 4 <= end; extra += 4 + view.getUint16(extra + 2, true)) {
      if (view.getUint16(extra, true) !== 1) continue;
      let next = extra + 4;
      const wide = (value: number) => {
        if (value !== 0xffffffff) return value;
        next += 8;
        return Number(view.getBigUint64(next - 8, true));
      };
      wide(plain);
      size = wide(size);
      offset = wide(offset);
    }
    yield { name, method: view.getUint16(at + 10, true), offset, size };
    at = end + commentLength;
  }
}
