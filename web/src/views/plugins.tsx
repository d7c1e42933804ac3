// The plugins: the account's own, with their uploads and the results of their checks, and the built-in ones.
import { useEffect, useRef, useState } from "preact/hooks";
import { call, type Plugin } from "../api";
import { faultAt } from "../errors";
import { ago, bytes } from "../format";
import { t } from "../i18n";
import { isName, loadPlugins, nameOf, plugins, uploadPlugin } from "../plugins";
import { understood } from "../schema";
import {
  Button,
  Confirm,
  Field,
  Heading,
  Icon,
  type IconName,
  Notice,
  ServiceText,
  Trouble,
  useAction,
} from "../ui";

const POLL_MS = 1500;
/** The API's maximum. */
const MOST_BYTES = 32 * 1024 * 1024;

export function PluginsView() {
  const [load, , error] = useAction(loadPlugins);
  useEffect(load, []);
  const all = plugins.value;
  const checking = all?.some((it) => it.state === "checking") ?? false;
  useEffect(() => {
    if (!checking) return;
    const timer = setInterval(() => void loadPlugins().catch(() => {}), POLL_MS);
    return () => clearInterval(timer);
  }, [checking]);
  const own = all?.filter((it) => !it.built_in) ?? [];
  return (
    <div class="column">
      <Heading>{t().plugins}</Heading>
      <p class="lead">{t().pluginsHelp}</p>
      <UploadForm />
      <Trouble error={error} />
      {all === undefined && error === undefined && <p role="status">{t().loading}</p>}
      {all !== undefined && (
        <>
          <section aria-labelledby="own-plugins">
            <h2 id="own-plugins">{t().ownPlugins}</h2>
            {own.length === 0 ? (
              <div class="empty">
                <Icon name="plug" />
                <p class="empty-title">{t().noPlugins}</p>
                <p>{t().noPluginsText}</p>
              </div>
            ) : (
              <ul class="rows">
                {own.map((plugin) => (
                  <Row key={plugin.name} plugin={plugin} />
                ))}
              </ul>
            )}
          </section>
          <section aria-labelledby="built-in">
            <h2 id="built-in">{t().builtInPlugins}</h2>
            <ul class="rows">
              {all
                .filter((it) => it.built_in)
                .map((plugin) => (
                  <Row key={plugin.name} plugin={plugin} />
                ))}
            </ul>
          </section>
        </>
      )}
    </div>
  );
}

function UploadForm() {
  const [file, setFile] = useState<File | undefined>(undefined);
  const [name, setName] = useState("");
  const [done, setDone] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const [run, busy, error] = useAction(async () => {
    if (file === undefined) return;
    await uploadPlugin(name, file);
    setFile(undefined);
    setName("");
    setDone(true);
  });
  const fault = isName(name) ? undefined : t().pluginNameWrong;
  const large = file !== undefined && file.size > MOST_BYTES;
  const refused = faultAt(error, "/name") ?? faultAt(error, "name");
  return (
    <section class="card">
      <h2>{t().uploadPlugin}</h2>
      <p class="help">{t().uploadPluginHelp}</p>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (file !== undefined && fault === undefined && !large) run();
        }}
      >
        <div class="picked">
          <Button icon="upload" onClick={() => input.current?.click()}>
            {t().chooseComponent}
          </Button>
          {file !== undefined && (
            <p>
              {file.name} · {bytes(file.size)}
            </p>
          )}
          <input
            ref={input}
            class="unseen"
            type="file"
            accept=".wasm,application/wasm"
            tabIndex={-1}
            aria-label={t().chooseComponent}
            onChange={(event) => {
              const chosen = event.currentTarget.files?.[0];
              event.currentTarget.value = "";
              if (chosen === undefined) return;
              setFile(chosen);
              setDone(false);
              if (name === "") setName(nameOf(chosen.name));
            }}
          />
        </div>
        {large && <p class="fault">{t().pluginLarge}</p>}
        {file !== undefined && (
          <>
            <Field
              label={t().pluginName}
              value={name}
              onInput={setName}
              help={t().pluginNameHelp}
              fault={name === "" ? undefined : (fault ?? (refused && <ServiceText text={refused} />))}
            />
            <Button kind="primary" type="submit" busy={busy} disabled={fault !== undefined || large}>
              {t().uploadGo}
            </Button>
          </>
        )}
        <Trouble error={error} />
        {done && <Notice kind="info">{t().pluginUploaded}</Notice>}
      </form>
    </section>
  );
}

const ICONS: Record<Plugin["state"], IconName> = { checking: "clock", ready: "check", rejected: "alert" };

function Row({ plugin }: { plugin: Plugin }) {
  const { name, built_in, state, version, ready_version, size_bytes, created_at, reason, config_schema } =
    plugin;
  const [asked, ask] = useState(false);
  const { description } = understood(config_schema);
  const facts = [
    t().pluginVersion(version),
    size_bytes == null ? "" : bytes(size_bytes),
    created_at == null ? "" : ago(created_at),
    !built_in && ready_version != null && ready_version !== version ? t().runsVersion(ready_version) : "",
  ];
  return (
    <li class="row" data-plugin={name} data-state={state}>
      <div class="row-head">
        <p class="row-name">{name}</p>
        <span class={`badge ${state}`}>
          <Icon name={ICONS[state]} />
          {t()[`plugin_${state}`]}
        </span>
      </div>
      {description && <p>{built_in ? t().schemaText(name, "", description) : description}</p>}
      <p class="help">{facts.filter(Boolean).join(" · ")}</p>
      {reason && (
        <p class="why">
          <ServiceText text={reason} />
        </p>
      )}
      {!built_in && (
        <div class="row-actions">
          <Button kind="quiet" icon="trash" of={name} onClick={() => ask(true)}>
            {t().remove}
          </Button>
        </div>
      )}
      {asked && <Remove name={name} onClose={() => ask(false)} />}
    </li>
  );
}

/** A deleted plugin is kept while videos run it; the answer lists them. */
const inUse = (left: readonly { version: number; videos: number }[]) =>
  left.map(({ version, videos }) => t().pluginInUse(version, videos)).join(" ");

function Remove({ name, onClose }: { name: string; onClose: () => void }) {
  const [kept, setKept] = useState("");
  return (
    <Confirm
      title={t().removePluginTitle(name)}
      text={kept === "" ? t().removePluginText : kept}
      go={t().remove}
      {...(kept !== "" && { done: t().close })}
      action={async () => {
        const { in_use } = await call("delete", "/plugins/{name}", { path: { name } });
        if (in_use.length > 0) {
          setKept(inUse(in_use));
          return true;
        }
        await loadPlugins();
        return false;
      }}
      onClose={() => {
        onClose();
        if (kept !== "") void loadPlugins().catch(() => {});
      }}
    />
  );
}
