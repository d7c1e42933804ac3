// Which view is shown. Addresses are behind the `#`, as in the links of e-mails: `/#/videos/ID`.
import { signal } from "@preact/signals";

export type Route =
  | { view: "videos" }
  | { view: "video"; id: string; frame: number | undefined }
  | { view: "account" }
  | { view: "plugins" }
  | { view: "sign-in" }
  | { view: "sign-up" };

function read(): Route {
  const path = location.hash.replace(/^#/, "");
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
  location.hash = path;
}
