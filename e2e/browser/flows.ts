// What people do on the page, each flow by its name: `node flows.ts FLOW API MAIL MEDIA SCRATCH`.
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { endedSession, links, webhooks } from "./account.ts";
import { documentation } from "./docs.ts";
import { manyFrames } from "./frames.ts";
import { browse, check, type Flow, type Look, PASSWORD, type Visitor, visit, type Where } from "./harness.ts";
import { liveEvents, serviceAway, waiting, withoutStreams } from "./live.ts";
import { plugins } from "./plugins.ts";
import { closedTab, lostNetwork, sharedMachine } from "./uploads.ts";

const [flow = "", api = "", mail = "", media = "", scratch = ""] = process.argv.slice(2);
const where: Where = { api, mail, media, scratch };
const NEW_PASSWORD = "staple in the correct battery";
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
    await visitor.drop(join(media, "nasa-13s.mp4"), join(media, "cars-30s.mp4"));
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
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.getByRole("button", { name: "Copy link" }).click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  const link = await fetch(String(await page.evaluate("navigator.clipboard.readText()")));
  const [saved] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("link", { name: "Download frame" }).click(),
  ]);
  check(saved.suggestedFilename() === "nasa-13s-000003.jpg", saved.suggestedFilename());
  const alone = join(where.scratch, "frame.jpg");
  await saved.saveAs(alone);
  const inArchive = execFileSync("unzip", ["-p", join(where.scratch, "page.zip"), "frames/frame_000003.jpg"]);
  check(inArchive.equals(await readFile(alone)), "the frame is not the one in the archive");
  check(inArchive.equals(Buffer.from(await link.arrayBuffer())), "the copied link leads to something else");
  await page.keyboard.press("Escape");
  await page.locator("dialog").waitFor({ state: "detached" });
}

async function account(visitor: Visitor, email: string) {
  const { page } = visitor;
  const button = (name: string | RegExp) => page.getByRole("button", { name });
  await page.locator(".drop").waitFor();
  await newVersion(visitor);
  await page.getByText(email).waitFor();
  await page.getByLabel("Name").fill("Ada Lovelace");
  await button("Save").click();
  await page.getByText("Saved.").waitFor();
  await sessions(visitor, email);
  // In one moment: what is switched right before signing out is kept.
  await page.getByLabel("When a video is done").evaluate((box) => {
    (box as HTMLInputElement).click();
    document.querySelector<HTMLButtonElement>(".head button.icon-button")?.click();
  });

  await button("Create account").click();
  await page.getByLabel("Name").fill("Somebody else");
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password", { exact: true }).fill(NEW_PASSWORD);
  await page.locator("form .button.primary").click();
  await page.getByText("There is an account with this e-mail address.").waitFor();
  await page.getByRole("button", { name: "Sign in" }).last().click();
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.locator("form .button.primary").click();
  await page.getByText("The e-mail address or the password is wrong.").waitFor();
  check((await page.getByLabel("E-mail address").inputValue()) === email, "what was typed is lost");
  await visitor.signIn(email, NEW_PASSWORD);

  await page.getByRole("link", { name: "Account" }).click();
  check((await page.getByLabel("Name").inputValue()) === "Ada Lovelace", "the name was not kept");
  check(await page.getByLabel("When a video is done").isChecked(), "the notice was not kept");
  await preferences(visitor);
  await button("Delete account").click();
  await page.locator("dialog").getByLabel("Enter your password").fill(NEW_PASSWORD);
  await button("Delete everything").click();
  await page.getByText("Your account is deleted.").waitFor();
  const left = (await page.evaluate("Object.keys(localStorage).join()")) as string;
  check(!/account|options|uploads|token|device/.test(left), `what is left of a deleted account: ${left}`);
}

