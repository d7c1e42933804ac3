// Runs the tests of `test/` by Node's own runner, with the modules as Vite makes them for the page.
import { readdir } from "node:fs/promises";
import { createServer } from "vite";

const folder = new URL("../test/", import.meta.url);
const server = await createServer({
  root: new URL("..", import.meta.url).pathname,
  server: { middlewareMode: true, ws: false, watch: null },
  appType: "custom",
  logLevel: "error",
  optimizeDeps: { noDiscovery: true },
});
for (const name of (await readdir(folder)).sort()) {
  if (name.endsWith(".test.ts")) await server.ssrLoadModule(`/test/${name}`);
}
await server.close();
