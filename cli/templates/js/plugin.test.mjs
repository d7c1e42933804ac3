// Tests of the plugin: `npm test` runs them.
import assert from "node:assert";
import { test } from "node:test";
import { configure, finish, process } from "./plugin.js";

// Stands for a frame of one shade.
const frame = (shade) => ({ thumbnail: (width, height) => new Uint8Array(width * height).fill(shade) });

test("dark frames are dropped", () => {
  configure('{"darkest": 16}');
  assert.deepStrictEqual(process(frame(15)), { tag: "drop" });
  assert.deepStrictEqual(process(frame(16)), { tag: "keep-with", val: [["brightness", "16"]] });
  assert.strictEqual(finish(), "1 dark frames dropped");
});
