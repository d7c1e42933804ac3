// Starts the page: the language first, then what is shown.
import { render } from "preact";
import { App } from "./app";
import { preferred, use } from "./i18n";
import "./theme";

const root = document.getElementById("app");
await use(preferred()).catch(() => use("en"));
if (root !== null) render(<App />, root);
