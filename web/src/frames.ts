// The frames of a result: how many, when each is shown, and where its picture is. Pictures have links that a browser
// may follow as they are; what is said of them comes in pages, which are asked for when they are looked at.
import { signal } from "@preact/signals";
import { call, type Frame } from "./api";

/** Frames that one call tells of: as many as it may. */
const PAGE = 100;
/** Links are renewed so long before they end. */
const EARLY_MS = 60_000;

export class Frames {
  readonly #id: string;
  readonly count: number;
  readonly #known = new Map<number, Frame>();
  readonly #asked = new Map<number, Promise<void>>();
  #template = "";
  #until = 0;
  /** Changes when more is known: who reads it is shown that. */
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

  /** What is known of a frame, from 0. */
  frame(n: number): Frame | undefined {
    return this.#known.get(n);
  }

  /** The address of a frame's picture, which opens without a token for a while. */
  url(n: number): string {
    return this.#template.replace("{n}", String(n + 1));
  }

  /** When the addresses end. */
  get until(): string {
    return new Date(this.#until).toISOString();
  }

  /** Asks for what is not known of the frames from `from` to before `to`; a page that fails is asked for again later. */
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
