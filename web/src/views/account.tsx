// The account: name, usage, notices, webhook, password, sessions, and its end.
import { useEffect, useRef, useState } from "preact/hooks";
import { type Account, call, holding, type Session } from "../api";
import { ago, when } from "../format";
import { t } from "../i18n";
import { go } from "../router";
import { account, forgetAccount, keepAccount, loadAccount } from "../session";
import { Button, Confirm, Field, Heading, Notice, Switch, Trouble, useAction } from "../ui";
import { Usage } from "./quotas";
import { Webhook } from "./webhook";

export function AccountView() {
  const error = useLoad(loadAccount);
  const known = account.value;
  return (
    <div class="column">
      <Heading>{t().account}</Heading>
      <Trouble error={error} />
      {known === null ? (
        <p role="status">{t().loading}</p>
      ) : (
        <>
          <Profile account={known} />
          <Usage account={known} />
          <Notices account={known} />
          <Webhook account={known} />
          <Password />
          <Sessions />
          <End account={known} />
        </>
      )}
    </div>
  );
}

/** Loads something when the view is opened; returns the error if that fails. */
function useLoad(load: () => Promise<unknown>): unknown {
  const [error, setError] = useState<unknown>(undefined);
  useEffect(() => {
    load().catch(setError);
  }, []);
  return error;
}

/** Asks to confirm the e-mail address, and sends another link for that. */
function Unconfirmed() {
  const [sent, setSent] = useState(false);
  const [run, busy, error] = useAction(async () => {
    await call("post", "/auth/verify/resend");
    setSent(true);
  });
  if (sent) return <Notice kind="good">{t().verifySent}</Notice>;
  return (
    <>
      <div class="beside">
        <p class="help">{t().unconfirmed}</p>
        <Button kind="quiet" busy={busy} onClick={run}>
          {t().verifySend}
        </Button>
      </div>
      <Trouble error={error} />
    </>
  );
}

function Profile({ account: { name, email, email_verified, created_at } }: { account: Account }) {
  const [typed, type] = useState(name);
  const [saved, setSaved] = useState(false);
  const [run, busy, error] = useAction(async () => {
    keepAccount(await call("patch", "/auth/me", { body: { name: typed.trim() } }));
    setSaved(true);
  });
  const fault = typed.trim() === "" ? t().nameMissing : undefined;
  return (
    <section class="card">
      <h2>{t().profile}</h2>
      <p class="help">
        {email} · {t().memberSince(when(created_at))}
      </p>
      {email_verified === false && <Unconfirmed />}
      <form
        class="inline"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (fault === undefined) run();
        }}
      >
        <Field
          label={t().name}
          value={typed}
          fault={fault}
          autocomplete="name"
          onInput={(value) => {
            setSaved(false);
            type(value);
          }}
        />
        <Button type="submit" busy={busy} disabled={typed.trim() === name}>
          {t().save}
        </Button>
      </form>
      {saved && <Notice kind="good">{t().saved}</Notice>}
      <Trouble error={error} />
    </section>
  );
}

type Notified = { email?: boolean; email_on_completion?: boolean };

function Notices({ account: { notifications } }: { account: Account }) {
  /** Switches that are not saved yet. */
  const [switched, setSwitched] = useState<Notified>({});
  const [error, setError] = useState<unknown>(undefined);
  const unsaved = useRef<Notified>({});
  const saving = useRef(false);
  // Each change is saved at once, one call after the other.
  const save = async () => {
    if (saving.current) return;
    saving.current = true;
    setError(undefined);
    try {
      while (Object.keys(unsaved.current).length > 0) {
        const changes = unsaved.current;
        unsaved.current = {};
        keepAccount(await call("patch", "/auth/me", { body: { notifications: changes } }));
      }
    } catch (problem) {
      setError(problem);
    } finally {
      unsaved.current = {};
      saving.current = false;
      setSwitched({});
    }
  };
  const change = (fields: Notified) => {
    setSwitched((before) => ({ ...before, ...fields }));
    unsaved.current = { ...unsaved.current, ...fields };
    void holding(save());
  };
  return (
    <section class="card">
      <h2>{t().notices}</h2>
      <p class="help">{t().noticesHelp}</p>
      <Switch
        label={t().noticeFailed}
        checked={switched.email ?? notifications.email}
        onChange={(email) => change({ email })}
      />
      <Switch
        label={t().noticeDone}
        checked={switched.email_on_completion ?? notifications.email_on_completion ?? false}
        onChange={(email_on_completion) => change({ email_on_completion })}
      />
      <Trouble error={error} />
    </section>
  );
}

