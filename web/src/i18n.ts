// The page's languages. English is built in and types the others: a key that one of them lacks fails the build.
import { signal } from "@preact/signals";
import { en } from "./locales/en";

export type Messages = {
  [K in keyof typeof en]: (typeof en)[K] extends (...values: infer A) => string
    ? (...values: A) => string
    : string;
};
export type Language = "en" | "pt-BR";
export const LANGUAGES: readonly { code: Language; name: string }[] = [
  { code: "en", name: "English" },
  { code: "pt-BR", name: "Português (Brasil)" },
];

const KEY = "framelift.language";
const messages = signal<Messages>(en);
export const language = signal<Language>("en");

/** The texts of the chosen language. */
export const t = () => messages.value;

/** The language that was chosen here before, or the browser's. */
export function preferred(): Language {
  const stored = localStorage.getItem(KEY);
  if (stored === "en" || stored === "pt-BR") return stored;
  return navigator.languages
    .find((it) => /^(en|pt)\b/i.test(it))
    ?.toLowerCase()
    .startsWith("pt")
    ? "pt-BR"
    : "en";
}

export async function use(code: Language) {
  messages.value = code === "pt-BR" ? (await import("./locales/pt-BR")).ptBR : en;
  language.value = code;
  document.documentElement.lang = code;
}

export async function choose(code: Language) {
  await use(code);
  localStorage.setItem(KEY, code);
}
