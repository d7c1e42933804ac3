// The forms of configurations fit the schemas of the built-in plugins.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { faultsOf, fieldsOf, initial, kindOf, type Schema, understood } from "../src/schema";

const folder = "../crates/contract/src/plugin/builtin";
const schemas = new Map<string, Schema>();
// The component that each of them is.
const COMPONENTS = "components.json";
for (const file of (await readdir(folder)).filter((name) => name !== COMPONENTS)) {
  const { name, config_schema } = JSON.parse(await readFile(`${folder}/${file}`, "utf8"));
  schemas.set(name, config_schema);
}
const schema = (name: string): Schema => schemas.get(name) ?? assert.fail(`no plugin ${name}`);
const faults = (name: string, value: unknown) => Object.fromEntries(faultsOf(schema(name), value));

test("every field of the plugins that come with the service has a form", () => {
  function visit(at: string, it: Schema) {
    assert.notEqual(kindOf(it), "json", at);
    for (const [name, field] of Object.entries(it.properties ?? {})) visit(`${at}/${name}`, field);
    if (kindOf(it) === "list") visit(`${at}/items`, it.items ?? {});
  }
  assert.ok(schemas.size >= 5);
  for (const [name, it] of schemas) visit(name, it);
});

test("a new configuration has the required fields and no others", () => {
  assert.deepEqual(initial(schema("dedupe")), {});
  assert.deepEqual(initial(schema("redact")), { areas: [{ x: 0, y: 0, width: 1, height: 1 }] });
  assert.deepEqual(initial(schema("watermark")), {});
});

test("required fields come first", () => {
  const names = (it: Schema | undefined) => fieldsOf(it ?? {}).map(([name]) => name);
  assert.deepEqual(names(schema("watermark")).slice(0, 2), ["text", "png"]);
  const areas = schema("redact").properties?.areas;
  assert.deepEqual(names(areas?.items).slice(0, 4), ["x", "y", "width", "height"]);
});

test("faults have the pointers that the service gives them", () => {
  assert.deepEqual(faults("dedupe", { distance: 65 }), { "/distance": { what: "most", than: 64 } });
  assert.deepEqual(faults("dedupe", { distance: "six" }), { "/distance": { what: "type" } });
  assert.deepEqual(faults("dedupe", { distance: 1.5 }), { "/distance": { what: "type" } });
  assert.deepEqual(faults("redact", { areas: [] }), { "/areas": { what: "shortest", than: 1 } });
  assert.deepEqual(faults("redact", {}), { "/areas": { what: "missing" } });
  const area = { x: 0, y: 0, width: 0, height: 1, mode: "smear" };
  assert.deepEqual(faults("redact", { areas: [area] }), {
    "/areas/0/width": { what: "least", than: 1 },
    "/areas/0/mode": { what: "choice", words: "blur, fill" },
  });
  assert.deepEqual(faults("watermark", {}), { "": { what: "one_of", words: "text, png" } });
  assert.deepEqual(faults("watermark", { text: "draft", color: [0, 0, 255] }), {});
});

test("a schema that is none is shown as far as it is understood", () => {
  const all = [...schemas.values()];
  for (const it of all) assert.deepEqual(understood({ ...it, $schema: "x" }), understood(it));
  for (const name of ["redact", "watermark"]) {
    assert.deepEqual(initial(understood(schema(name))), initial(schema(name)));
  }
  const odd = {
    properties: { a: { description: 5 }, b: null, c: { enum: [] }, d: { enum: "x" } },
    required: 5,
    oneOf: {},
  };
  const read = understood(odd);
  assert.deepEqual(read, { properties: { a: {}, b: {}, c: {}, d: {} } });
  assert.deepEqual(fieldsOf(read).length, 4);
  assert.deepEqual(faultsOf({ ...read, type: "object" }, {}).size, 0);
  const long = understood({ type: "array", minItems: 4e9, items: { type: "string" } });
  assert.equal((initial(long) as unknown[]).length, 100);
  let deep: unknown = { type: "string" };
  for (let n = 0; n < 500; n += 1) deep = { type: "object", properties: { a: deep }, required: ["a"] };
  initial(understood(deep));
  for (const it of [undefined, null, 5, "x", []]) assert.deepEqual(understood(it), {});
});

test("values that no form shows are entered as JSON", () => {
  for (const it of [{}, { type: "object" }, { type: "array", items: { type: "string" } }, { enum: [1, 2] }]) {
    assert.equal(kindOf(it), "json", JSON.stringify(it));
  }
});
