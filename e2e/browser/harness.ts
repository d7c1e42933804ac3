// A real browser on the page: what all flows need. A complaint of the page or of its content security policy
// fails the flow; so does what axe finds.
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Browser, type BrowserContext, type CDPSession, chromium, type Page } from "playwright-core";

export const PASSWORD = "correct horse battery";
const axe = await readFile(new URL(import.meta.resolve("axe-core/axe.min.js")), "utf8");

export interface Where {
  api: string;
  /** The catcher of the mails that the stack sends. */
  mail: string;
  /** Sample videos. */
  media: string;
  /** A folder for files of this run: also pictures of what failed. */
  scratch: string;
}

export interface Look {
  scheme?: "light" | "dark";
  locale?: "en-GB" | "pt-BR";
  phone?: boolean;
}

export class Visitor {
  readonly where: Where;
  readonly context: BrowserContext;
  page: Page;
  /** What the page or its browser complained of. */
  readonly complaints: string[] = [];

  private constructor(where: Where, context: BrowserContext, page: Page) {
    this.where = where;
    this.context = context;
    this.page = page;
    this.#listen(page);
  }

  static async arrive(browser: Browser, where: Where, look: Look = {}): Promise<Visitor> {
    const { scheme = "light", locale = "en-GB", phone = false } = look;
    const viewport = phone ? PHONE : DESK;
    const context = await browser.newContext({ colorScheme: scheme, locale, viewport, acceptDownloads: true });
    context.setDefaultTimeout(60_000);
    return new Visitor(where, context, await context.newPage());
  }

