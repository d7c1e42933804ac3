// Every status, event, problem and failure of the API's document has a text in each language.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { en } from "../src/locales/en";
import { ptBR } from "../src/locales/pt-BR";

const snapshot =
  "../crates/edge/src/openapi/snapshots/framelift_edge__openapi__tests__the_document_holds_still.snap";
const file = await readFile(snapshot, "utf8");
const document = JSON.parse(file.slice(file.indexOf("\n{")));

/** The codes of the problems that the page may receive. */
function problems(): Set<string> {
  const codes = new Set<string>();
  for (const [path, operations] of Object.entries<Record<string, { responses?: object }>>(document.paths)) {
    if (path.startsWith("/internal/") || path === "/notification") continue;
    for (const { responses = {} } of Object.values(operations)) {
      for (const { $ref } of Object.values<{ $ref?: string }>(responses as never)) {
        for (const code of $ref?.split("/").pop()?.split(".") ?? []) codes.add(code);
      }
    }
  }
  return codes;
}

const schema = (name: string): { enum: string[] } => document.components.schemas[name];

test("each problem, status and event has a text in both languages", () => {
  const codes = problems();
  assert.ok(
    codes.has("rate-limited") && codes.has("plugin-not-found") && codes.size > 25,
    [...codes].join(" "),
  );
  const keys = [
    ...[...codes].map((code) => `problem_${code}`),
    ...schema("Status").enum.map((status) => `status_${status}`),
    ...schema("EventType").enum.map((event) => `event_${event}`),
    ...schema("DeliveryStatus").enum.map((status) => `delivery_${status}`),
    ...schema("PluginState").enum.map((state) => `plugin_${state}`),
  ];
  for (const [language, texts] of Object.entries({ en, ptBR })) {
    const missing = keys.filter((key) => !(key in texts));
    assert.deepEqual(missing, [], `${language} has no text for them`);
  }
});

test("each reason for a failed video says what happened and what to do", () => {
  const { description } = document.components.schemas.Failure.properties.code;
  const codes = [...description.matchAll(/`([a-z-]+)`/g)].map(([, code]) => code);
  assert.ok(codes.length >= 11, description);
  for (const code of codes) {
    for (const texts of [en, ptBR]) assert.ok(`fail_${code}` in texts && `fail_${code}_do` in texts, code);
  }
});

test("each language uses what its texts are given", () => {
  for (const [key, text] of Object.entries(en)) {
    if (typeof text !== "function") continue;
    const given = Array.from({ length: text.length }, (_, n) => `<${n}>`) as never[];
    const translated =
      (ptBR as unknown as Record<string, (...values: never[]) => string>)[key]?.(...given) ?? "";
    for (const value of given) {
      const used = (text as (...values: never[]) => string)(...given).includes(value);
      assert.equal(translated.includes(value), used, `${key}: ${translated}`);
    }
  }
});
