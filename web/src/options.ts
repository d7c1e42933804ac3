// Converts between the form of options, as typed, and the API's options.
import type { Options, Select } from "./api";
import { isWrong, type Step } from "./plugins";
import { accountId } from "./session";

export type Mode = "every" | "count" | "at" | "scenes" | "keyframes" | "fps" | "all";
export const MODES: readonly Mode[] = ["every", "count", "at", "scenes", "keyframes", "fps", "all"];
export type Format = "jpeg" | "png" | "webp" | "avif";
export const FORMATS: readonly Format[] = ["jpeg", "png", "webp", "avif"];
export type Fit = "contain" | "cover" | "fill";
export const FITS: readonly Fit[] = ["contain", "cover", "fill"];

/** The form, as typed. */
export interface Form {
  mode: Mode;
  every: string;
  count: string;
  at: string;
  threshold: string;
  max: string;
  fps: string;
  start: string;
  end: string;
  tolerance: string;
  format: Format;
  quality: string;
  width: string;
  height: string;
  fit: Fit;
  cropX: string;
  cropY: string;
  cropWidth: string;
  cropHeight: string;
  stream: string;
  storyboard: boolean;
  plugins: readonly Step[];
}

export const DEFAULTS: Form = {
  mode: "every",
  every: "1",
  count: "20",
  at: "",
  threshold: "0.3",
  max: "200",
  fps: "2",
  start: "",
  end: "",
  tolerance: "",
  format: "jpeg",
  quality: "90",
  width: "",
  height: "",
  fit: "contain",
  cropX: "",
  cropY: "",
  cropWidth: "",
  cropHeight: "",
  stream: "",
  storyboard: false,
  plugins: [],
};

export type Field = keyof Form;
/** The kind of an error in a field. */
export type Fault = "duration" | "place" | "places" | "number" | "whole" | "crop" | "plugins";
export type Faults = Partial<Record<Field, Fault>>;

const storageKey = () => `framelift.options.${accountId.value}`;

/** The form as this account has left it in this browser. */
export function lastForm(): Form {
  try {
    return { ...DEFAULTS, ...JSON.parse(localStorage.getItem(storageKey()) ?? "{}") };
  } catch {
    return DEFAULTS;
  }
}

export function rememberForm(form: Form) {
  if (accountId.value !== "") localStorage.setItem(storageKey(), JSON.stringify(form));
}

const decimal = (text: string) => text.trim().replace(",", ".");

/** Converts `2.5`, `2.5s`, `1:30` or `500ms` to a duration of the API. */
export function duration(text: string): string | undefined {
  const typed = decimal(text).toLowerCase().replace(/\s+/g, "");
  if (/^\d{1,9}(\.\d{1,9})?$/.test(typed)) return `${typed}s`;
  if (/^\d{1,9}(\.\d{1,9})?(ms|s|m|h)$/.test(typed)) return typed;
  if (/^\d{1,2}m?in$/.test(typed)) return `${parseInt(typed, 10)}m`;
  const clock = /^(?:(\d{1,3}):)?(\d{1,3}):(\d{1,2}(?:\.\d{1,9})?)$/.exec(typed);
  if (clock === null) return undefined;
  const [, hours = "0", minutes = "0", seconds = "0"] = clock;
  return `${trim(Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds))}s`;
}

const trim = (seconds: number) => String(Math.round(seconds * 1e6) / 1e6);

