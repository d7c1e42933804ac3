// Generates types (`generated/schema.d.ts`) and the accepted file extensions (`generated/extensions.ts`) from the OpenAPI
// document, which is a snapshot of the edge's tests.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import openapi, { astToString } from "openapi-typescript";

const snapshots = "../../crates/edge/src/openapi/snapshots";
const source =
  process.env.FRAMELIFT_API_DOCUMENT ??
  new URL(`${snapshots}/framelift_edge__openapi__tests__the_document_holds_still.snap`, import.meta.url);
const snapshot = await readFile(source, "utf8");
const document = JSON.parse(snapshot.slice(snapshot.indexOf("\n{")));
const types = astToString(await openapi(document, { alphabetize: true }));
const target = new URL("../generated/schema.d.ts", import.meta.url);
await mkdir(new URL(".", target), { recursive: true });
await writeFile(target, types);

const { pattern } = document.components.schemas.CreateVideoRequest.properties.file_name;
const [, alternatives] = /\\\.\(\?:(.*)\)\$$/.exec(pattern);
const extensions = alternatives.split("|").map((it) => it.replaceAll(/\[(.).\]/g, "$1").toLowerCase());
await writeFile(
  new URL("../generated/extensions.ts", import.meta.url),
  `export const EXTENSIONS: readonly string[] = ${JSON.stringify(extensions)};\n`,
);
