// A form made from a JSON schema.
import type { ComponentChildren } from "preact";
import { useId, useRef, useState } from "preact/hooks";
import { bytes } from "../format";
import { t } from "../i18n";
import { escaped, type Fields, fieldsOf, initial, type Json, kindOf, type Schema } from "../schema";
import { Button, Choice, Field, Switch } from "../ui";

interface Props {
  /** The plugin's name, by which translated texts are found. */
  plugin: string;
  schema: Schema;
  value: Json;
  /** What is wrong, by pointer. */
  faults: ReadonlyMap<string, ComponentChildren>;
  onChange: (value: Json) => void;
}

export function SchemaForm({ plugin, schema, value, faults, onChange }: Props) {
  if (schema.properties === undefined) {
    const fault = faults.get("");
    return (
      <JsonField
        label={t().configuration}
        value={value}
        fault={fault}
        onChange={(it) => onChange(it ?? {})}
      />
    );
  }
  if (Object.keys(schema.properties).length === 0) return null;
  return (
    <ObjectFields
      plugin={plugin}
      path=""
      at=""
      schema={schema}
      value={value}
      faults={faults}
      onChange={onChange}
    />
  );
}

interface ObjectProps extends Props {
  /** The path of the value: with indexes for a pointer, without them for texts. */
  at: string;
  path: string;
}

function ObjectFields({ plugin, path, at, schema, value, faults, onChange }: ObjectProps) {
  const fields = (typeof value === "object" && value !== null ? value : {}) as Fields;
  const set = (name: string, it: Json) => {
    const { [name]: _, ...rest } = fields;
    // An empty field is left out, so that the plugin uses its default.
    onChange(it === undefined ? rest : { ...fields, [name]: it });
  };
  return (
    <div class="grid schema">
      {fieldsOf(schema).map(([name, field]) => (
        <Value
          key={name}
          plugin={plugin}
          name={name}
          path={`${path}/${name}`}
          at={`${at}/${escaped(name)}`}
          schema={field}
          value={fields[name]}
          faults={faults}
          onChange={(it) => set(name, it as Json)}
        />
      ))}
    </div>
  );
}

interface ValueProps extends ObjectProps {
  name: string;
}

function Value(props: ValueProps) {
  const { plugin, name, path, at, schema, value, faults, onChange } = props;
  const label = t().schemaLabel(plugin, path, capital(name));
  const help = schema.description && t().schemaText(plugin, path, schema.description.replaceAll("`", ""));
  const fault = faults.get(at);
  const standard = schema.default === undefined ? "" : t().standard(String(schema.default));
  switch (kindOf(schema)) {
    case "text":
      return (
        <Field
          label={label}
          value={typeof value === "string" ? value : ""}
          help={help}
          fault={fault}
          placeholder={standard}
          onInput={(text) => onChange(text === "" ? undefined : text)}
        />
      );
    case "number":
      return (
        <NumberField
          label={label}
          value={value}
          help={help}
          fault={fault}
          placeholder={standard}
          whole={schema.type === "integer"}
          onChange={onChange}
        />
      );
    case "choice":
      return (
        <Choice
          label={label}
          value={String(value ?? schema.default ?? "")}
          options={[
            ...(value === undefined && schema.default === undefined ? [{ value: "", label: "–" }] : []),
            ...(schema.enum ?? []).map((it) => ({
              value: String(it),
              label: t().schemaWord(plugin, String(it)),
            })),
          ]}
          help={help}
          onChange={(it) => onChange(it === schema.default || it === "" ? undefined : it)}
        />
      );
    case "switch":
      return (
        <Switch
          label={label}
          checked={Boolean(value ?? schema.default)}
          {...(help !== undefined && { help })}
          onChange={onChange}
        />
      );
    case "color":
      return <ColorField label={label} value={value ?? schema.default} help={help} onChange={onChange} />;
    case "file":
      return (
        <FileField label={label.toUpperCase()} value={value} help={help} fault={fault} onChange={onChange} />
      );
    case "list":
      return <ListFields {...props} />;
    case "fields":
      return (
        <fieldset class="nested">
          <legend>{label}</legend>
          <ObjectFields {...props} />
        </fieldset>
      );
    case "json":
      return <JsonField label={label} value={value} help={help} fault={fault} onChange={onChange} />;
  }
}