  #listen(page: Page) {
    page.on("console", (message) => {
      // A browser notes each answer above 399 and each lost connection: those are the flow's own doing.
      if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
        this.complaints.push(message.text());
    });
    page.on("pageerror", (error) => this.complaints.push(String(error.stack ?? error)));
    page.on("request", (request) => {
      const { hostname } = new URL(request.url());
      if (hostname !== "127.0.0.1" && hostname !== "") this.complaints.push(`a request to ${request.url()}`);
    });
  }

  #network: { page: Page; session: CDPSession } | undefined;

  /** The tab's network, by the browser's own protocol. What one session has set, another does not take back. */
  async network(): Promise<CDPSession> {
    if (this.#network?.page !== this.page) {
      this.#network = { page: this.page, session: await this.context.newCDPSession(this.page) };
      await this.#network.session.send("Network.enable");
    }
    return this.#network.session;
  }

  /** A new tab of the same browser; the old one is closed as people close it. */
  async reopen(): Promise<void> {
    await this.page.close({ runBeforeUnload: false });
    this.page = await this.context.newPage();
    this.#listen(this.page);
    await this.page.goto(this.where.api);
  }

  async signUp(name: string): Promise<string> {
    const email = `${name.toLowerCase()}-${Date.now()}@example.com`;
    const { page } = this;
    await page.goto(`${this.where.api}/#/sign-up`);
    await page.locator("input[autocomplete=name]").fill(name);
    await page.locator("input[type=email]").fill(email);
    await page.locator("input[autocomplete=new-password]").fill(PASSWORD);
    await page.locator("form .button.primary").click();
    await page.locator(".drop").waitFor();
    return email;
  }

  /** Gives files to the drop zone's input. */
  async add(...files: (string | { name: string; mimeType: string; buffer: Buffer })[]) {
    await this.page.locator(".drop input[type=file]").setInputFiles(files as string[]);
  }

  /** Drops files on the page as the browser does it. */
  async drop(...files: string[]) {
    const box = await this.page.locator(".drop").boundingBox();
    check(box, "there is no drop zone");
    const session = await this.context.newCDPSession(this.page);
    const at = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    const data = { items: [], files, dragOperationsMask: 1 };
    await session.send("Input.dispatchDragEvent", { type: "dragEnter", ...at, data });
    await session.send("Input.dispatchDragEvent", { type: "dragOver", ...at, data });
    await this.page.locator(".drop.over").waitFor();
    await session.send("Input.dispatchDragEvent", { type: "drop", ...at, data });
    await session.detach();
  }

  /** Fills in the sign-in form that is shown. */
  async signIn(email: string, password = PASSWORD) {
    await this.page.locator("input[type=email]").fill(email);
    await this.page.locator("input[autocomplete=current-password]").fill(password);
    await this.page.locator("form .button.primary").click();
    await this.page.locator(".head.signed-in").waitFor();
  }

  row(name: string) {
    return this.page.locator(".row", { has: this.page.locator(".row-name", { hasText: name }) });
  }

  /** Waits until the newest video of that name has a status. */
  async until(name: string, status: string) {
    await this.row(name).and(this.page.locator(`[data-status=${status}]`)).first().waitFor();
  }

  /** Fails if axe finds anything on what is shown. */
  async mustBeAccessible(view: string, without: readonly string[] = []) {
    // By the browser's own protocol: the page's policy lets no script in.
    if (await this.page.evaluate("typeof axe === 'undefined'")) await this.page.evaluate(axe);
    const rules = JSON.stringify(Object.fromEntries(without.map((rule) => [rule, { enabled: false }])));
    const found = await this.page.evaluate(`axe.run(document, { resultTypes: ["violations"], rules: ${rules} })
      .then(({ violations }) => violations.map(({ id, nodes }) =>
        id + ": " + nodes.map((node) => node.html + " " + node.failureSummary).join("\\n")))`);
    if ((found as string[]).length > 0) throw new Error(`${view}: ${(found as string[]).join("\n")}`);
  }

  /** Checks a view in every look: accessible, but for those rules of axe, and no wider than the screen. */
  async see(view: string, fullPage = true, without: readonly string[] = []) {
    const size = this.page.viewportSize();
    const html = this.page.locator("html");
    const language = await html.getAttribute("lang");
    const spoken = (await this.page.locator(".picker select").count()) > 0;
    for (const look of LOOKS.filter(({ locale }) => spoken || locale === "en-GB")) {
      const name = `${view}-${nameOf(look)}`;
      await this.#wear(look);
      if (process.env.FRAMELIFT_TEST_PICTURES) await this.picture(name, fullPage);
      await this.mustBeAccessible(name, without);
      const wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth";
      check(!(await this.page.evaluate(wide)), `${name}: wider than the screen`);
    }
    await this.#speak(language ?? "en");
    await this.page.emulateMedia({ colorScheme: "light" });
    if (size) await this.page.setViewportSize(size);
    await this.#drawn();
  }

  async #wear({ scheme, locale, phone }: Required<Look>) {
    await this.page.emulateMedia({ colorScheme: scheme });
    await this.page.setViewportSize(phone ? PHONE : DESK);
    await this.#speak(locale === "pt-BR" ? "pt-BR" : "en");
    await this.#drawn();
  }

  /** Chooses the page's language, also behind a dialog, where people cannot. */
  async #speak(language: string) {
    const choose = `(() => {
      const select = document.querySelector(".picker select");
      if (select === null || select.value === "${language}") return false;
      select.value = "${language}";
      return select.dispatchEvent(new Event("change", { bubbles: true }));
    })()`;
    if (await this.page.evaluate(choose)) await this.page.locator(`html[lang="${language}"]`).waitFor({ state: "attached" });
  }

  async #drawn() {
    await this.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
  }

  async picture(name: string, fullPage = true) {
    await mkdir(join(this.where.scratch, "pictures"), { recursive: true });
    await this.page.screenshot({ path: join(this.where.scratch, "pictures", `${name}.png`), fullPage });
  }

  async leave() {
    await this.context.close();
    if (this.complaints.length > 0) throw new Error(`the browser complained:\n${this.complaints.join("\n")}`);
  }
}

/** Something that people do on the page. */
export type Flow = (browser: Browser, where: Where) => Promise<void>;

/** A visit; a failure leaves a picture. */
export async function visit(
  browser: Browser,
  where: Where,
  name: string,
  look: Look,
  steps: (visitor: Visitor) => Promise<void>,
) {
  const visitor = await Visitor.arrive(browser, where, look);
  try {
    await steps(visitor);
  } catch (error) {
    await visitor.picture(`failed-${name}`).catch(() => {});
    throw error;
  }
  await visitor.leave();
}

const DESK = { width: 1180, height: 860 };
const PHONE = { width: 390, height: 844 };

/** The looks in which each view is checked: every scheme in every language on every size. */
const LOOKS: readonly Required<Look>[] = (["en-GB", "pt-BR"] as const).flatMap((locale) =>
  [false, true].flatMap((phone) => (["light", "dark"] as const).map((scheme) => ({ scheme, locale, phone }))),
);

const nameOf = (look: Look) => `${look.locale}-${look.scheme}-${look.phone ? "phone" : "desk"}`;

/** Runs a flow in a new browser. */
export async function browse(flow: (browser: Browser) => Promise<void>) {
  const executablePath = process.env.FRAMELIFT_TEST_CHROMIUM ?? "/usr/bin/chromium";
  // Debian's builds run as root in containers only without the browser's own sandbox: the pages are ours.
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
  try {
    await flow(browser);
  } finally {
    await browser.close();
  }
}

export function check(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(what);
}
