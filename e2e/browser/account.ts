// What people do with their account: its webhook, and the links that are mailed to them.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { check, LOOKS, PASSWORD, visit, type Where } from "./harness.ts";

/** A receiver of events that takes them or not. */
async function receiver() {
  const received: { id: string; body: { type: string } }[] = [];
  const state = { status: 204, received, url: "", close: () => {} };
  const server = createServer((request, answer) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const body = JSON.parse(Buffer.concat(chunks).toString());
      received.push({ id: String(request.headers["webhook-id"]), body });
      answer.writeHead(state.status).end();
    });
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  state.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/framelift`;
  state.close = () => void server.close();
  return state;
}

/** A webhook is set, tried, refused, sent again, given a new secret and removed. */
export async function webhooks(browser: Browser, where: Where) {
  const target = await receiver();
  await visit(browser, where, "webhooks", {}, async (visitor) => {
    const { page } = visitor;
    const button = (name: string | RegExp) => page.getByRole("button", { name });
    await visitor.signUp("Hedy");
    await page.getByRole("link", { name: "Account" }).click();
    await page.getByLabel("Address").fill("hooks.example.com");
    await button("Add webhook").click();
    await page.getByText("Enter an address such as").waitFor();
    await page.getByLabel("Address").fill(target.url);
    await button("Add webhook").click();
    const secret = await page.getByLabel("Signing secret").inputValue();
    check(/^whsec_[A-Za-z0-9+/=]{32,}$/.test(secret), "the secret is not shown");

    await button("Send a test").click();
    const delivery = (status: string) => page.locator(`[data-delivery=${status}]`);
    await delivery("delivered").waitFor();
    check(target.received[0]?.body.type === "webhook.test", JSON.stringify(target.received));
    target.status = 500;
    await button(/^Send again/).click();
    await delivery("pending").waitFor();
    await page.locator(".tries > summary").first().click();
    await page.getByText(/500/).first().waitFor();
    target.status = 200;
    await delivery("delivered").waitFor();
    check(new Set(target.received.map(({ id }) => id)).size === 1, "it was sent again with another id");

    await button("New secret").click();
    await page.locator("dialog").getByRole("button", { name: "New secret" }).click();
    await page.getByText("The one before signs until").waitFor();
    check((await page.getByLabel("Signing secret").inputValue()) !== secret, "the secret is the same");
    await button("Remove").click();
    await page.locator("dialog").getByRole("button", { name: "Remove" }).click();
    await button("Add webhook").waitFor();
    // Kept, although there is nothing to send to any more.
    await delivery("delivered").waitFor();
    check((await button(/^Send again/).count()) === 0, "it can still be sent");
    await page.reload();
    await delivery("delivered").waitFor();
    check((await page.getByLabel("Signing secret").count()) === 0, "the secret is shown again");
  });
  for (const look of LOOKS) {
    await visit(browser, where, "webhook", look, async (visitor) => {
      target.status = 503;
      await visitor.signUp("Hedy");
      await visitor.page.locator("a[href='#/account']").click();
      await visitor.page.locator("input[type=url]").fill(target.url);
      await visitor.page.locator("form:has(input[type=url]) .button").click();
      await visitor.page.locator(".copyable").waitFor();
      await visitor.page.locator(".card:has(input[type=url]) .actions .button").first().click();
      await visitor.page.locator(".tries > summary").click();
      await visitor.page.locator(".tries li").first().waitFor();
      await visitor.see("webhook", look);
    });
  }
  target.close();
}

/** The session ends while somebody types: the page says so, and after signing in what was typed is still there. */
export async function endedSession(browser: Browser, where: Where) {
  await visit(browser, where, "ended-session", {}, async (visitor) => {
    const { page } = visitor;
    const email = await visitor.signUp("Emmy");
    await visitor.add(join(where.media, "nasa-13s.mp4"));
    await visitor.until("nasa-13s.mp4", "completed");
    await page.getByRole("link", { name: "nasa-13s.mp4" }).click();
    await page.getByRole("button", { name: "Run again" }).click();
    const dialog = page.locator("dialog");
    await dialog.getByLabel("Which frames").selectOption("count");
    await dialog.getByLabel("Frames", { exact: true }).fill("4");
    await endSessions(where.api, email);
    const over = { type: "", title: "", status: 401, detail: "", code: "unauthenticated", correlation_id: "c" };
    const refusal = { status: 401, contentType: "application/problem+json", body: JSON.stringify(over) };
    await page.route("**/runs", (route) => route.fulfill(refusal), { times: 1 });
    await dialog.getByRole("button", { name: "Start" }).click();
    await page.getByText("You were signed out").waitFor();
    await visitor.mustBeAccessible("ended-session");
    check((await page.getByLabel("E-mail address").inputValue()) === email, "the address is to be typed again");
    await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await page.getByRole("button", { name: "Sign in" }).click();
    await dialog.waitFor();
    check((await dialog.getByLabel("Frames", { exact: true }).inputValue()) === "4", "what was typed is lost");
    await dialog.getByRole("button", { name: "Start" }).click();
    await page.getByText("4 frames", { exact: true }).first().waitFor();
  });
}

/** Ends all sessions of an account but the one that does it. */
async function endSessions(api: string, email: string) {
  const headers: Record<string, string> = { "content-type": "application/json" };
  const body = JSON.stringify({ email, password: PASSWORD });
  const login = await (await fetch(`${api}/auth/login`, { method: "POST", headers, body })).json();
  headers.authorization = `Bearer ${login.access_token}`;
  const { items } = await (await fetch(`${api}/auth/me/sessions`, { headers })).json();
  for (const { id, current } of items) {
    if (!current) await fetch(`${api}/auth/me/sessions/${id}`, { method: "DELETE", headers });
  }
}

/** What the service answers to calls about links: which are good is the service's to know. */
async function answerLinks(page: Page, asked: { path: string; body: Record<string, string> }[]) {
  const gone = { type: "urn:framelift:problem:invalid-token", title: "", status: 401, detail: "", code: "invalid-token", correlation_id: "c" };
  await page.route(/\/auth\/(password\/reset|password\/reset-request|verify)$/, async (route) => {
    const request = route.request();
    const body = request.postDataJSON();
    asked.push({ path: new URL(request.url()).pathname, body });
    if (body.token === "old") {
      await route.fulfill({ status: 401, contentType: "application/problem+json", body: JSON.stringify(gone) });
    } else {
      await route.fulfill({ status: body.email === undefined ? 204 : 202 });
    }
  });
}

/** A forgotten password is replaced, and an address confirmed, by links; old links say what to do. */
export async function links(browser: Browser, where: Where) {
  for (const look of LOOKS) {
    await visit(browser, where, "links", look, async (visitor) => {
      const { page } = visitor;
      const asked: { path: string; body: Record<string, string> }[] = [];
      await answerLinks(page, asked);
      await page.goto(where.api);
      await page.locator("a[href='#/forgot']").click();
      await page.locator("input[type=email]").fill("ada");
      await page.locator("form .button.primary").click();
      await page.locator(".fault").waitFor();
      await page.locator("input[type=email]").fill("ada@example.com");
      await visitor.see("forgot", look);
      await page.locator("form .button.primary").click();
      await page.locator(".notice.info").waitFor();
      check(asked.at(-1)?.body.email === "ada@example.com", JSON.stringify(asked));
      await visitor.see("forgot-sent", look);

      await page.goto(`${where.api}/reset#token=old`);
      await page.locator("input[type=password]").fill("short");
      await page.locator("form .button.primary").click();
      await page.locator(".fault").waitFor();
      await page.locator("input[type=password]").fill("staple in the correct battery");
      await visitor.see("reset", look);
      await page.locator("form .button.primary").click();
      await page.locator(".notice.warn").waitFor();
      await visitor.see("reset-old", look);
      await page.locator(".button.primary").click();
      check(page.url() === `${where.api}/#/forgot`, page.url());
      await page.goto(`${where.api}/reset#token=good`);
      await page.locator("input[type=password]").fill("staple in the correct battery");
      await page.locator("form .button.primary").click();
      await page.locator(".notice.good").waitFor();
      const sent = asked.at(-1);
      check(sent?.path === "/auth/password/reset" && sent.body.token === "good", JSON.stringify(sent));
      await page.locator(".button.primary").click();
      check(page.url() === `${where.api}/#/sign-in`, `the token stays in the address: ${page.url()}`);

      await page.goto(`${where.api}/verify#token=old`);
      await page.locator(".notice.warn").waitFor();
      await page.goto(`${where.api}/verify?again#token=good`);
      await page.locator(".notice.good").waitFor();
      await visitor.see("verify", look);
    });
  }
}
