// What people do with plugins: upload, read why one is refused, choose and configure, try, run, delete.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { check, type Visitor, visit, type Where } from "./harness.ts";

/** A component that is one: the service's own dedupe, under another name. */
async function component(where: Where) {
  const buffer = await readFile(join(where.media, "../../plugins/built/dedupe.wasm"));
  return { name: "My Plugin.wasm", mimeType: "application/wasm", buffer };
}

/** A component that exports nothing. */
const EMPTY = {
  name: "broken.wasm",
  mimeType: "application/wasm",
  buffer: Buffer.from([0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00]),
};

async function upload({ page }: Visitor, file: { name: string; mimeType: string; buffer: Buffer }) {
  await page.locator("a[href='#/plugins']").click();
  await page.locator(".picked input[type=file]").setInputFiles(file);
  await page.locator(".card form .button.primary").click();
}

/** Adds a plugin to the chain of the form that is shown. */
async function choose({ page }: Visitor, name: string) {
  await page.locator(".chain > .field select").selectOption(name);
  await page.locator(".step .row-name", { hasText: name }).waitFor();
}

export async function plugins(browser: Browser, where: Where) {
  await visit(browser, where, "plugins", {}, async (visitor) => {
    const { page } = visitor;
    const button = (name: string | RegExp) => page.getByRole("button", { name });
    const state = (name: string, state: string) => page.locator(`[data-plugin=${name}][data-state=${state}]`);
    await visitor.signUp("Margaret");
    await upload(visitor, { ...EMPTY, buffer: Buffer.from("Dear Ada") });
    await page.getByText("is no WebAssembly component").waitFor();
    await upload(visitor, EMPTY);
    await state("broken", "rejected").locator(".why").waitFor();
    await upload(visitor, await component(where));
    await state("my-plugin", "ready").waitFor();

    // Chosen before a video is sent: what is wrong with a configuration is said where it is.
    await page.locator("a[href='#/']").first().click();
    await page.locator(".fold > summary").click();
    await page.getByText("Plugins", { exact: true }).last().click();
    await choose(visitor, "watermark");
    await page.getByLabel("Text", { exact: true }).fill("draft");
    await page.getByLabel("Opacity").fill("2");
    await page.getByText("At most 1.").waitFor();
    await page.getByLabel("Opacity").fill("1");
    await choose(visitor, "my-plugin");
    await page.getByLabel("Distance").fill("0");
    await button("Move up my-plugin").click();
    check((await page.locator(".step .row-name").allInnerTexts()).join() === "1. my-plugin,2. watermark", "the order");
    await visitor.add(join(where.media, "nasa-13s.mp4"));
    await visitor.until("nasa-13s.mp4", "completed");
    await visitor.row("nasa-13s.mp4").getByText("my-plugin → watermark").waitFor();

    // Tried on one frame, then run again; what the service does not take is said at its field.
    await page.getByRole("link", { name: "nasa-13s.mp4" }).click();
    await button("Run again").click();
    const dialog = page.locator("dialog");
    await dialog.getByRole("button", { name: "Remove my-plugin" }).click();
    await dialog.getByRole("button", { name: "Try on one frame" }).click();
    await dialog.locator(".try-out img").waitFor();
    await visitor.picture("plugins-tried", false);
    await choose(visitor, "redact");
    await dialog.getByLabel("Width").last().fill("99999");
    await dialog.getByText("At most 65535.").waitFor();
    await dialog.getByLabel("Width").last().fill("100");
    await dialog.getByLabel("Height").last().fill("100");
    // The service is asked, and says no: as one would that knows more of the configuration than its schema says.
    await page.route("**/runs", (route) => route.fulfill({
      status: 422,
      contentType: "application/problem+json",
      body: JSON.stringify({
        type: "urn:framelift:problem:validation-failed", title: "", status: 422, detail: "", code: "validation-failed", correlation_id: "c",
        errors: [{ pointer: "/options/plugins/1/config/areas/0/width", detail: "is wider than the video" }],
      }),
    }));
    await dialog.getByRole("button", { name: "Start" }).click();
    const width = dialog.locator(".entry .field", { hasText: "Width" });
    await width.getByText("is wider than the video").waitFor();
    await page.unroute("**/runs");
    await dialog.getByLabel("Width").last().fill("50");
    await dialog.getByText("is wider than the video").waitFor({ state: "detached" });
    await dialog.getByRole("button", { name: "Start" }).click();
    await page.getByText("watermark → redact").waitFor();
    await page.locator(".frame img").first().waitFor();

    await page.locator("a[href='#/plugins']").click();
    await button("Delete my-plugin").click();
    await page.locator("dialog").getByRole("button", { name: "Delete" }).click();
    await state("my-plugin", "ready").waitFor({ state: "detached" });
    await page.locator("a[href='#/']").first().click();
    check((await page.locator(".row", { hasText: "nasa-13s.mp4" }).count()) === 2, "the trial is still listed");
  });
  await visit(browser, where, "plugin-views", {}, (visitor) => views(visitor, where));
}

async function views(visitor: Visitor, where: Where) {
  const { page } = visitor;
  await visitor.signUp("Margaret");
  await upload(visitor, EMPTY);
  await page.locator("[data-state=rejected] .why").waitFor();
  await page.locator(".picked input[type=file]").setInputFiles(await component(where));
  await visitor.see("plugins");
  await page.locator("[data-plugin=broken] .button").click();
  await page.locator("dialog form").waitFor();
  await visitor.see("plugins-delete", false);
  await page.keyboard.press("Escape");
  await page.locator("a[href='#/']").first().click();
  await page.locator(".fold > summary").click();
  await page.locator(".more > summary").last().click();
  await choose(visitor, "watermark");
  await choose(visitor, "redact");
  await page.locator(".step").last().locator("input").first().fill("12.5");
  await visitor.see("plugin-chain");
}
