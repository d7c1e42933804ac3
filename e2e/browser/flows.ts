// What people do on the page, each flow by its name: `node flows.ts FLOW API MEDIA SCRATCH`.
import { execFileSync } from "node:child_process";
import { appendFile, copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, Request } from "playwright-core";
import { endedSession, links, webhooks } from "./account.ts";
import { documentation } from "./docs.ts";
import { manyFrames } from "./frames.ts";
import { liveEvents, serviceAway, withoutStreams } from "./live.ts";
import { plugins } from "./plugins.ts";
import { browse, check, type Flow, LOOKS, type Look, nameOf, PASSWORD, type Visitor, visit, type Where } from "./harness.ts";

const [flow = "", api = "", media = "", scratch = ""] = process.argv.slice(2);
const where: Where = { api, media, scratch };
const NOT_A_VIDEO = { name: "letter.mp4", mimeType: "video/mp4", buffer: Buffer.from("Dear Ada, no video.") };

/** The names in a ZIP, as another program reads it. */
function members(path: string): string[] {
  execFileSync("unzip", ["-qq", "-t", path]);
  return execFileSync("unzip", ["-Z1", path], { encoding: "utf8" }).trim().split("\n");
}

/** Sign up, upload two, download, run again, a failure that explains itself, sessions, the end of the account. */
async function everything(browser: Browser) {
  await visit(browser, where, "everything", {}, async (visitor) => {
    const { page } = visitor;
    const button = (name: string | RegExp) => page.getByRole("button", { name });
    const email = await visitor.signUp("Ada");
    await visitor.add(join(media, "nasa-13s.mp4"), join(media, "cars-30s.mp4"));
    // Each is announced and shown with a bar while it goes.
    await page.locator("progress").first().waitFor();
    await visitor.until("nasa-13s.mp4", "completed");
    await visitor.until("cars-30s.mp4", "completed");
    // The README's: docs/page.png.
    await page.setViewportSize({ width: 900, height: 660 });
    await visitor.picture("readme", false);
    await page.setViewportSize({ width: 1180, height: 860 });

    const [saved] = await Promise.all([
      page.waitForEvent("download"),
      visitor.row("nasa-13s.mp4").getByRole("button", { name: /^Download/ }).click(),
    ]);
    check(saved.suggestedFilename() === "nasa-13s-frames.zip", saved.suggestedFilename());
    const zip = join(scratch, "page.zip");
    await saved.saveAs(zip);
    check(members(zip).filter((name) => name.endsWith(".jpg")).length === 14, members(zip).join(" "));

    await page.getByRole("link", { name: "nasa-13s.mp4" }).click();
    await page.getByText("14 frames").waitFor();
    await frames(visitor);
    await button("Run again").click();
    await page.getByLabel("Which frames").last().selectOption("count");
    await page.getByLabel("Frames", { exact: true }).last().fill("a few");
    await page.getByText("Enter a whole number").waitFor();
    await page.getByLabel("Frames", { exact: true }).last().fill("3");
    await page.getByLabel("Format").last().selectOption("png");
    await button("Start").click();
    await page.getByText("3 frames", { exact: true }).first().waitFor();
    await page.getByText("3 frames · PNG").waitFor();
    await page.getByRole("link", { name: "All videos" }).click();

    await visitor.add(NOT_A_VIDEO);
    await visitor.until("letter.mp4", "failed");
    await page.getByRole("link", { name: "letter.mp4" }).click();
    await page.getByText("The file is not a video that we can read.").waitFor();
    await page.getByText("Check that it plays on your computer").waitFor();
    await button("Delete").click();
    await page.locator("dialog").getByRole("button", { name: "Delete" }).click();
    await page.locator(".drop").waitFor();
    check((await visitor.row("letter.mp4").count()) === 0, "the deleted video is still listed");

    // The login outlives the tab, and what is typed outlives a refusal.
    await visitor.reopen();
    await account(visitor, email);
  });
}

