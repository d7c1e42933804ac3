// The plugins that the caller may use: the list, uploads, and how options name them.
import { signal } from "@preact/signals";
import { call, type Plugin } from "./api";
import { faultsOf, type Schema, understood, type Wrong } from "./schema";
import { reader } from "./session";

/** The caller's own plugins, then those that come with the service; none until they are loaded. */
export const plugins = signal<readonly Plugin[] | undefined>(undefined);

reader.subscribe(() => {
  plugins.value = undefined;
});

export async function loadPlugins() {
  const { items } = await call("get", "/plugins");
  plugins.value = items;
}

/** The plugin name that a file name suggests: lower case, digits, single dots, dashes and underscores. */
export function nameOf(file: string): string {
  const stem = file.replace(/(\.component)?\.wasm$/i, "").toLowerCase();
  return stem
    .replace(/[^a-z0-9._-]+/g, "-")
    .replace(/([._-])[._-]+/g, "$1")
    .replace(/^[._-]+|[._-]+$/g, "")
    .slice(0, 64);
}

export const isName = (name: string) => name.length <= 64 && /^[a-z0-9]+([._-][a-z0-9]+)*$/.test(name);

export async function uploadPlugin(name: string, file: Blob) {
  const content = new Blob([file], { type: "application/wasm" });
  const made = await call("put", "/plugins/{name}", { path: { name }, content });
  const others = (plugins.value ?? []).filter((it) => it.built_in || it.name !== made.name);
  plugins.value = [made, ...others];
}

/** One plugin of the options, as the form has it. */
export interface Step {
  key: string;
  name: string;
  config: unknown;
}

/** The plugin that a name refers to. */
export const pluginOf = (name: string) => usable(plugins.value ?? []).find((it) => it.name === name);

/** The schema of a plugin's configuration, as far as it is understood. */
export const schemaOf = (plugin: Plugin | undefined): Schema => ({
  ...understood(plugin?.config_schema),
  type: "object",
});

/** The errors in the step's configuration, by the schema of its plugin. */
export const stepFaults = ({ name, config }: Step): Map<string, Wrong> =>
  faultsOf(schemaOf(pluginOf(name)), config);

export function isWrong(step: Step): boolean {
  const gone = plugins.value !== undefined && pluginOf(step.name) === undefined;
  return gone || stepFaults(step).size > 0;
}

/** The plugins that names refer to: a plugin of the caller replaces a built-in one of the same name. */
export function usable(all: readonly Plugin[]): Plugin[] {
  const ready = all.filter((it) => it.built_in || it.ready_version != null);
  return ready.filter((it) => !it.built_in || !ready.some((own) => !own.built_in && own.name === it.name));
}
