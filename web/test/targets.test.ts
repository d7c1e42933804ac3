// The sources use nothing that the oldest browsers of `vite.config.ts` lack and that TypeScript does not refuse.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";

test("no regular expression looks behind: Safari has that since 16.4", async () => {
  const files = (await readdir("src", { recursive: true })).filter((name) => /\.tsx?$/.test(name));
  assert.ok(files.length > 30, files.join(" "));
  for (const file of files) assert.doesNotMatch(await readFile(`src/${file}`, "utf8"), /\(\?<[=!]/, file);
});