/** A page that is older than the service says so where a part of it is gone, and offers to be loaded again. */
async function newVersion({ page }: Visitor) {
  const gone = /\/assets\/account-.*\.js$/;
  const root = (url: URL) => url.pathname === "/";
  await page.route(gone, (route) => route.fulfill({ status: 404 }));
  await page.route(root, async (route) => {
    const body = await (await route.fetch()).text();
    await route.fulfill({ contentType: "text/html", body: body.replace(/assets\/index-[^"]+\.js/, "assets/index-newer.js") });
  });
  await page.getByRole("link", { name: "Account" }).click();
  await page.getByText("There is a new version of this page").waitFor();
  await page.unroute(gone);
  await page.unroute(root);
  await page.getByRole("button", { name: "Reload the page" }).click();
}

/** Another session is ended, then the password is changed, which the old one proves. */
async function sessions({ page }: Visitor, email: string) {
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ email, password: PASSWORD });
  const login = await fetch(`${api}/auth/login`, { method: "POST", headers, body });
  const { refresh_token } = (await login.json()) as { refresh_token: string };
  await page.reload();
  await page.getByText("Another session").waitFor();
  await page.getByRole("button", { name: /^End / }).click();
  await page.getByText("Another session").waitFor({ state: "detached" });
  await page.getByText("This session").waitFor();
  const refreshed = await fetch(`${api}/auth/refresh`, { method: "POST", headers, body: JSON.stringify({ refresh_token }) });
  check(refreshed.status === 401, `the ended session goes on: ${refreshed.status}`);

  const change = page.getByRole("button", { name: "Change password" });
  await page.getByLabel("Current password").fill("not the password");
  await page.getByLabel("New password").fill(NEW_PASSWORD);
  await change.click();
  await page.getByText("The e-mail address or the password is wrong.").waitFor();
  check((await page.getByLabel("New password").inputValue()) === NEW_PASSWORD, "what was typed is lost");
  await page.getByLabel("Current password").fill(PASSWORD);
  await change.click();
  await page.getByText("The password is changed.").waitFor();
}

/** The language and the scheme are switched, and stay. */
async function preferences({ page }: Visitor) {
  const ground = () => page.evaluate("getComputedStyle(document.body).backgroundColor");
  const light = await ground();
  await page.getByLabel("Appearance").selectOption("dark");
  check((await ground()) !== light, "the page is not dark");
  await page.getByLabel("Language").selectOption("pt-BR");
  await page.getByRole("heading", { name: "Excluir conta" }).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "Excluir conta" }).waitFor();
  check((await ground()) !== light, "the scheme is forgotten");
  await page.getByLabel("Idioma").selectOption("en");
  await page.getByRole("heading", { name: "Delete account" }).waitFor();
}

/** Every view in both schemes and languages, on a phone and on a desk: axe finds nothing. */
async function everyView(browser: Browser) {
  const look: Look = { scheme: "dark", locale: "pt-BR", phone: true };
  await visit(browser, where, "every-view", look, views);
}

async function views(visitor: Visitor) {
  const { page } = visitor;
  const see = (view: string, fullPage = true) => visitor.see(view, fullPage);
  await page.goto(api);
  check((await page.locator("html").getAttribute("lang")) === "pt-BR", "the browser's language is not chosen");
  await page.locator("form .button.primary").click();
  await page.locator(".fault").first().waitFor();
  await see("sign-in");
  await visitor.signUp("Rosa");
  await page.locator(".empty").waitFor();
  await see("empty");
  await page.locator(".fold > summary").click();
  await page.locator(".more > summary").first().click();
  await see("options");
  // What the service words itself is marked as English where the page is in Portuguese.
  await page.locator(".options select").first().selectOption("at");
  await page.locator(".options textarea").first().fill("1\n99");
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
  await page.getByText("O serviço diz, em inglês:").first().waitFor();
  await page.locator("[lang=en]", { hasText: "beyond the end of the video" }).waitFor();
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

const flows: Record<string, Flow> = {
  everything, closedTab, lostNetwork, sharedMachine, waiting, everyView, webhooks, documentation, plugins, links, endedSession, manyFrames, liveEvents, serviceAway, withoutStreams,
};
const chosen = flows[flow];
check(chosen, `there is no flow ${flow}`);
await browse((browser) => chosen(browser, where));
