// What people do with the API's documentation.
import type { Browser } from "playwright-core";
import { check, PASSWORD, visit, type Where } from "./harness.ts";

interface Document {
  paths: Record<string, Record<string, { operationId?: string; summary?: string }>>;
}

/** The operations of the document, as their lines in the documentation read. */
const lines = ({ paths }: Document) =>
  Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations)
      .filter(([, { operationId }]) => operationId)
      .map(([method, { summary = "" }]) => [method.toUpperCase(), path, summary]),
  );

/** The rules of axe that Swagger UI breaks by itself. */
const SWAGGER_UI = ["color-contrast", "heading-order", "nested-interactive", "region"];

/** Every operation is listed; one signs in, and another one is tried with that login. */
export async function documentation(browser: Browser, where: Where) {
  const operations = lines((await (await fetch(`${where.api}/openapi.json`)).json()) as Document);
  await visit(browser, where, "docs", {}, async (visitor) => {
    const { page } = visitor;
    const email = await visitor.signUp("Ida");
    await page.goto(`${where.api}/docs`);
    await page.locator(".opblock").nth(operations.length - 1).waitFor();
    check((await page.locator(".opblock").count()) === operations.length, "an operation is not shown");
    await visitor.see("docs", false, SWAGGER_UI);
    const operation = (id: string) => page.locator(`.opblock[id$="-${id}"]`);
    // Paths are broken by zero-width spaces.
    const shown = (await page.locator(".opblock-summary").allTextContents()).map((it) => it.replaceAll("\u200b", ""));
    for (const line of operations) {
      check(shown.some((it) => line.every((word) => it.includes(word))), `${line.join(" ")} is not shown`);
    }
    const run = async (id: string, body?: object) => {
      await operation(id).locator(".opblock-summary-control").click();
      await operation(id).getByRole("button", { name: "Try it out" }).click();
      if (body !== undefined) await operation(id).locator("textarea").first().fill(JSON.stringify(body));
      await operation(id).getByRole("button", { name: "Execute" }).click();
      return operation(id).locator(".live-responses-table .response");
    };
    const login = await run("login", { email, password: PASSWORD });
    await login.getByText("access_token").first().waitFor();
    const account = await run("getAccount");
    await account.getByText(email).first().waitFor();
    await visitor.picture("docs-try", false);
  });
}
