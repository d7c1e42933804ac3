// What people do with the API's documentation.
import type { Browser } from "playwright-core";
import { check, PASSWORD, visit, type Where } from "./harness.ts";

interface Schema {
  $ref?: string;
  properties?: Record<string, Schema>;
  oneOf?: Schema[];
}

interface Operation {
  operationId: string;
  parameters?: { $ref?: string; name?: string }[];
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<string, unknown>;
}

interface Document {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema>; parameters?: Record<string, { name: string }> };
}

/** The rules of axe that Swagger UI breaks by itself. */
const SWAGGER_UI = ["color-contrast", "heading-order", "nested-interactive", "region"];

/** What each operation must show: its parameters, the fields of its JSON body, and the statuses of its answers. */
function expected({ paths, components }: Document) {
  const fields = ({ $ref, properties }: Schema): string[] => {
    const named = $ref === undefined ? undefined : components.schemas[$ref.split("/").pop() ?? ""];
    return named === undefined ? Object.keys(properties ?? {}) : fields(named);
  };
  const operations = Object.values(paths).flatMap((path) => Object.values(path)).filter((it) => it.operationId);
  return operations.map(({ operationId, parameters = [], requestBody, responses }) => ({
    id: operationId,
    parameters: parameters.map(({ $ref, name }) => name ?? components.parameters?.[$ref?.split("/").pop() ?? ""]?.name ?? ""),
    fields: fields(requestBody?.content["application/json"]?.schema ?? {}),
    statuses: Object.keys(responses),
  }));
}

/** Every operation is there with its fields; one signs in, and another one is tried with that login. */
export async function documentation(browser: Browser, where: Where) {
  const operations = expected((await (await fetch(`${where.api}/openapi.json`)).json()) as Document);
  await visit(browser, where, "docs", {}, async (visitor) => {
    const { page } = visitor;
    const email = await visitor.signUp("Ida");
    await page.goto(`${where.api}/docs`);
    await page.locator(".opblock").nth(operations.length - 1).waitFor();
    check((await page.locator(".opblock").count()) === operations.length, "an operation is not shown");
    await visitor.see("docs", false, SWAGGER_UI);
    const operation = (id: string) => page.locator(`.opblock[id$="-${id}"]`);
    // Opened one after the other: all at once would be slow to draw.
    for (const { id, parameters, fields, statuses } of operations) {
      const block = operation(id);
      await block.locator(".opblock-summary-control").click();
      await block.locator(".responses-wrapper").waitFor();
      const lacks = await block.evaluate(
        (it, names) => {
          const shown = (what: string, name: string) => (it.querySelector(what)?.textContent ?? "").includes(name);
          return [
            ...names.parameters.filter((name) => !shown(".parameters-container", name)),
            ...names.fields.filter((name) => !shown(".opblock-section-request-body", name)),
            ...names.statuses.filter((name) => !shown(".responses-inner", name)),
          ];
        },
        { parameters, fields, statuses },
      );
      check(lacks.length === 0, `${id} is shown without ${lacks}`);
      await block.locator(".opblock-summary-control").click();
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
