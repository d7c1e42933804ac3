// The form of options: which frames, and how they come out.
import { useState } from "preact/hooks";
import { number } from "../format";
import { type Messages, t } from "../i18n";
import { lazy } from "../lazy";
import {
  DEFAULTS,
  type Fault,
  type Faults,
  FITS,
  type Field as FieldName,
  FORMATS,
  type Form,
  MODES,
  RANGES,
  type Refusal,
} from "../options";
import { Button, Choice, Field, ServiceText, Switch } from "../ui";

interface Props {
  form: Form;
  faults: Faults;
  /** The service's errors in these options. */
  refusal?: Refusal | undefined;
  onChange: (form: Form) => void;
}

const PluginChain = lazy(async () => (await import("./plugin-chain")).PluginChain);

const text = (key: string) => t()[key as keyof Messages] as string;

/** What is wrong with a field, and what it accepts. */
function faultText(field: FieldName, fault: Fault | undefined): string | undefined {
  if (fault === undefined) return undefined;
  if (fault !== "number" && fault !== "whole") return text(`fault_${fault}`);
  const [least, most] = RANGES[field as keyof typeof RANGES];
  return t()[`fault_${fault}`](number(least), number(most));
}

export function OptionsForm({ form, faults, refusal, onChange }: Props) {
  const set = <K extends FieldName>(field: K, value: Form[K]) => onChange({ ...form, [field]: value });
  const extra: readonly FieldName[] = ["start", "end", "tolerance", "width", "height", "cropX", "cropY"];
  const advanced = [...extra, "cropWidth", "cropHeight", "stream"] as readonly FieldName[];
  const used = advanced.some((field) => form[field] !== DEFAULTS[field]) || form.storyboard;
  const [open] = useState(used);
  const [chained, setChained] = useState(form.plugins.length > 0);
  const fault = (field: FieldName) => {
    const refused = refusal?.fields[field];
    return faultText(field, faults[field]) ?? (refused && <ServiceText text={refused} />);
  };
  const field = (
    name: FieldName,
    help?: string,
    unit?: string,
    inputMode: "decimal" | "numeric" | "text" = "text",
  ) => (
    <Field
      label={text(name)}
      value={String(form[name])}
      onInput={(value) => set(name, value as never)}
      help={help}
      fault={fault(name)}
      inputMode={inputMode}
      {...(unit !== undefined && { unit })}
    />
  );
  return (
    <div class="options">
      <div class="grid">
        <Choice
          label={t().mode}
          value={form.mode}
          options={MODES.map((mode) => ({ value: mode, label: text(`mode_${mode}`) }))}
          onChange={(mode) => set("mode", mode)}
          help={text(`mode_${form.mode}_help`)}
        />
        {form.mode === "every" && field("every", t().every_help, "s", "text")}
        {form.mode === "count" && field("count", undefined, undefined, "numeric")}
        {form.mode === "fps" && field("fps", undefined, undefined, "decimal")}
        {form.mode === "scenes" && field("threshold", t().threshold_help, undefined, "decimal")}
        {form.mode === "scenes" && field("max", undefined, undefined, "numeric")}
        {form.mode === "at" && (
          <Field
            label={t().at}
            value={form.at}
            rows={3}
            onInput={(value) => set("at", value)}
            help={t().at_help}
            fault={fault("at")}
          />
        )}
        <Choice
          label={t().format}
          value={form.format}
          options={FORMATS.map((format) => ({
            value: format,
            label: format === "webp" ? "WebP" : format.toUpperCase(),
          }))}
          onChange={(format) => set("format", format)}
          help={form.format === "png" ? t().quality_png : undefined}
        />
        {form.format !== "png" && field("quality", t().quality_help, undefined, "numeric")}
      </div>
      <details class="more" open={open || advanced.some((name) => fault(name) !== undefined)}>
        <summary>{t().optionsMore}</summary>
        <div class="grid">
          <fieldset>
            <legend>{t().optionsRange}</legend>
            <div class="pair">
              {field("start")}
              {field("end")}
            </div>
            <p class="help">{t().range_help}</p>
          </fieldset>
          {field("tolerance", t().tolerance_help)}
          <fieldset>
            <legend>{t().optionsSize}</legend>
            <div class="pair">
              {field("width", undefined, "px", "numeric")}
              {field("height", undefined, "px", "numeric")}
            </div>
            <p class="help">{t().size_help}</p>
          </fieldset>
          <Choice
            label={t().fit}
            value={form.fit}
            options={FITS.map((fit) => ({ value: fit, label: text(`fit_${fit}`) }))}
            onChange={(fit) => set("fit", fit)}
          />
          <fieldset>
            <legend>{t().crop}</legend>
            <div class="pair">
              {field("cropX", undefined, "px", "numeric")}
              {field("cropY", undefined, "px", "numeric")}
              {field("cropWidth", undefined, "px", "numeric")}
              {field("cropHeight", undefined, "px", "numeric")}
            </div>
            <p class="help">{t().crop_help}</p>
          </fieldset>
          {field("stream", t().stream_help, undefined, "numeric")}
          <Switch
            label={t().storyboard}
            checked={form.storyboard}
            onChange={(on) => set("storyboard", on)}
            help={t().storyboard_help}
          />
        </div>
        <Button kind="quiet" icon="retry" onClick={() => onChange({ ...DEFAULTS, plugins: form.plugins })}>
          {t().optionsReset}
        </Button>
      </details>
      <details
        class="more"
        open={chained}
        onToggle={(event) => {
          const { currentTarget } = event;
          setChained(currentTarget.open);
        }}
      >
        <summary>{t().pluginsOf(form.plugins.length)}</summary>
        {chained && (
          <PluginChain
            steps={form.plugins}
            refused={refusal?.plugins}
            onChange={(plugins) => set("plugins", plugins)}
          />
        )}
      </details>
    </div>
  );
}

/** The options in a few words, such as `One every 1 s · JPEG 90`. */
export function summary(form: Form): string {
  const words: string[] = [];
  const spaced = (it: string) =>
    /^\d+(\.\d+)?$/.test(it) ? `${number(Number(it), 3)} s` : it.replace(/(\d)(ms|s|m|h)$/, "$1 $2");
  switch (form.mode) {
    case "every":
      words.push(t().sum_every(spaced(form.every)));
      break;
    case "count":
      words.push(t().sum_count(number(Number(form.count) || 0)));
      break;
    case "at":
      words.push(t().sum_at(form.at.split(/\s+/).filter(Boolean).length));
      break;
    case "fps":
      words.push(t().sum_fps(number(Number(form.fps.replace(",", ".")) || 0, 3)));
      break;
    default:
      words.push(text(`sum_${form.mode}`));
  }
  if (form.start || form.end) words.push(t().sum_range(form.start || "0", form.end || "100%"));
  const format = form.format === "webp" ? "WebP" : form.format.toUpperCase();
  words.push(form.format === "png" ? format : `${format} ${form.quality || 90}`);
  if (form.width || form.height) words.push(`${form.width || "…"} × ${form.height || "…"}`);
  if (form.plugins.length > 0) words.push(form.plugins.map(({ name }) => name).join(" → "));
  return words.join(" · ");
}