/** A duration, a percentage (`50%`) or a frame's number (`#300`). */
export function place(text: string): string | undefined {
  const typed = decimal(text).replace(/\s+/g, "");
  if (/^#\d{1,12}$/.test(typed)) return typed;
  if (/^\d{1,3}(\.\d{1,9})?%$/.test(typed))
    return parseFloat(typed) <= 100 ? typed.replace(/^0+(?=\d)/, "") : undefined;
  return duration(typed);
}

/** Parses places that are separated by commas, semicolons, spaces or lines. */
export function places(text: string): string[] | undefined {
  const list = text.split(/[\s;]+|,(?!\d)|,(?=\d+(?::|%|s\b|ms\b|m\b|h\b))/).filter((it) => it !== "");
  const read = list.map(place);
  return read.length > 0 && read.length <= 1000 && read.every((it) => it !== undefined) ? read : undefined;
}

/** Minimum and maximum of the numbers. For `threshold` and `fps`, the minimum itself is not allowed. */
export const RANGES = {
  count: [1, 100_000],
  max: [1, 100_000],
  threshold: [0, 1],
  fps: [0, 1000],
  quality: [1, 100],
  width: [1, 16_384],
  height: [1, 16_384],
  cropX: [0, 65_535],
  cropY: [0, 65_535],
  cropWidth: [1, 65_535],
  cropHeight: [1, 65_535],
  stream: [0, 65_535],
} as const;
type Numeric = keyof typeof RANGES;

function whole(form: Form, field: Numeric): number | undefined {
  const typed = form[field].trim();
  const [from, to] = RANGES[field];
  const value = +typed;
  return /^\d+$/.test(typed) && value >= from && value <= to ? value : undefined;
}

function real(form: Form, field: Numeric): number | undefined {
  const typed = decimal(form[field]);
  return typed !== "" && +typed >= 1e-9 && +typed <= RANGES[field][1] ? +typed : undefined;
}

/** The options of a form, and its errors. Empty fields are left to the API's defaults. */
export function read(form: Form): { options: Options; faults: Faults } {
  const faults: Faults = {};
  const options: Options = { select: select(form, faults), format: form.format };
  function optional<T>(field: Field, parse: (text: string) => T | undefined, fault: Fault): T | undefined {
    const text = String(form[field]);
    if (text.trim() === "") return undefined;
    const value = parse(text);
    if (value === undefined) faults[field] = fault;
    return value;
  }
  const start = optional("start", place, "place");
  const end = optional("end", place, "place");
  if (start !== undefined || end !== undefined) {
    options.range = { ...(start !== undefined && { start }), ...(end !== undefined && { end }) };
  }
  const tolerance = optional("tolerance", duration, "duration");
  if (tolerance !== undefined) options.tolerance = tolerance;
  const integer = (field: Numeric) => optional(field, () => whole(form, field), "whole");
  if (form.format !== "png") options.quality = integer("quality") ?? 90;
  const width = integer("width");
  const height = integer("height");
  if (width !== undefined || height !== undefined) {
    options.resize = {
      ...(width !== undefined && { width }),
      ...(height !== undefined && { height }),
      fit: form.fit,
    };
  }
  const crop = (["cropX", "cropY", "cropWidth", "cropHeight"] as const).map(integer);
  const [x = 0, y = 0, cropWidth, cropHeight] = crop;
  if (cropWidth !== undefined && cropHeight !== undefined) {
    options.crop = { x, y, width: cropWidth, height: cropHeight };
  } else if (crop.some((it) => it !== undefined)) {
    faults[cropWidth === undefined ? "cropWidth" : "cropHeight"] ??= "crop";
  }
  const stream = integer("stream");
  if (stream !== undefined) options.stream = stream;
  if (form.storyboard) options.storyboard = true;
  if (form.plugins.length > 0) {
    options.plugins = form.plugins.map(({ name, config }) => ({
      name,
      config: config as Record<string, never>,
    }));
    if (form.plugins.some(isWrong)) faults.plugins = "plugins";
  }
  return { options, faults };
}

function select(form: Form, faults: Faults): Select {
  function need<T>(field: Field, value: T | undefined, fault: Fault): T | undefined {
    if (value === undefined) faults[field] = fault;
    return value;
  }
  switch (form.mode) {
    case "every":
      return { every: need("every", duration(form.every), "duration") ?? "" };
    case "count":
      return { count: need("count", whole(form, "count"), "whole") ?? 0 };
    case "at":
      return { at: need("at", places(form.at), "places") ?? [] };
    case "scenes": {
      const threshold = need("threshold", real(form, "threshold"), "number") ?? 0;
      const max = need("max", whole(form, "max"), "whole") ?? 0;
      return { scenes: { threshold, max } };
    }
    case "fps":
      return { fps: need("fps", real(form, "fps"), "number") ?? 0 };
    case "keyframes":
      return { keyframes: true };
    case "all":
      return { all: true };
  }
}

/** The fields of the form by the API's JSON pointers below `/options`. */
const POINTERS: Record<string, Field> = {
  "/select/every": "every",
  "/select/count": "count",
  "/select/at": "at",
  "/select/fps": "fps",
  "/select/scenes/threshold": "threshold",
  "/select/scenes/max": "max",
  "/range/start": "start",
  "/range/end": "end",
  "/tolerance": "tolerance",
  "/quality": "quality",
  "/resize/width": "width",
  "/resize/height": "height",
  "/crop/x": "cropX",
  "/crop/y": "cropY",
  "/crop/width": "cropWidth",
  "/crop/height": "cropHeight",
  "/stream": "stream",
};

/** The service's errors in options: by field, and by pointer within the list of plugins. */
export interface Refusal {
  fields: Partial<Record<Field, string>>;
  plugins: ReadonlyMap<string, string>;
  /** Whether all errors belong to fields of the form. */
  whole: boolean;
}

export function refusalOf(errors: readonly { pointer: string; detail: string }[]): Refusal {
  const refusal: Refusal = { fields: {}, plugins: new Map(), whole: errors.length > 0 };
  const plugins = new Map<string, string>();
  for (const { pointer, detail } of errors) {
    const at = pointer.replace(/^\/options/, "");
    const field = POINTERS[at] ?? POINTERS[at.replace(/\/\d+$/, "")];
    if (field !== undefined) refusal.fields[field] = detail;
    else if (/^\/plugins\/\d/.test(at)) plugins.set(at.slice("/plugins".length), detail);
    else refusal.whole = false;
  }
  return { ...refusal, plugins };
}

/** The form for these options. */
export function formOf(options: Options): Form {
  const form: Form = { ...DEFAULTS };
  const { select, range, crop } = options;
  // By the schema, one of the two is present.
  const resize = options.resize as { width?: number; height?: number; fit?: Fit | null } | null | undefined;
  const seconds = (text: string | null | undefined) => (text ?? "").replace(/(\d)s$/, "$1");
  if (select?.every != null) Object.assign(form, { mode: "every", every: seconds(select.every) });
  else if (select?.count != null) Object.assign(form, { mode: "count", count: String(select.count) });
  else if (select?.at != null) Object.assign(form, { mode: "at", at: select.at.join("\n") });
  else if (select?.fps != null) Object.assign(form, { mode: "fps", fps: String(select.fps) });
  else if (select?.scenes != null) {
    const { threshold, max } = select.scenes;
    Object.assign(form, { mode: "scenes", threshold: String(threshold ?? 0.3), max: String(max ?? 200) });
  } else if (select?.keyframes) form.mode = "keyframes";
  else if (select?.all) form.mode = "all";
  form.start = range?.start === "0s" ? "" : (range?.start ?? "");
  form.end = range?.end === "100%" ? "" : (range?.end ?? "");
  form.tolerance = options.tolerance === "0s" ? "" : (options.tolerance ?? "");
  form.format = options.format ?? "jpeg";
  form.quality = String(options.quality ?? 90);
  form.width = String(resize?.width ?? "");
  form.height = String(resize?.height ?? "");
  form.fit = resize?.fit ?? "contain";
  if (crop != null) {
    form.cropX = String(crop.x);
    form.cropY = String(crop.y);
    form.cropWidth = String(crop.width);
    form.cropHeight = String(crop.height);
  }
  form.stream = options.stream == null ? "" : String(options.stream);
  form.storyboard = options.storyboard ?? false;
  form.plugins = (options.plugins ?? []).map(({ name, config }, n) => ({
    key: `${n}`,
    name,
    config: config ?? {},
  }));
  return form;
}
