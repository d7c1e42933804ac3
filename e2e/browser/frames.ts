// What people do with the frames of a result that has very many.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { check, visit, type Where } from "./harness.ts";

/** A video of 10,000 small frames. */
function manyFramesVideo(where: Where): string {
  const path = join(where.scratch, "many.mp4");
  const input = ["-f", "lavfi", "-i", "testsrc2=size=64x36:rate=250:duration=40"];
  const output = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-y", path];
  execFileSync("ffmpeg", ["-v", "error", ...input, ...output]);
  return path;
}

/** The requests for records and pictures of frames, from now on. */
function requests(page: Page) {
  const asked = { pages: [] as string[], pictures: new Set<string>() };
  page.on("request", (request) => {
    const { pathname, search } = new URL(request.url());
    if (/^\/videos\/[^/]+\/frames$/.test(pathname)) asked.pages.push(search);
    if (pathname.startsWith("/f/")) asked.pictures.add(pathname);
  });
  return asked;
}

/** The index of the frame that has the focus. */
const focused = (page: Page) => page.evaluate("document.activeElement?.dataset.n");

async function press(page: Page, key: string, to: number) {
  await page.keyboard.press(key);
  await page.locator(`[data-n="${to}"]:focus`).waitFor();
}

/** The grid scrolls through ten thousand frames and fetches those that are looked at; one is shown large. */
export async function manyFrames(browser: Browser, where: Where) {
  await visit(browser, where, "frames", {}, async (visitor) => {
    const { page } = visitor;
    // As over plain HTTP.
    await page.addInitScript("Object.defineProperty(navigator, 'clipboard', { value: undefined })");
    await visitor.signUp("Joan");
    await page.locator(".fold > summary").click();
    await page.getByLabel("Which frames").selectOption("all");
    await visitor.add(manyFramesVideo(where));
    await visitor.until("many.mp4", "completed");
    await page.locator(".row-name a").click();
    await page.getByText("10,000 frames", { exact: true }).waitFor();
    const asked = requests(page);
    await page.reload();
    const grid = page.locator(".frames");
    await grid.locator("img").first().waitFor();
    // What is scrolled past is not fetched: the end is there after a few calls.
    await grid.evaluate((element) => element.scrollTo(0, element.scrollHeight));
    await grid.getByAltText("Frame 10,000, 39.996 s").waitFor();
    check(asked.pages.length <= 4, `asked for ${asked.pages.length} pages: ${asked.pages}`);
    check(asked.pictures.size < 200, `fetched ${asked.pictures.size} pictures`);
    await visitor.see("frames");
    await byKeyboard(page);
    await large(page);
    await visitor.see("frame-of-many", false);
    await noClipboard(page);
    const [saved] = await Promise.all([page.waitForEvent("download"), page.locator("dialog a.button").click()]);
    check(saved.suggestedFilename() === "many-000001.jpg", saved.suggestedFilename());
  });
}

/** The grid is one stop of the Tab key; in it, keys move the focus, which stays while the grid is scrolled. */
async function byKeyboard(page: Page) {
  const grid = page.locator(".frames");
  check((await grid.locator("[tabindex='0']").count()) === 1, "the grid is more than one stop of the Tab key");
  const rowOf = async (n: number) => (await grid.locator(`[data-n="${n}"]`).boundingBox())?.y;
  await grid.evaluate((element) => element.scrollTo(0, 0));
  await grid.locator("[data-n='0']").focus();
  await press(page, "ArrowRight", 1);
  let columns = 1;
  for (const top = await rowOf(0); (await rowOf(columns)) === top; ) columns += 1;
  await press(page, "ArrowDown", 1 + columns);
  await press(page, "ArrowLeft", columns);
  await press(page, "ArrowUp", 0);
  await press(page, "End", 9_999);
  const last = grid.locator("li", { has: page.locator("[data-n='9999']") });
  check((await last.getAttribute("aria-posinset")) === "10000", "the position is not told");
  check((await last.getAttribute("aria-setsize")) === "10000", "the size is not told");
  check(await last.evaluate((it) => {
    const [own, box] = [it.getBoundingClientRect(), it.closest(".frames")?.getBoundingClientRect()];
    return box !== undefined && own.top >= box.top - 1 && own.bottom <= box.bottom + 1;
  }), "the focused frame is not in sight");
  // Scrolled by the wheel: the frame with the focus is far out of sight.
  await grid.evaluate((element) => element.scrollTo(0, 0));
  await grid.locator("[data-n='0']").waitFor();
  check((await focused(page)) === "9999", `the focus is at ${await focused(page)}`);
  await press(page, "PageUp", 9_999 - columns * Math.floor(480 / ((await last.boundingBox())?.height ?? 1)));
  await press(page, "End", 9_999);
}

/** One frame large: each step is announced and shown without a gap; the focus comes back to the last one. */
async function large(page: Page) {
  const heading = page.locator("dialog h2");
  const announced = page.locator("dialog [aria-live=polite]");
  await page.keyboard.press("Enter");
  await heading.filter({ hasText: "Frame 10,000, 39.996 s" }).waitFor();
  await page.locator("dialog .viewer img").waitFor();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowLeft");
  await announced.filter({ hasText: "Frame 9,999, 39.992 s" }).waitFor();
  await page.locator("dialog .viewer img").waitFor();
  await page.evaluate(`
    gaps = 0;
    new MutationObserver(() => {
      if (document.querySelector("dialog .viewer") && !document.querySelector("dialog .viewer img")) gaps += 1;
    }).observe(document.querySelector("dialog"), { childList: true, subtree: true });
  `);
  for (let n = 9_998; n > 9_990; n -= 1) {
    await page.keyboard.press("ArrowLeft");
    await heading.filter({ hasText: `Frame ${n.toLocaleString("en")},` }).waitFor();
  }
  check((await page.evaluate("gaps")) === 0, `${await page.evaluate("gaps")} steps showed nothing for a while`);
  await page.keyboard.press("Escape");
  await page.locator("[data-n='9990']:focus").waitFor();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Home");
  await heading.filter({ hasText: "Frame 1, 0 s" }).waitFor();
}

/** Where the page may not copy, the link is there to be copied by hand. */
async function noClipboard(page: Page) {
  await page.getByRole("button", { name: "Copy link" }).click();
  const link = page.getByLabel("Link to this frame");
  await page.getByText("The browser does not let the page copy.").waitFor();
  const selected = await link.evaluate((it) => {
    const { value, selectionStart, selectionEnd } = it as HTMLInputElement;
    return value.slice(selectionStart ?? 0, selectionEnd ?? 0);
  });
  check((await fetch(selected)).headers.get("content-type") === "image/jpeg", `the link is ${selected}`);
}
