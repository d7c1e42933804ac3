// What people do with the API's documentation.
import type { Browser } from "playwright-core";
import { check, LOOKS, nameOf, PASSWORD, visit, type Where } from "./harness.ts";

/** Every operation is there; one signs in, and another one is tried with that login. */
export async function documentation(browser: Browser, where: Where) {
  const answer = await fetch(`${where.api}/openapi.json`);
  const document = (await answer.json()) as { paths: Record<string, Record<string, { operationId?: string }>> };
  const operations = Object.values(document.paths).flatMap((path) => Object.values(path)).filter((it) => it.operationId);
  for (const look of LOOKS) {
    await visit(browser, where, "docs", look, async (visitor) => {
      const { page } = visitor;
      await page.goto(`${where.api}/docs`);
      await page.locator(".opblock").nth(operations.length - 1).waitFor();
      check((await page.locator(".opblock").count()) === operations.length, "an operation is not shown");
      await visitor.picture(`docs-${nameOf(look)}`, false);
      const wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth";
      check(!(await page.evaluate(wide)), "wider than the screen");
    });
  }
  await visit(browser, where, "docs-try", {}, async (visitor) => {
    const { page } = visitor;
    const email = await visitor.signUp("Ida");
    await page.goto(`${where.api}/docs`);
    const operation = (id: string) => page.locator(`.opblock[id$="-${id}"]`);
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
