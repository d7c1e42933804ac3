// The account's webhook: its address, its signing secret, a test, and the deliveries of events.
import { useEffect, useRef, useState } from "preact/hooks";
import { type Account, call, type Delivery } from "../api";
import { faultAt } from "../errors";
import { ago, when } from "../format";
import { type Messages, t } from "../i18n";
import { keepAccount } from "../session";
import {
  Button,
  Confirm,
  Copyable,
  Field,
  Icon,
  type IconName,
  Notice,
  ServiceText,
  Trouble,
  useAction,
} from "../ui";

const PAGE = 10;

export function Webhook({ account: { notifications } }: { account: Account }) {
  const url = notifications.webhook_url ?? "";
  const [typed, type] = useState(url);
  const [tried, setTried] = useState(false);
  const [asked, ask] = useState<"rotate" | "remove" | undefined>(undefined);
  const [secret, setSecret] = useState<{ text: string; until?: string } | undefined>(undefined);
  const [newest, setNewest] = useState<Delivery | undefined>(undefined);
  const fault = /^https?:\/\/[!-~]+$/.test(typed.trim()) ? undefined : t().webhookUrlWrong;
  const set = async (webhook_url: string | null) => {
    const changed = await call("patch", "/auth/me", { body: { notifications: { webhook_url } } });
    keepAccount(changed);
    type(changed.notifications.webhook_url ?? "");
    setTried(false);
    setSecret(changed.webhook_secret == null ? undefined : { text: changed.webhook_secret });
  };
  const [save, saving, error] = useAction(() => set(typed.trim()));
  const [test, testing, testError] = useAction(async () => {
    setNewest(await call("post", "/auth/me/webhook-test"));
  });
  const detail = faultAt(error, "/notifications/webhook_url");
  const refused = detail && <ServiceText text={detail} />;
  return (
    <section class="card">
      <h2>{t().webhook}</h2>
      <p class="help">{t().webhookHelp}</p>
      <form
        class="inline"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          setTried(true);
          if (fault === undefined) save();
        }}
      >
        <Field
          label={t().webhookUrl}
          value={typed}
          type="url"
          placeholder="https://hooks.example.com/framelift"
          onInput={(value) => {
            type(value);
            setTried(false);
          }}
          fault={tried ? (fault ?? (typed.trim() === url ? undefined : refused)) : undefined}
        />
        <Button type="submit" busy={saving} disabled={typed.trim() === url}>
          {url === "" ? t().webhookAdd : t().save}
        </Button>
      </form>
      {refused === undefined && <Trouble error={error} />}
      {secret !== undefined && (
        <Notice kind="info">
          <p>{t().webhookSecretOnce}</p>
          <Copyable label={t().webhookSecret} text={secret.text} />
          {secret.until !== undefined && <p class="help">{t().webhookSecretUntil(when(secret.until))}</p>}
        </Notice>
      )}
      {url !== "" && (
        <div class="actions">
          <Button icon="play" busy={testing} onClick={test}>
            {t().webhookTest}
          </Button>
          <Button icon="retry" onClick={() => ask("rotate")}>
            {t().webhookRotate}
          </Button>
          <Button icon="trash" onClick={() => ask("remove")}>
            {t().webhookRemove}
          </Button>
        </div>
      )}
      <Trouble error={testError} />
      <Deliveries newest={newest} replayable={url !== ""} />
      {asked === "rotate" && (
        <Confirm
          title={t().webhookRotateTitle}
          text={t().webhookRotateText}
          go={t().webhookRotate}
          action={async () => {
            const made = await call("post", "/auth/me/webhook-secret");
            setSecret({ text: made.webhook_secret, until: made.previous_valid_until });
          }}
          onClose={() => ask(undefined)}
        />
      )}
      {asked === "remove" && (
        <Confirm
          title={t().webhookRemoveTitle}
          text={t().webhookRemoveText}
          go={t().webhookRemove}
          action={() => set(null)}
          onClose={() => ask(undefined)}
        />
      )}
    </section>
  );
}

