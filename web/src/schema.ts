// The part of JSON Schema that describes configurations of plugins: the kind of input for a value, the initial value, and
// validation. Pointers are those of the API's problems.

export interface Schema {
  type?: string;
  title?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: readonly string[];
  items?: Schema;
  contentEncoding?: string;
  enum?: readonly unknown[];
  default?: unknown;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  oneOf?: readonly Schema[];
  additionalProperties?: unknown;
}

export type Json = unknown;
export type Fields = Record<string, Json>;

export type Kind = "text" | "file" | "number" | "switch" | "choice" | "color" | "fields" | "list" | "json";

/** The most levels of a schema that are shown, and the most items that a new list has. */
const MAX_LEVELS = 8;
const MAX_NEW_ITEMS = 100;

const isText = (it: unknown) => typeof it === "string";
const isNumber = (it: unknown) => typeof it === "number";
/** What the keywords' values have to be, apart from those that hold schemas. */
const FORMS: Record<string, (it: unknown) => boolean> = {
  type: isText,
  title: isText,
  description: isText,
  contentEncoding: isText,
  required: (it) => Array.isArray(it) && it.every(isText),
  enum: (it) => Array.isArray(it) && it.length > 0,
  default: () => true,
  additionalProperties: () => true,
  minimum: isNumber,
  maximum: isNumber,
  minLength: isNumber,
  maxLength: isNumber,
  minItems: isNumber,
  maxItems: isNumber,
};

/** A schema that anybody may have written, as far as it is understood: other keywords are left out. */
export function understood(raw: unknown, level = 0): Schema {
  if (!isA("object", raw) || level > MAX_LEVELS) return {};
  const written = raw as Fields;
  const schema: Fields = Object.fromEntries(
    Object.entries(written).filter(([keyword, it]) => Object.hasOwn(FORMS, keyword) && FORMS[keyword]?.(it)),
  );
  const { properties, items, oneOf } = written;
  const inner = (it: unknown) => understood(it, level + 1);
  if (isA("object", properties)) {
    const fields = Object.entries(properties as Fields).map(([name, field]) => [name, inner(field)]);
    schema.properties = Object.fromEntries(fields);
  }
  if (isA("object", items)) schema.items = inner(items);
  if (Array.isArray(oneOf)) schema.oneOf = oneOf.map(inner);
  return schema;
}

/** The kind of input for a value. A value that a form cannot show is entered as JSON. */
export function kindOf(schema: Schema): Kind {
  if (schema.enum?.every((it) => typeof it === "string")) return "choice";
  if (schema.type === "string") return schema.contentEncoding === "base64" ? "file" : "text";
  if (schema.type === "integer" || schema.type === "number") return "number";
  if (schema.type === "boolean") return "switch";
  if (isColor(schema)) return "color";
  if (schema.type === "array" && schema.items?.type === "object" && showable(schema.items)) return "list";
  if (showable(schema)) return "fields";
  return "json";
}

const showable = ({ type, properties }: Schema) => type === "object" && properties !== undefined;

/** Red, green and blue, as 0 to 255. */
function isColor({ type, minItems, maxItems, items }: Schema): boolean {
  const byte = items?.type === "integer" && items.minimum === 0 && items.maximum === 255;
  return type === "array" && minItems === 3 && maxItems === 3 && byte;
}

/** The initial value: required fields with their smallest value, without fields that have a default. */
export function initial(schema: Schema): Json {
  if (schema.enum !== undefined) return schema.default ?? schema.enum[0];
  switch (schema.type) {
    case "object": {
      const needed = Object.entries(schema.properties ?? {}).filter(([name]) =>
        schema.required?.includes(name),
      );
      return Object.fromEntries(needed.map(([name, field]) => [name, initial(field)]));
    }
    case "array":
      return (
        schema.default ??
        Array.from({ length: Math.min(schema.minItems ?? 0, MAX_NEW_ITEMS) }, () =>
          initial(schema.items ?? {}),
        )
      );
    case "integer":
    case "number":
      return schema.default ?? schema.minimum ?? 0;
    case "boolean":
      return schema.default ?? false;
    case "string":
      return schema.default ?? "";
    default:
      return schema.default ?? null;
  }
}

/** The fields in the order of the form: required ones first. */
export function fieldsOf({ properties = {}, required = [], oneOf = [] }: Schema): [string, Schema][] {
  const first = [...required, ...oneOf.flatMap((way) => way.required ?? [])];
  const rank = (name: string) => (first.includes(name) ? first.indexOf(name) : first.length);
  return Object.entries(properties).sort(([a], [b]) => rank(a) - rank(b));
}

/** An error in a value. */
export type Wrong =
  | { what: "missing" | "type" | "choice" | "one_of"; words?: string }
  | { what: "least" | "most" | "shortest" | "longest"; than: number };

/** All errors in a value, by pointer. */
export function faultsOf(schema: Schema, value: Json, at = ""): Map<string, Wrong> {
  const faults = new Map<string, Wrong>();
  check(schema, value, at, faults);
  return faults;
}

function check(schema: Schema, value: Json, at: string, faults: Map<string, Wrong>) {
  if (schema.type !== undefined && !isA(schema.type, value)) {
    faults.set(at, { what: "type" });
    return;
  }
  if (schema.enum !== undefined && !schema.enum.includes(value)) {
    faults.set(at, { what: "choice", words: schema.enum.join(", ") });
  }
  const range = (size: number, least: number | undefined, most: number | undefined, long: boolean) => {
    if (least !== undefined && size < least)
      faults.set(at, { what: long ? "shortest" : "least", than: least });
    if (most !== undefined && size > most) faults.set(at, { what: long ? "longest" : "most", than: most });
  };
  if (typeof value === "number") range(value, schema.minimum, schema.maximum, false);
  if (typeof value === "string") range([...value].length, schema.minLength, schema.maxLength, true);
  if (Array.isArray(value)) {
    range(value.length, schema.minItems, schema.maxItems, true);
    value.forEach((item, n) => {
      check(schema.items ?? {}, item, `${at}/${n}`, faults);
    });
  }
  if (isA("object", value)) {
    const fields = value as Fields;
    for (const name of schema.required ?? []) {
      if (!(name in fields)) faults.set(`${at}/${escaped(name)}`, { what: "missing" });
    }
    for (const [name, field] of Object.entries(schema.properties ?? {})) {
      if (name in fields) check(field, fields[name], `${at}/${escaped(name)}`, faults);
    }
    const ways = schema.oneOf ?? [];
    const fitting = ways.filter((way) => faultsOf(way, value).size === 0);
    if (ways.length > 0 && fitting.length !== 1) {
      faults.set(at, { what: "one_of", words: ways.flatMap((way) => way.required ?? []).join(", ") });
    }
  }
}

/** A name in a JSON pointer (RFC 6901). */
export const escaped = (name: string) => name.replaceAll("~", "~0").replaceAll("/", "~1");

function isA(type: string, value: Json): boolean {
  switch (type) {
    case "object":
      return typeof value === "object" && value !== null && !Array.isArray(value);
    case "array":
      return Array.isArray(value);
    case "integer":
      return Number.isInteger(value);
    case "null":
      return value === null;
    default:
      return typeof value === type;
  }
}
