// What people do with their account: its webhook, and the links that are mailed to them.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { check, PASSWORD, visit, type Where } from "./harness.ts";

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
    await visitor.see("webhook");
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
    // The page renews its token, which the service refuses.
    await page.clock.setSystemTime(Date.now() + 3_600_000);
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

/** The newest link of that kind in the mails to an address, once there is another one than is known. */
async function mailedLink(where: Where, to: string, kind: "reset" | "verify", known = ""): Promise<string> {
  for (const end = Date.now() + 30_000; Date.now() < end; ) {
    const mails = (await (await fetch(`${where.mail}/api/mails?to=${to}`)).json()) as { text: string }[];
    const links = mails.flatMap(({ text }) => new RegExp(`${where.api}/${kind}#token=\\S+`).exec(text)?.[0] ?? []);
    if (links[0] !== undefined && links[0] !== known) return links[0];
    await new Promise((passed) => setTimeout(passed, 200));
  }
  throw new Error(`no mail to ${to} has a link to ${kind}`);
}

/** A forgotten password is replaced, and an address confirmed, by links of mails; used links say what to do. */
export async function links(browser: Browser, where: Where) {
  await visit(browser, where, "links", {}, async (visitor) => {
    const { page } = visitor;
    const primary = page.locator("form .button.primary");
    const email = await visitor.signUp("Vera");
    const send = async (known = "") => {
      await page.goto(`${where.api}/#/account`);
      await page.getByRole("button", { name: "Send a link" }).click();
      await page.getByText("A link is on its way.").waitFor();
      return mailedLink(where, email, "verify", known);
    };
    const older = await send();
    await page.reload();
    const newer = await send(older);
    await page.goto(older);
    await page.locator(".notice.warn").waitFor();
    await visitor.see("verify-old");
    await page.goto("about:blank");
    await page.goto(newer);
    await page.locator(".notice.good").waitFor();
    await page.locator(".button.primary").click();
    await page.getByRole("button", { name: "Sign out" }).click();

    await page.locator("a[href='#/forgot']").click();
    await page.locator("input[type=email]").fill("ada");
    await primary.click();
    await page.locator(".fault").waitFor();
    await visitor.see("forgot");
    const ask = async (address: string) => {
      await page.locator("input[type=email]").fill(address);
      await primary.click();
      return page.locator(".notice.info").innerText();
    };
    const said = await ask("nobody@example.com");
    await visitor.see("forgot-sent");
    await page.goto(`${where.api}/#/sign-in`);
    await page.goto(`${where.api}/#/forgot`);
    const saidToVera = await ask(email);
    check(saidToVera.replace(email, "") === said.replace("nobody@example.com", ""), `it says who has an account: ${saidToVera}`);

    const link = await mailedLink(where, email, "reset");
    const password = "staple in the correct battery";
    await page.goto(link);
    await page.locator("input[type=password]").fill("short");
    await primary.click();
    await page.locator(".fault").waitFor();
    await visitor.see("reset");
    await page.locator("input[type=password]").fill(password);
    await primary.click();
    await page.locator(".notice.good").waitFor();
    await page.locator(".button.primary").click();
    check(page.url() === `${where.api}/#/sign-in`, `the token stays in the address: ${page.url()}`);
    await visitor.signIn(email, password);
    await page.getByRole("button", { name: "Sign out" }).click();

    await page.goto(link);
    await page.locator("input[type=password]").fill(PASSWORD);
    await primary.click();
    await page.locator(".notice.warn").waitFor();
    await visitor.see("reset-used");
    await page.locator(".button.primary").click();
    check(page.url() === `${where.api}/#/forgot`, page.url());
    await page.goto(`${where.api}/#/sign-in`);
    await visitor.signIn(email, password);
  });
}