interface DeliveriesProps {
  /** The delivery that was just begun by a test. */
  newest: Delivery | undefined;
  replayable: boolean;
}

function Deliveries({ newest, replayable }: DeliveriesProps) {
  const [items, setItems] = useState<readonly Delivery[]>([]);
  const [older, setOlder] = useState<string | null>(null);
  const shown = useRef(PAGE);
  const load = async () => {
    const page = await call("get", "/auth/me/webhook-deliveries", { query: { limit: shown.current } });
    setItems(page.items);
    setOlder(page.next_cursor ?? null);
  };
  const [refresh, busy, error] = useAction(load);
  useEffect(refresh, [newest]);
  // The list is loaded again when the next attempt is due, until no delivery is pending.
  const due = items.flatMap(({ status, next_attempt_at: at }) =>
    status !== "pending" ? [] : [at == null ? 0 : new Date(at).getTime() - Date.now()],
  );
  const soonest =
    due.length === 0 ? undefined : Math.min(60_000, Math.max(1500, ...due.map((it) => it + 500)));
  useEffect(() => {
    if (soonest === undefined) return;
    const timer = setTimeout(() => void load().catch(() => {}), soonest);
    return () => clearTimeout(timer);
  }, [items]);
  const [more, loading, moreError] = useAction(async () => {
    shown.current = Math.min(100, shown.current + 3 * PAGE);
    await load();
  });
  if (items.length === 0) return <Trouble error={error} />;
  return (
    <>
      <div class="beside">
        <h3>{t().deliveries}</h3>
        <Button kind="quiet" icon="retry" busy={busy} onClick={refresh}>
          {t().refresh}
        </Button>
      </div>
      <ul class="rows">
        {items.map((delivery) => (
          <DeliveryRow key={delivery.id} delivery={delivery} replayable={replayable} reload={load} />
        ))}
      </ul>
      <Trouble error={error ?? moreError} />
      {older !== null && shown.current < 100 && (
        <div class="older">
          <Button onClick={more} busy={loading}>
            {t().olderDeliveries}
          </Button>
        </div>
      )}
    </>
  );
}

const ICONS: Record<Delivery["status"], IconName> = { pending: "clock", delivered: "check", failed: "alert" };

interface RowProps {
  delivery: Delivery;
  replayable: boolean;
  reload: () => Promise<void>;
}

function DeliveryRow({ delivery, replayable, reload }: RowProps) {
  const { id, event, status, created_at, attempts, next_attempt_at, video_id } = delivery;
  const [replay, busy, error] = useAction(async () => {
    await call("post", "/auth/me/webhook-deliveries/{id}/replay", { path: { id } });
    await reload();
  });
  const name = (t()[`event_${event}` as keyof Messages] as string | undefined) ?? event;
  const facts = [
    ago(created_at),
    t().tries(attempts.length),
    status === "pending" && next_attempt_at ? t().nextTry(ago(next_attempt_at)) : "",
  ];
  return (
    <li class="row" data-delivery={status}>
      <div class="row-head">
        <p class="row-name">{video_id == null ? name : <a href={`#/videos/${video_id}`}>{name}</a>}</p>
        <span class={`badge ${status}`}>
          <Icon name={ICONS[status]} />
          {t()[`delivery_${status}`]}
        </span>
      </div>
      <details class="tries">
        <summary class="help">{facts.filter(Boolean).join(" · ")}</summary>
        <ol>
          {attempts.map((attempt) => (
            <li key={attempt.at}>
              {when(attempt.at)}:{" "}
              {attempt.error ? <ServiceText text={attempt.error} /> : t().answered(attempt.status ?? 0)}
            </li>
          ))}
        </ol>
        <p class="mono">webhook-id: {id}</p>
      </details>
      <Trouble error={error} />
      {replayable && status !== "pending" && (
        <div class="row-actions">
          <Button kind="quiet" icon="retry" busy={busy} of={`${name} ${when(created_at)}`} onClick={replay}>
            {t().replay}
          </Button>
        </div>
      )}
    </li>
  );
}
