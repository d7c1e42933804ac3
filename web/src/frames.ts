// The frames of a result: their number, times and images. Images have links that need no token; the records of frames are
// loaded in pages when they are shown.
import { signal } from "@preact/signals";
import { call, type Frame } from "./api";

/** Frames on a page: the API's maximum. */
const PAGE = 100;
/** How long before their expiry links are renewed. */
const EARLY_MS = 60_000;

export class Frames {
  readonly #id: string;
  readonly count: number;
  readonly #known = new Map<number, Frame>();
  readonly #asked = new Map<number, Promise<void>>();
  #template = "";
  #until = 0;
  /** Increases when more records are loaded, so that views that read it are updated. */
  readonly news = signal(0);

  private constructor(id: string, count: number) {
    this.#id = id;
    this.count = count;
  }

  static async open(id: string, count: number): Promise<Frames> {
    const frames = new Frames(id, count);
    await frames.need(0, 1);
    return frames;
  }

  /** The record of a frame by its index from 0, if it is loaded. */
  frame(n: number): Frame | undefined {
    return this.#known.get(n);
  }

  /** The URL of a frame's image, which needs no token until it expires. */
  url(n: number): string {
    return this.#template.replace("{n}", String(n + 1));
  }

  /** When the URLs expire. */
  get until(): string {
    return new Date(this.#until).toISOString();
  }

  /** Loads missing records of the frames from `from` to before `to`. A page that fails can be loaded again later. */
  async need(from: number, to: number): Promise<void> {
    if (this.#until !== 0 && this.#until - Date.now() < EARLY_MS) this.#asked.clear();
    const pages: Promise<void>[] = [];
    for (let page = Math.floor(from / PAGE); page * PAGE < Math.min(to, this.count); page += 1) {
      let asked = this.#asked.get(page);
      if (asked === undefined) {
        asked = this.#load(page);
        this.#asked.set(page, asked);
        asked.catch(() => this.#asked.delete(page));
      }
      pages.push(asked);
    }
    await Promise.all(pages);
  }

  async #load(page: number) {
    const answer = await call("get", "/videos/{id}/frames", {
      path: { id: this.#id },
      query: { limit: PAGE, from: page * PAGE + 1 },
    });
    for (const frame of answer.items) this.#known.set(frame.n - 1, frame);
    this.#template = answer.url_template;
    this.#until = new Date(answer.expires_at).getTime();
    this.news.value += 1;
  }
}
