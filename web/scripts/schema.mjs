// Writes the types of the API: `generated/schema.d.ts`, from the document that the edge's tests hold still.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import openapi, { astToString } from "openapi-typescript";

const snapshots = "../../crates/edge/src/openapi/snapshots";
const source = new URL(
  `${snapshots}/framelift_edge__openapi__tests__the_document_holds_still.snap`,
  import.meta.url,
);
const snapshot = await readFile(source, "utf8");
const document = JSON.parse(snapshot.slice(snapshot.indexOf("\n{")));
const types = astToString(await openapi(document, { alphabetize: true }));
const target = new URL("../generated/schema.d.ts", import.meta.url);
await mkdir(new URL(".", target), { recursive: true });
await writeFile(target, types);
