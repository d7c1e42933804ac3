// Fails the build when the page has more script than it may. The documentation of the API is a page of its own.
import { readdir, readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";

const FIRST_VIEW = 80 * 1024;
const ALL = 150 * 1024;

const dist = new URL("../../components/web/dist/", import.meta.url);
const assets = new URL("assets/", dist);
const index = await readFile(new URL("index.html", dist), "utf8");
const sizes = new Map();
for (const name of await readdir(assets)) {
  if (name.endsWith(".js") && !/^(docs|swagger)-/.test(name))
    sizes.set(name, gzipSync(await readFile(new URL(name, assets)), { level: 9 }).length);
}
const sum = (names) => names.reduce((total, name) => total + (sizes.get(name) ?? 0), 0);
const first = sum([...sizes.keys()].filter((name) => index.includes(name)));
const all = sum([...sizes.keys()]);
for (const [name, size] of sizes) console.log(`  ${String(size).padStart(6)}  ${name}`);
console.log(
  `script, gzipped: ${first} bytes for the first view (at most ${FIRST_VIEW}), ${all} in all (${ALL})`,
);
if (first > FIRST_VIEW || all > ALL) {
  console.error("the page has more script than it may");
  process.exit(1);
}
