// Uploads that are interrupted: by a closed tab, a lost network, or another user of the same machine.
import { appendFile, copyFile } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, Request } from "playwright-core";
import { check, type Visitor, visit, type Where } from "./harness.ts";

/** The number of the part that a request sends to the object store. */
const part = (request: Request) =>
  request.method() === "PUT" ? /partNumber=(\d+)/.exec(request.url())?.[1] : undefined;

/** A file that goes in parts: a video with padding that players skip. */
async function large({ media, scratch }: Where, name: string): Promise<string> {
  const path = join(scratch, name);
  await copyFile(join(media, "nasa-13s.mp4"), path);
  const padding = Buffer.alloc(40 * 1024 * 1024);
  padding.writeUInt32BE(padding.length, 0);
  padding.write("free", 4, "latin1");
  await appendFile(path, padding);
  return path;
}

/** Lets the tab's network do something from now on. */
async function throttle(visitor: Visitor, how: { offline?: boolean; uploadThroughput?: number }) {
  const network = await visitor.network();
  const { offline = false, uploadThroughput = -1 } = how;
  await network.send("Network.emulateNetworkConditions", { offline, latency: 0, downloadThroughput: -1, uploadThroughput });
}

/** The tab is closed in the middle of an upload; later the file is asked for again, and the rest is sent. */
export async function closedTab(browser: Browser, where: Where) {
  await visit(browser, where, "closed-tab", {}, async (visitor) => {
    const file = await large(where, "long.mp4");
    // The upload is the account's, whether or not the page could read the account.
    await visitor.context.route("**/auth/me", (route) => route.abort());
    await visitor.signUp("Grace");
    await throttle(visitor, { uploadThroughput: 4_000_000 });
    const arrived = visitor.page.waitForResponse((answer) => part(answer.request()) !== undefined && answer.ok());
    await visitor.add(file);
    const first = part((await arrived).request()) ?? "";
    const sent: string[] = [];
    await visitor.reopen();
    visitor.context.on("request", (request) => {
      const number = part(request);
      if (number !== undefined) sent.push(number);
    });
    const { page } = visitor;
    await page.getByText("The upload was interrupted.").waitFor();
    const again = visitor.row("long.mp4").locator("input[type=file]");
    await again.setInputFiles(join(where.media, "nasa-13s.mp4"));
    await page.getByText("That is another file.").waitFor();
    await again.setInputFiles(file);
    await visitor.until("long.mp4", "completed");
    check(sent.length > 0 && !sent.includes(first), `part ${first} had arrived, sent after that: ${sent}`);
  });
}

/** The network goes in the middle of an upload and comes back; the upload is paused and goes on. */
export async function lostNetwork(browser: Browser, where: Where) {
  await visit(browser, where, "lost-network", {}, async (visitor) => {
    const file = await large(where, "slow.mp4");
    const { page } = visitor;
    await visitor.signUp("Mary");
    const begun: string[] = [];
    const arrived = new Set<string>();
    const again: string[] = [];
    page.on("request", (request) => {
      const number = part(request);
      if (number === undefined) return;
      begun.push(number);
      if (arrived.has(number)) again.push(number);
    });
    page.on("response", (answer) => {
      const number = part(answer.request());
      if (number !== undefined && answer.ok()) arrived.add(number);
    });
    const one = page.waitForResponse((answer) => part(answer.request()) !== undefined && answer.ok());
    await throttle(visitor, { uploadThroughput: 6_000_000 });
    await visitor.add(file);
    await one;
    await page.getByRole("button", { name: "Pause slow.mp4" }).click();
    await page.locator("[data-upload=paused]").waitFor();
    const before = begun.length;
    await page.waitForTimeout(1_500);
    check(begun.length === before, `parts ${begun.slice(before)} were begun while the upload was paused`);
    await page.getByRole("button", { name: "Resume slow.mp4" }).click();
    await page.locator("[data-upload=sending]").waitFor();
    await throttle(visitor, { offline: true });
    await page.getByText("No connection to the service.").waitFor();
    await throttle(visitor, {});
    await visitor.until("slow.mp4", "completed");
    check((await page.getByText("No connection to the service.").count()) === 0, "the page still says so");
    check(again.length === 0, `parts ${again} were sent again after they had arrived`);
  });
}

/** Who signs out in mid-upload leaves nothing to the next account, and finds their own things again. */
export async function sharedMachine(browser: Browser, where: Where) {
  await visit(browser, where, "shared-machine", {}, async (visitor) => {
    const file = await large(where, "secret.mp4");
    const { page } = visitor;
    const options = page.locator(".fold-value");
    page.on("dialog", (dialog) => void dialog.accept());
    const ada = await visitor.signUp("Ada");
    await page.locator(".fold > summary").click();
    await page.getByLabel("Which frames").selectOption("count");
    await page.getByLabel("Frames", { exact: true }).fill("7");
    await throttle(visitor, { uploadThroughput: 8_000_000 });
    const arrived = page.waitForResponse((answer) => part(answer.request()) !== undefined && answer.ok());
    await visitor.add(file);
    await arrived;
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.locator("form input[type=email]").waitFor();

    const sent: string[] = [];
    page.on("request", (request) => {
      const { pathname } = new URL(request.url());
      if (part(request) !== undefined || /upload-parts|^\/videos$/.test(pathname)) sent.push(`${request.method()} ${pathname}`);
    });
    await visitor.signUp("Eve");
    await page.getByText("No videos yet").waitFor();
    await page.waitForTimeout(1_500);
    check((await page.getByText("secret.mp4").count()) === 0, "the next account sees the upload");
    check((await options.innerText()).startsWith("One every"), `the next account gets the options ${await options.innerText()}`);
    check(sent.every((it) => it === "GET /videos"), `the upload goes on for the next account: ${sent}`);
    await page.getByRole("button", { name: "Sign out" }).click();

    await visitor.signIn(ada);
    await page.getByText("The upload was interrupted.").waitFor();
    check((await options.innerText()).startsWith("7 frames"), `the options are ${await options.innerText()}`);
    await visitor.row("secret.mp4").locator("input[type=file]").setInputFiles(file);
    await page.locator("[data-upload=sending]").waitFor();
    await page.getByRole("button", { name: "Cancel secret.mp4" }).click();
    await page.getByText("No videos yet").waitFor();
    await throttle(visitor, {});
  });
}
