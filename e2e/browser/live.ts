// Live progress on the page: what happens elsewhere is shown without asking, also after the service was away.
// The stack has no worker: the flow reports in a worker's place.
import { open, readFile } from "node:fs/promises";
import { createServer, connect, type Server, type Socket } from "node:net";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { check, PASSWORD, visit, type Where } from "./harness.ts";

/** The service, as another program of the same user and as a worker. */
class Elsewhere {
  readonly #where: Where;
  readonly #token: string;

  private constructor(where: Where, token: string) {
    this.#where = where;
    this.#token = token;
  }

  static async signIn(where: Where, email: string): Promise<Elsewhere> {
    const answer = await post(`${where.api}/auth/login`, undefined, { email, password: PASSWORD });
    return new Elsewhere(where, answer.access_token);
  }

  /** Uploads a video and hands it over; its id. */
  async upload(name: string): Promise<string> {
    const { api, media } = this.#where;
    const content = await readFile(join(media, "nasa-13s.mp4"));
    const { id, upload } = await post(`${api}/videos`, this.#token, { file_name: name, size_bytes: content.length });
    const put = await fetch(upload.url, { method: "PUT", headers: upload.headers, body: content });
    check(put.ok, `the store answers ${put.status}`);
    await post(`${api}/videos/${id}/complete`, this.#token);
    return id;
  }

  async report(id: string, what: string, fields: object = {}) {
    const body = { worker_id: "by-hand", ...(what !== "claim" && { attempt: 1 }), ...fields };
    await post(`${this.#where.api}/internal/jobs/${id}/${what}`, process.env.WORKER_TOKEN, body);
  }

  progress(id: string, percent: number) {
    const progress = { stage: "extracting", percent, frames_done: percent, frames_expected: 100, bytes_read: 5 };
    return this.report(id, "progress", { progress });
  }

  fail(id: string) {
    return this.report(id, "fail", { code: "not-a-video", message: "the file is no video" });
  }
}

async function post(url: string, token?: string, body?: object) {
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  const answer = await fetch(url, { method: "POST", headers, body: body === undefined ? null : JSON.stringify(body) });
  const text = await answer.text();
  check(answer.ok, `${url}: ${answer.status} ${text}`);
  return JSON.parse(text);
}

/** What the page asks for of videos, from now on. */
function questions(page: Page) {
  const asked: string[] = [];
  page.on("request", (request) => {
    const { pathname } = new URL(request.url());
    if (pathname.startsWith("/videos")) asked.push(`${request.method()} ${pathname}`);
  });
  return asked;
}

/** A video of another program appears, goes on and ends on the page, which asks for the list once. */
export async function liveEvents(browser: Browser, where: Where) {
  await visit(browser, where, "live-events", {}, async (visitor) => {
    const asked = questions(visitor.page);
    const elsewhere = await Elsewhere.signIn(where, await visitor.signUp("Lin"));
    const id = await elsewhere.upload("far.mp4");
    await visitor.until("far.mp4", "pending");
    await elsewhere.report(id, "claim");
    await visitor.until("far.mp4", "processing");
    for (const percent of [40, 70]) {
      await elsewhere.progress(id, percent);
      await visitor.row("far.mp4").locator(`progress[value="${percent}"]`).waitFor();
      await visitor.row("far.mp4").getByText(`${percent} of 100 frames`).waitFor();
    }
    await elsewhere.fail(id);
    await visitor.until("far.mp4", "failed");
    check(asked.sort().join() === "GET /videos,GET /videos/events", `the page asked for ${asked}`);
  });
}

/** Passes connections on to the service while it is open. */
class Door {
  readonly #to: URL;
  #server: Server | undefined;
  #port = 0;
  readonly #sockets = new Set<Socket>();

  constructor(to: string) {
    this.#to = new URL(to);
  }

  /** Opens it, at the same address each time. */
  async open(): Promise<string> {
    const server = createServer((client) => {
      const service = connect(Number(this.#to.port), this.#to.hostname);
      for (const [from, to] of [[client, service], [service, client]] as const) {
        this.#sockets.add(from);
        from.on("error", () => to.destroy());
        from.on("close", () => to.destroy());
        from.pipe(to);
      }
    });
    this.#server = server;
    await new Promise<void>((done) => server.listen(this.#port, "127.0.0.1", done));
    const address = server.address();
    if (address !== null && typeof address === "object") this.#port = address.port;
    return `http://127.0.0.1:${this.#port}`;
  }

  close() {
    this.#server?.close();
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }
}

/** The service goes away and comes back: the page says so, and shows what has happened in between. */
export async function serviceAway(browser: Browser, where: Where) {
  const door = new Door(where.api);
  const through = { ...where, api: await door.open() };
  await visit(browser, through, "service-away", {}, async (visitor) => {
    const elsewhere = await Elsewhere.signIn(where, await visitor.signUp("Ida"));
    const first = await elsewhere.upload("first.mp4");
    await visitor.until("first.mp4", "pending");
    door.close();
    await elsewhere.report(first, "claim");
    await elsewhere.fail(first);
    const second = await elsewhere.upload("second.mp4");
    const notice = visitor.page.getByText("No connection to the service.");
    await notice.waitFor();
    check((await visitor.row("first.mp4").getAttribute("data-status")) === "pending", "what was known is shown");
    await door.open();
    await visitor.until("first.mp4", "failed");
    await visitor.until("second.mp4", "pending");
    await notice.waitFor({ state: "detached" });
    await elsewhere.report(second, "claim");
    await visitor.until("second.mp4", "processing");
  });
  door.close();
}

/** Where something between page and service lets no stream through, the list is asked for now and then. */
export async function withoutStreams(browser: Browser, where: Where) {
  await visit(browser, where, "without-streams", {}, async (visitor) => {
    const asked = questions(visitor.page);
    await visitor.page.route("**/videos/events", (route) => route.fulfill({ contentType: "text/html", body: "" }));
    const elsewhere = await Elsewhere.signIn(where, await visitor.signUp("Eva"));
    const id = await elsewhere.upload("far.mp4");
    await visitor.until("far.mp4", "pending");
    await elsewhere.report(id, "claim");
    await visitor.until("far.mp4", "processing");
    check(asked.filter((what) => what === "GET /videos").length <= 8, `the page asked for ${asked}`);
  });
}

/** What waits says so, with its place; what is canceled makes room; limits are told. The service takes three unfinished
 * videos and processes one at once. */
export async function waiting(browser: Browser, where: Where) {
  await visit(browser, where, "waiting", {}, async (visitor) => {
    const { page } = visitor;
    await visitor.signUp("Nell");
    const huge = join(where.scratch, "huge.mp4");
    const file = await open(huge, "w");
    await file.truncate(60e9);
    await file.close();
    await visitor.add(huge);
    await visitor.row("huge.mp4").getByText("The file is larger than one upload may be.").waitFor();
    await page.getByRole("button", { name: "Cancel huge.mp4" }).click();
    await page.getByText("No videos yet").waitFor();

    const buffer = await readFile(join(where.media, "nasa-13s.mp4"));
    const add = (name: string) => visitor.add({ name, mimeType: "video/mp4", buffer });
    for (const [name, status] of [["first", "pending"], ["second", "queued"], ["third", "queued"]] as const) {
      await add(`${name}.mp4`);
      await visitor.until(`${name}.mp4`, status);
    }
    await visitor.row("second.mp4").getByText("The next of your videos").waitFor();
    await visitor.row("third.mp4").getByText("1 of your videos is before it").waitFor();
    await add("fourth.mp4");
    await visitor.row("fourth.mp4").getByText("You have reached a limit of your account").waitFor();

    await page.getByRole("button", { name: "Cancel first.mp4" }).click();
    await page.locator("dialog").getByRole("button", { name: "Cancel video" }).click();
    await visitor.until("first.mp4", "canceled");
    await visitor.until("second.mp4", "pending");
    await visitor.row("third.mp4").getByText("The next of your videos").waitFor();
    await page.getByRole("button", { name: "Try again fourth.mp4" }).click();
    await visitor.until("fourth.mp4", "queued");
  });
}
