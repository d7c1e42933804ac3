// The plugins of the options: which, in which order, and each one's configuration.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { type Messages, t } from "../i18n";
import { loadPlugins, pluginOf, plugins, type Step, schemaOf, stepFaults, usable } from "../plugins";
import { initial, type Wrong } from "../schema";
import { Button, Choice, ServiceText, Trouble, useAction } from "../ui";
import { SchemaForm } from "./schema-form";

/** The API's maximum. */
const MOST = 8;

interface Props {
  steps: readonly Step[];
  /** The service's errors, by pointer within the list. */
  refused: ReadonlyMap<string, string> | undefined;
  onChange: (steps: readonly Step[]) => void;
}

export function PluginChain({ steps, refused, onChange }: Props) {
  const [load, , error] = useAction(loadPlugins);
  useEffect(load, []);
  const offered = usable(plugins.value ?? []);
  const change = (n: number, step: Step) => onChange(steps.map((it, at) => (at === n ? step : it)));
  const swap = (n: number, by: number) => {
    const order = [...steps];
    order.splice(n + by, 0, ...order.splice(n, 1));
    onChange(order);
  };
  const add = (name: string) => {
    const config = initial(schemaOf(pluginOf(name)));
    // Identifies a step while it is moved. It is not sent to the service.
    onChange([...steps, { key: `${name}-${performance.now()}`, name, config }]);
  };
  return (
    <div class="chain">
      <p class="help">{t().chainHelp}</p>
      <Trouble error={error} />
      {steps.length > 0 && (
        <ol>
          {steps.map((step, n) => (
            <StepCard
              key={step.key}
              step={step}
              place={n}
              last={n === steps.length - 1}
              refused={refused}
              onChange={(it) => change(n, it)}
              onMove={(by) => swap(n, by)}
              onRemove={() => onChange(steps.filter((it) => it.key !== step.key))}
            />
          ))}
        </ol>
      )}
      {plugins.value === undefined
        ? error === undefined && <p role="status">{t().loading}</p>
        : steps.length < MOST && (
            <Choice
              label={t().addPlugin}
              value=""
              options={[
                { value: "", label: t().choosePlugin },
                ...offered.map(({ name }) => ({ value: name, label: name })),
              ]}
              onChange={(name) => name !== "" && add(name)}
            />
          )}
    </div>
  );
}

interface CardProps {
  step: Step;
  place: number;
  last: boolean;
  refused: ReadonlyMap<string, string> | undefined;
  onChange: (step: Step) => void;
  onMove: (by: number) => void;
  onRemove: () => void;
}

function StepCard({ step, place, last, refused, onChange, onMove, onRemove }: CardProps) {
  const { name, config } = step;
  const [touched, touch] = useState(false);
  const plugin = pluginOf(name);
  const gone = plugins.value !== undefined && plugin === undefined;
  const schema = schemaOf(plugin);
  const faults = new Map<string, ComponentChildren>(
    [...stepFaults(step)].map(([at, wrong]) => [at, inWords(wrong)]),
  );
  // The service's error is shown until the value is changed.
  for (const [pointer, detail] of refused ?? []) {
    const own = `/${place}`;
    if (pointer === own || pointer === `${own}/name`) faults.set("", <ServiceText text={detail} />);
    const at = pointer.startsWith(`${own}/config`) ? pointer.slice(`${own}/config`.length) : undefined;
    if (at !== undefined) faults.set(at, <ServiceText text={detail} />);
  }
  const whole = faults.get("");
  return (
    <li class="step">
      <div class="step-head">
        <p class="row-name">
          {place + 1}. {name}
        </p>
        <div class="row-actions">
          <Button kind="quiet" icon="up" disabled={place === 0} onClick={() => onMove(-1)} of={name} terse>
            {t().moveUp}
          </Button>
          <Button kind="quiet" icon="down" disabled={last} onClick={() => onMove(1)} of={name} terse>
            {t().moveDown}
          </Button>
          <Button kind="quiet" icon="trash" onClick={onRemove} of={name} terse>
            {t().removePlugin}
          </Button>
        </div>
      </div>
      {schema.description && <p class="help">{t().schemaText(name, "", schema.description)}</p>}
      {gone ? (
        <p class="fault" role="alert">
          {t().pluginGone}
        </p>
      ) : (
        plugin !== undefined && (
          <SchemaForm
            plugin={name}
            schema={schema}
            value={config}
            faults={touched || refused !== undefined ? faults : new Map()}
            onChange={(it) => {
              touch(true);
              onChange({ ...step, config: it });
            }}
          />
        )
      )}
      {whole !== undefined && !gone && <p class={touched ? "fault" : "help"}>{whole}</p>}
    </li>
  );
}

function inWords(wrong: Wrong): string {
  if ("than" in wrong) return t()[`wrong_${wrong.what}`](wrong.than);
  const text = t()[`wrong_${wrong.what}` as keyof Messages] as string | ((words: string) => string);
  return typeof text === "string" ? text : text(wrong.words ?? "");
}