function Password() {
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const [tried, setTried] = useState(false);
  const [done, setDone] = useState(false);
  const length = [...next].length;
  const faults = {
    current: current === "" ? t().passwordMissing : undefined,
    next: length < 10 ? t().passwordShort : length > 128 ? t().passwordLong : undefined,
  };
  const [run, busy, error] = useAction(async () => {
    await call("post", "/auth/me/password", { body: { password: current, new_password: next } });
    setCurrent("");
    setNext("");
    setTried(false);
    setDone(true);
  });
  return (
    <section class="card">
      <h2>{t().passwordTitle}</h2>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          setTried(true);
          setDone(false);
          if (faults.current === undefined && faults.next === undefined) run();
        }}
      >
        <input
          class="unseen"
          type="email"
          autocomplete="username"
          value={account.value?.email ?? ""}
          readOnly
          tabIndex={-1}
          aria-hidden="true"
        />
        <Field
          label={t().currentPassword}
          value={current}
          type="password"
          autocomplete="current-password"
          onInput={setCurrent}
          fault={tried ? faults.current : undefined}
        />
        <Field
          label={t().newPassword}
          value={next}
          type="password"
          autocomplete="new-password"
          onInput={setNext}
          help={t().passwordHelp}
          fault={tried ? faults.next : undefined}
        />
        <Trouble error={error} />
        {done && <Notice kind="good">{t().passwordChanged}</Notice>}
        <Button type="submit" busy={busy}>
          {t().changePassword}
        </Button>
      </form>
    </section>
  );
}

function Sessions() {
  const [sessions, setSessions] = useState<readonly Session[]>([]);
  const load = async () => {
    const { items } = await call("get", "/auth/me/sessions");
    setSessions([...items].sort((a, b) => Number(b.current) - Number(a.current)));
  };
  const failed = useLoad(load);
  return (
    <section class="card">
      <h2>{t().sessions}</h2>
      <p class="help">{t().sessionsHelp}</p>
      <Trouble error={failed} />
      <ul class="rows">
        {sessions.map((session) => (
          <SessionRow key={session.id} session={session} reload={load} />
        ))}
      </ul>
    </section>
  );
}

function SessionRow({ session, reload }: { session: Session; reload: () => Promise<void> }) {
  const { id, current, last_used_at, created_at } = session;
  const [run, busy, error] = useAction(async () => {
    await call("delete", "/auth/me/sessions/{id}", { path: { id } });
    await reload();
  });
  const facts = [t().lastUsed(ago(last_used_at)), created_at ? t().startedAt(when(created_at)) : ""];
  return (
    <li class="row slim">
      <div>
        <p class="row-name">{current ? t().thisSession : t().otherSession}</p>
        <p class="help">{facts.filter(Boolean).join(" · ")}</p>
        <Trouble error={error} />
      </div>
      {!current && (
        <Button kind="quiet" icon="cross" busy={busy} onClick={run} of={facts.join(" ")}>
          {t().endSession}
        </Button>
      )}
    </li>
  );
}

function End({ account: { email } }: { account: Account }) {
  const [asked, ask] = useState(false);
  const [password, setPassword] = useState("");
  return (
    <section class="card danger-zone">
      <h2>{t().deleteAccount}</h2>
      <p>{t().deleteAccountText}</p>
      <Button kind="danger" icon="trash" onClick={() => ask(true)}>
        {t().deleteAccount}
      </Button>
      {asked && (
        <Confirm
          title={t().deleteAccountTitle}
          text={t().deleteAccountText}
          go={t().deleteAccountGo}
          action={async () => {
            await call("delete", "/auth/me", { body: { password } });
            forgetAccount(email);
            go("/");
          }}
          onClose={() => ask(false)}
        >
          <Field
            label={t().deleteAccountPassword}
            value={password}
            onInput={setPassword}
            type="password"
            autocomplete="current-password"
          />
        </Confirm>
      )}
    </section>
  );
}