/** The grid, one frame large, the arrow keys, and a picture. */
async function frames({ page, where }: Visitor) {
  await page.getByRole("button", { name: "Frame 2, 0.968 s" }).click();
  const large = page.locator("dialog img");
  await page.keyboard.press("ArrowRight");
  await page.getByRole("heading", { name: "Frame 3, 1.969 s" }).waitFor();
  await large.waitFor();
  const width = await large.evaluate((image) => (image as HTMLImageElement).decode().then(() => (image as HTMLImageElement).naturalWidth));
  check(width === 480, `the frame is ${width} pixels wide`);
  check(page.url().endsWith("/3"), page.url());
  const [saved] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("link", { name: "Download frame" }).click(),
  ]);
  check(saved.suggestedFilename() === "nasa-13s-000003.jpg", saved.suggestedFilename());
  const alone = join(where.scratch, "frame.jpg");
  await saved.saveAs(alone);
  const inArchive = execFileSync("unzip", ["-p", join(where.scratch, "page.zip"), "frames/frame_000003.jpg"]);
  check(inArchive.equals(await readFile(alone)), "the frame is not the one in the archive");
  await page.keyboard.press("Escape");
  await page.locator("dialog").waitFor({ state: "detached" });
}

async function account(visitor: Visitor, email: string) {
  const { page } = visitor;
  const button = (name: string | RegExp) => page.getByRole("button", { name });
  await page.locator(".drop").waitFor();
  await page.getByRole("link", { name: "Account" }).click();
  await page.getByText(email).waitFor();
  await page.getByLabel("Name").fill("Ada Lovelace");
  await button("Save").click();
  await page.getByText("Saved.").waitFor();
  await page.getByText("This session").waitFor();
  // In one moment: what is switched right before signing out is kept.
  await page.getByLabel("When a video is done").evaluate((box) => {
    (box as HTMLInputElement).click();
    document.querySelector<HTMLButtonElement>(".head button.icon-button")?.click();
  });

  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password", { exact: true }).fill("not the password");
  await button("Sign in").click();
  await page.getByText("The e-mail address or the password is wrong.").waitFor();
  check((await page.getByLabel("E-mail address").inputValue()) === email, "what was typed is lost");
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await button("Sign in").click();

  await page.getByRole("link", { name: "Account" }).click();
  check((await page.getByLabel("Name").inputValue()) === "Ada Lovelace", "the name was not kept");
  check(await page.getByLabel("When a video is done").isChecked(), "the notice was not kept");
  await button("Delete account").click();
  await page.locator("dialog").getByLabel("Enter your password").fill(PASSWORD);
  await button("Delete everything").click();
  await page.getByText("Your account is deleted.").waitFor();
}