const capital = (name: string) => {
  const words = name.replaceAll(/[_-]+/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
};

interface FieldProps {
  label: string;
  value: Json;
  help?: string | undefined;
  fault?: ComponentChildren;
  onChange: (value: Json) => void;
}

function NumberField({
  value,
  whole,
  onChange,
  ...rest
}: FieldProps & { whole: boolean; placeholder: string }) {
  const [typed, type] = useState(value === undefined ? "" : String(value));
  // `1.` is an incomplete number. A text that is not a number stays as typed, and is an error.
  const read = (text: string): Json => {
    const plain = text.trim().replace(",", ".");
    return plain === "" ? undefined : Number.isNaN(Number(plain)) ? text : Number(plain);
  };
  const shown = read(typed) === value ? typed : value === undefined ? "" : String(value);
  return (
    <Field
      {...rest}
      value={shown}
      inputMode={whole ? "numeric" : "decimal"}
      onInput={(text) => {
        type(text);
        onChange(read(text));
      }}
    />
  );
}

function ColorField({ label, value, help, onChange }: FieldProps) {
  const id = useId();
  const parts = Array.isArray(value) ? value.map(Number) : [0, 0, 0];
  const hex = `#${parts.map((it) => (it || 0).toString(16).padStart(2, "0")).join("")}`;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        class="color"
        type="color"
        value={hex}
        aria-describedby={help ? `${id}-help` : undefined}
        onInput={(event) => {
          const text = event.currentTarget.value;
          onChange([1, 3, 5].map((at) => Number.parseInt(text.slice(at, at + 2), 16)));
        }}
      />
      {help && (
        <p class="help" id={`${id}-help`}>
          {help}
        </p>
      )}
    </div>
  );
}

function FileField({ label, value, help, fault, onChange }: FieldProps) {
  const id = useId();
  const size = typeof value === "string" ? Math.floor((value.length * 3) / 4) : undefined;
  const take = async (file: File | undefined) => {
    if (file === undefined) return;
    const data = new Uint8Array(await file.arrayBuffer());
    let text = "";
    for (const byte of data) text += String.fromCharCode(byte);
    onChange(btoa(text));
  };
  const input = useRef<HTMLInputElement>(null);
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <div class="picked">
        <Button icon="upload" of={label} onClick={() => input.current?.click()}>
          {t().chooseFile}
        </Button>
        {size !== undefined && (
          <>
            <span>{bytes(size)}</span>
            <Button kind="quiet" icon="cross" of={label} terse onClick={() => onChange(undefined)}>
              {t().removeEntry}
            </Button>
          </>
        )}
        <input
          ref={input}
          id={id}
          class="unseen"
          type="file"
          tabIndex={-1}
          aria-invalid={fault !== undefined}
          onChange={(event) => {
            void take(event.currentTarget.files?.[0]);
            event.currentTarget.value = "";
          }}
        />
      </div>
      {help && <p class="help">{help}</p>}
      {fault && <p class="fault">{fault}</p>}
    </div>
  );
}

function ListFields(props: ValueProps) {
  const { plugin, name, path, at, schema, value, faults, onChange } = props;
  const items = Array.isArray(value) ? (value as Json[]) : [];
  const label = t().schemaLabel(plugin, path, capital(name));
  const fault = faults.get(at);
  const item = schema.items ?? {};
  return (
    <fieldset class="nested">
      <legend>{label}</legend>
      {schema.description && <p class="help">{t().schemaText(plugin, path, schema.description)}</p>}
      {items.map((it, n) => (
        <div key={n} class="entry">
          <div class="step-head">
            <p class="row-name">
              {label} {n + 1}
            </p>
            <Button
              kind="quiet"
              icon="trash"
              of={`${label} ${n + 1}`}
              onClick={() => onChange(items.filter((_, at) => at !== n))}
            >
              {t().removeEntry}
            </Button>
          </div>
          <ObjectFields
            plugin={plugin}
            path={path}
            at={`${at}/${n}`}
            schema={item}
            value={it}
            faults={faults}
            onChange={(changed) => onChange(items.map((old, at) => (at === n ? changed : old)))}
          />
          {faults.get(`${at}/${n}`) && <p class="fault">{faults.get(`${at}/${n}`)}</p>}
        </div>
      ))}
      {fault && <p class="fault">{fault}</p>}
      {items.length < (schema.maxItems ?? 100) && (
        <Button icon="plus" of={label} onClick={() => onChange([...items, initial(item)])}>
          {t().addEntry}
        </Button>
      )}
    </fieldset>
  );
}

/** An input of JSON, for values that a form cannot show. */
function JsonField({ label, value, help, fault, onChange }: FieldProps) {
  const [typed, type] = useState(value === undefined ? "" : JSON.stringify(value, null, 2));
  const [broken, setBroken] = useState(false);
  return (
    <Field
      label={label}
      value={typed}
      rows={5}
      help={help ?? t().jsonHelp}
      fault={broken ? t().jsonWrong : fault}
      onInput={(text) => {
        type(text);
        try {
          onChange(text.trim() === "" ? undefined : JSON.parse(text));
          setBroken(false);
        } catch {
          setBroken(true);
          // Invalid JSON is kept as text, which has the wrong type, so that it is not sent.
          onChange(text);
        }
      }}
    />
  );
}
