// Starts the page: loads the language, then renders.
import { render } from "preact";
import { App } from "./app";
import { preferred, use } from "./i18n";
import "./theme";

const root = document.getElementById("app");
await use(preferred()).catch(() => use("en"));
if (root !== null) render(<App />, root);
