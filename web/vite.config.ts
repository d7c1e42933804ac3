// How the pages are built into the component `web`, and served while it is worked on.
import { readFile } from "node:fs/promises";
import { defineConfig, loadEnv, type Plugin } from "vite";

// `npm run dev` sends what is not the page's to a local stack: `cargo xtask up`.
const stack = loadEnv("", ".", "FRAMELIFT_").FRAMELIFT_API ?? "http://127.0.0.1:3000";
const calls = ["/auth", "/videos", "/storage", "/health", "/plugins", "/f", "/openapi.json"];

/** The licence of what is served as it was published. */
const licence: Plugin = {
  name: "licence",
  async generateBundle() {
    const read = (file: string) => readFile(`node_modules/swagger-ui-dist/${file}`, "utf8");
    const source = `${await read("NOTICE")}\n${await read("LICENSE")}`;
    this.emitFile({ type: "asset", fileName: "licence-swagger-ui.txt", source });
  },
};

export default defineConfig({
  plugins: [licence],
  build: {
    outDir: "../components/web/dist",
    emptyOutDir: true,
    // The content security policy takes no data: URLs.
    assetsInlineLimit: 0,
    target: ["chrome107", "edge107", "firefox104", "safari16"],
    modulePreload: { polyfill: false },
    rollupOptions: { input: { index: "index.html", docs: "docs.html" } },
    reportCompressedSize: false,
    // What the licences of the bundled packages ask for.
    license: { fileName: "licences.md" },
  },
  server: { port: 5173, strictPort: true, proxy: Object.fromEntries(calls.map((path) => [path, stack])) },
});
