// What people do with the frames of a result that has very many.
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { check, LOOKS, visit, type Where } from "./harness.ts";

const COUNT = 10_000;
/** A picture, for all of them. */
const PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" width="160" height="90"><rect width="160" height="90" fill="teal"/></svg>';

/** Lets the video of the page have as many frames, in the words of the service. */
async function multiply(page: Page, asked: { pages: string[]; pictures: Set<string> }) {
  await page.route(/\/videos(\/[0-9a-f-]+)?(\?.*)?$/, async (route) => {
    if (route.request().method() !== "GET") return route.fallback();
    const answer = await route.fetch();
    if (answer.status() !== 200) return route.fulfill({ response: answer });
    const body = await answer.json();
    for (const video of body.items ?? [body]) if (video.result) video.result.frames = COUNT;
    return route.fulfill({ response: answer, json: body });
  });
  await page.route(/\/videos\/[^/]+\/frames\?/, async (route) => {
    const { searchParams } = new URL(route.request().url());
    asked.pages.push(String(searchParams));
    const first = Number(searchParams.get("from"));
    const end = Math.min(COUNT, first + Number(searchParams.get("limit")) - 1);
    const items = Array.from({ length: end - first + 1 }, (_, index) => {
      const n = first + index;
      return { n, time: `${n / 25}`, time_seconds: n / 25, width: 160, height: 90, bytes: 99, keyframe: false, url: `/f/v.${n}.9.one` };
    });
    const expires_at = new Date(Date.now() + 3_600_000).toISOString();
    await route.fulfill({ json: { items, next_cursor: null, url_template: "/f/v.{n}.9.all.sum", expires_at } });
  });
  await page.route("**/f/v.*", async (route) => {
    const number = /\/f\/v\.(\d+)\./.exec(route.request().url())?.[1] ?? "";
    asked.pictures.add(number);
    await route.fulfill({ contentType: "image/svg+xml", body: PICTURE });
  });
}

/** The grid scrolls through ten thousand frames and fetches those that are looked at; one is shown large. */
export async function manyFrames(browser: Browser, where: Where) {
  for (const look of LOOKS) {
    await visit(browser, where, "frames", look, async (visitor) => {
      const { page } = visitor;
      const asked = { pages: [] as string[], pictures: new Set<string>() };
      await visitor.signUp("Joan");
      await visitor.add(join(where.media, "nasa-13s.mp4"));
      await visitor.until("nasa-13s.mp4", "completed");
      await multiply(page, asked);
      await page.locator(".row-name a").click();
      await page.reload();
      const grid = page.locator(".frames");
      await grid.locator("img").first().waitFor();
      // What flies by is not fetched: the end is there after a few calls.
      await grid.evaluate((element) => element.scrollTo(0, element.scrollHeight));
      await grid.getByAltText(/10[.,]000/).waitFor();
      check(asked.pages.length <= 4, `asked for ${asked.pages.length} pages: ${asked.pages}`);
      check(asked.pictures.size < 200, `fetched ${asked.pictures.size} pictures`);
      await grid.getByAltText(/10[.,]000.*400 s/).waitFor();
      await visitor.see("frames", look);

      await grid.evaluate((element) => element.scrollTo(0, element.scrollHeight));
      await grid.getByRole("button", { name: /10[.,]000/ }).click();
      const heading = page.locator("dialog h2");
      await heading.filter({ hasText: /10[.,]000/ }).waitFor();
      await page.keyboard.press("ArrowRight");
      await page.keyboard.press("ArrowLeft");
      await heading.filter({ hasText: /9[.,]999, 399[.,]96 s/ }).waitFor();
      await page.keyboard.press("Home");
      await heading.filter({ hasText: /\b1, 0[.,]04 s/ }).waitFor();
      await page.locator("dialog .viewer img").waitFor();
      await visitor.see("frame-of-many", look, false);
      const [saved] = await Promise.all([page.waitForEvent("download"), page.locator("dialog a.button").click()]);
      check(saved.suggestedFilename() === "nasa-13s-000001.jpg", saved.suggestedFilename());
    });
  }
}
