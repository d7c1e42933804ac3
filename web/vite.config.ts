// How the page is built into the component `web`, and served while it is worked on.
import { defineConfig, loadEnv } from "vite";

// `npm run dev` sends what is not the page's to a local stack: `cargo xtask up`.
const stack = loadEnv("", ".", "FRAMELIFT_").FRAMELIFT_API ?? "http://127.0.0.1:3000";
const calls = ["/auth", "/videos", "/storage", "/health", "/docs", "/openapi.json"];

export default defineConfig({
  build: {
    outDir: "../components/web/dist",
    emptyOutDir: true,
    // The content security policy takes no data: URLs.
    assetsInlineLimit: 0,
    target: ["chrome107", "edge107", "firefox104", "safari16"],
    modulePreload: { polyfill: false },
    cssCodeSplit: false,
    reportCompressedSize: false,
    // What the licences of the bundled packages ask for.
    license: { fileName: "licences.md" },
  },
  server: { port: 5173, strictPort: true, proxy: Object.fromEntries(calls.map((path) => [path, stack])) },
});
