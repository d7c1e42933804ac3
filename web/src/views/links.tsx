// The views behind links in e-mails: a new password, a confirmed address; and the view that asks for such a link.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ApiError, call } from "../api";
import { t } from "../i18n";
import { go } from "../router";
import { endedElsewhere, loadAccount, refresh, signedIn, typedEmail } from "../session";
import { Button, Field, Heading, Notice, Trouble, useAction } from "../ui";

const isBroken = (error: unknown) =>
  error instanceof ApiError && (error.code === "invalid-token" || error.code === "validation-failed");

function Card({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <div class="alone">
      <section class="card">
        <Heading>{title}</Heading>
        {children}
      </section>
    </div>
  );
}

const SignIn = () => (
  <Button kind="primary" onClick={() => go("/sign-in")}>
    {t().backToSignIn}
  </Button>
);

export function ForgotView() {
  const email = typedEmail.value;
  const [tried, setTried] = useState(false);
  const [sent, setSent] = useState<string | undefined>(undefined);
  const typed = email.trim();
  const fault = /^[^@\s]+@[^@\s]+$/.test(typed) ? undefined : t().emailWrong;
  const [run, busy, error] = useAction(async () => {
    await call("post", "/auth/password/reset-request", { body: { email: typed } });
    setSent(typed);
  });
  return (
    <Card title={t().forgotTitle}>
      {sent !== undefined ? (
        <>
          <Notice kind="info">{t().forgotSent(sent)}</Notice>
          <SignIn />
        </>
      ) : (
        <form
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            setTried(true);
            if (fault === undefined) run();
          }}
        >
          <p>{t().forgotText}</p>
          <Field
            label={t().email}
            value={email}
            onInput={(value) => {
              typedEmail.value = value;
            }}
            fault={tried ? fault : undefined}
            type="email"
            inputMode="email"
            autocomplete="username"
          />
          <Trouble error={error} />
          <Button kind="primary" type="submit" busy={busy}>
            {t().forgotGo}
          </Button>
          <a class="aside" href="/#/sign-in">
            {t().backToSignIn}
          </a>
        </form>
      )}
    </Card>
  );
}

export function ResetView({ token }: { token: string }) {
  const [password, setPassword] = useState("");
  const [tried, setTried] = useState(false);
  const [done, setDone] = useState(false);
  const length = [...password].length;
  const fault = length < 10 ? t().passwordShort : length > 128 ? t().passwordLong : undefined;
  const [run, busy, error] = useAction(async () => {
    await call("post", "/auth/password/reset", { body: { token, password } });
    endedElsewhere(token);
    setDone(true);
  });
  const broken = token === "" || (error instanceof ApiError && error.code === "invalid-token");
  return (
    <Card title={t().resetTitle}>
      {done ? (
        <>
          <Notice kind="good">{t().resetDone}</Notice>
          <SignIn />
        </>
      ) : broken ? (
        <>
          <Notice kind="warn">{t().linkBroken}</Notice>
          <Button kind="primary" onClick={() => go("/forgot")}>
            {t().newLink}
          </Button>
        </>
      ) : (
        <form
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            setTried(true);
            if (fault === undefined) run();
          }}
        >
          <p>{t().resetText}</p>
          <Field
            label={t().newPassword}
            value={password}
            onInput={setPassword}
            help={t().passwordHelp}
            fault={tried ? fault : undefined}
            type="password"
            autocomplete="new-password"
          />
          <Trouble error={error} />
          <Button kind="primary" type="submit" busy={busy}>
            {t().resetGo}
          </Button>
        </form>
      )}
    </Card>
  );
}

export function VerifyView({ token }: { token: string }) {
  const [done, setDone] = useState(false);
  const [run, , error] = useAction(async () => {
    await call("post", "/auth/verify", { body: { token } });
    setDone(true);
    if (!signedIn.value) return;
    // The current access token still says that the address is not confirmed.
    await refresh();
    await loadAccount();
  });
  useEffect(() => {
    if (token !== "") run();
  }, [token]);
  const broken = token === "" || isBroken(error);
  return (
    <Card title={t().verifyTitle}>
      {done ? (
        <Notice kind="good">{t().verifyDone}</Notice>
      ) : broken ? (
        <Notice kind="warn">
          {t().linkBroken} {t().verifyAgain}
        </Notice>
      ) : error === undefined ? (
        <p role="status">{t().verifyRuns}</p>
      ) : (
        <>
          <Trouble error={error} />
          <Button icon="retry" onClick={run}>
            {t().tryAgain}
          </Button>
        </>
      )}
      {(done || broken) && (
        <Button kind="primary" onClick={() => go(signedIn.value && !done ? "/account" : "/")}>
          {t().goOn}
        </Button>
      )}
    </Card>
  );
}
