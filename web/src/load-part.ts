// Parts of the page that are loaded when they are first needed.
import { NetworkError } from "./api";
import { PageError } from "./page-error";

/** Loads a part by its `import()`. Where that fails, says whether a newer version of the page has replaced it. */
export async function loadPart<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch {
    throw (await isReplaced()) ? new PageError("new-version") : new NetworkError();
  }
}

/** Whether the service has another version of the page than this one. */
async function isReplaced(): Promise<boolean> {
  const own = document.querySelector<HTMLScriptElement>("script[type=module]")?.getAttribute("src");
  try {
    const answer = await fetch("/", { cache: "no-store", credentials: "omit" });
    return answer.ok && own != null && !(await answer.text()).includes(own);
  } catch {
    return false;
  }
}
