// Which view is shown. Most addresses are in the fragment: `/#/videos/ID`. Links in e-mails that prove who reads them
// have a path, and a token in the fragment, which browsers do not send: `/reset#token=TOKEN`.
import { signal } from "@preact/signals";

export type Route =
  | { view: "videos" }
  | { view: "video"; id: string; frame: number | undefined }
  | { view: "account" }
  | { view: "plugins" }
  | { view: "sign-in" }
  | { view: "sign-up" }
  | { view: "forgot" }
  | { view: "reset"; token: string }
  | { view: "verify"; token: string };

function read(): Route {
  const path = location.hash.replace(/^#/, "");
  const token = /^token=([!-~]{1,2048})$/.exec(path)?.[1] ?? "";
  if (location.pathname === "/reset") return { view: "reset", token };
  if (location.pathname === "/verify") return { view: "verify", token };
  if (path === "/forgot" || location.pathname === "/forgot") return { view: "forgot" };
  const [, video, frame] = /^\/videos\/([0-9a-zA-Z-]{1,64})(?:\/(\d{1,9}))?$/.exec(path) ?? [];
  if (video !== undefined)
    return { view: "video", id: video, frame: frame === undefined ? frame : Number(frame) };
  if (path === "/account") return { view: "account" };
  if (path === "/plugins") return { view: "plugins" };
  if (path === "/sign-in") return { view: "sign-in" };
  if (path === "/sign-up") return { view: "sign-up" };
  return { view: "videos" };
}

export const route = signal<Route>(read());

addEventListener("hashchange", () => {
  const before = route.value;
  route.value = read();
  const same = before.view === "video" && route.value.view === "video" && before.id === route.value.id;
  if (!same) scrollTo(0, 0);
});

export function go(path: string) {
  if (location.pathname === "/") {
    location.hash = path;
    return;
  }
  // Removes the token of a link from the address.
  history.replaceState(null, "", `/#${path}`);
  route.value = read();
}