/** A file that goes in parts: a video with padding that players skip. */
async function large(name: string): Promise<string> {
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
async function closedTab(browser: Browser) {
  await visit(browser, where, "closed-tab", {}, async (visitor) => {
    const file = await large("long.mp4");
    await visitor.signUp("Grace");
    const part = (request: Request) => /partNumber=(\d+)/.exec(request.url())?.[1];
    await throttle(visitor, { uploadThroughput: 4_000_000 });
    const arrived = visitor.page.waitForResponse((answer) => part(answer.request()) !== undefined && answer.ok());
    await visitor.add(file);
    const first = part((await arrived).request()) ?? "";
    const sent: string[] = [];
    await visitor.reopen();
    visitor.context.on("request", (request) => {
      const number = part(request);
      if (number !== undefined && request.method() === "PUT") sent.push(number);
    });
    const { page } = visitor;
    await page.getByText("The upload was interrupted.").waitFor();
    const again = visitor.row("long.mp4").locator("input[type=file]");
    await again.setInputFiles(join(media, "nasa-13s.mp4"));
    await page.getByText("That is another file.").waitFor();
    await again.setInputFiles(file);
    await visitor.until("long.mp4", "completed");
    check(sent.length > 0 && !sent.includes(first), `part ${first} had arrived, sent after that: ${sent}`);
  });
}

/** The network goes in the middle of an upload and comes back; the upload is paused and goes on. */
async function lostNetwork(browser: Browser) {
  await visit(browser, where, "lost-network", {}, async (visitor) => {
    const file = await large("slow.mp4");
    const { page } = visitor;
    await visitor.signUp("Mary");
    const first = page.waitForRequest(/partNumber=1/);
    await throttle(visitor, { uploadThroughput: 2_000_000 });
    await visitor.add(file);
    await first;
    await page.getByRole("button", { name: "Pause slow.mp4" }).click();
    await page.locator("[data-upload=paused]").waitFor();
    await page.getByRole("button", { name: "Resume slow.mp4" }).click();
    await page.locator("[data-upload=sending]").waitFor();
    await throttle(visitor, { offline: true });
    await page.getByText("No connection to the service.").waitFor();
    await throttle(visitor, {});
    await visitor.until("slow.mp4", "completed");
    check((await page.getByText("No connection to the service.").count()) === 0, "the page still says so");
  });
}

/** Every view in both schemes and languages, on a phone and on a desk: axe finds nothing. */
async function everyView(browser: Browser) {
  for (const look of LOOKS) {
    await visit(browser, where, nameOf(look), look, (visitor) => views(visitor, look));
  }
}

async function views(visitor: Visitor, look: Look) {
  const { page } = visitor;
  const see = (view: string, fullPage = true) => visitor.see(view, look, fullPage);
  await page.goto(api);
  await page.locator("form .button.primary").click();
  await page.locator(".fault").first().waitFor();
  await see("sign-in");
  check((await page.locator("html").getAttribute("lang")) === (look.locale === "pt-BR" ? "pt-BR" : "en"), "the language");
  await visitor.signUp("Rosa");
  await page.locator(".empty").waitFor();
  await see("empty");
  await page.locator(".fold > summary").click();
  await page.locator(".more > summary").first().click();
  await see("options");
  await page.locator(".fold > summary").click();
  await visitor.add(join(media, "nasa-13s.mp4"));
  await visitor.add(NOT_A_VIDEO);
  await visitor.add({ name: "letter.docx", mimeType: "text/plain", buffer: Buffer.from("x") });
  await visitor.until("nasa-13s.mp4", "completed");
  await visitor.until("letter.mp4", "failed");
  await see("list");
  await page.getByRole("link", { name: "letter.mp4" }).click();
  await page.locator("div.failed").waitFor();
  await see("failed");
  await page.locator(".actions .button").first().click();
  await page.locator("dialog form").waitFor();
  await see("run-again", false);
  await page.keyboard.press("Escape");
  await page.locator("dialog").waitFor({ state: "detached" });
  await page.locator(".back").click();
  await page.getByRole("link", { name: "nasa-13s.mp4" }).click();
  await page.locator(".count").waitFor();
  await page.locator(".frame img").first().waitFor();
  await see("done");
  await page.locator(".frame").first().click();
  await page.locator(".viewer img").waitFor();
  await see("frame", false);
  await page.keyboard.press("Escape");
  await page.locator("dialog").waitFor({ state: "detached" });
  await page.locator("a[href='#/account']").click();
  await page.locator(".rows .row").waitFor();
  await page.locator(".quota").first().waitFor();
  await see("account");
  await page.goto(`${api}/#/videos/018b0000-0000-7000-8000-000000000000`);
  await page.locator(".empty h1").waitFor();
  await see("gone");
}

const flows: Record<string, Flow> = { everything, closedTab, lostNetwork, everyView, webhooks, documentation, plugins, links, endedSession, manyFrames, liveEvents, serviceAway, withoutStreams };
const chosen = flows[flow];
check(chosen, `there is no flow ${flow}`);
await browse((browser) => chosen(browser, where));
