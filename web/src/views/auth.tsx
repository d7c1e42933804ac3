// Signing in and signing up. What was typed stays when the form is switched or an attempt fails.
import { useState } from "preact/hooks";
import { t } from "../i18n";
import { go, route } from "../router";
import { deleted, ended, signIn, signUp, typedEmail } from "../session";
import { Button, Field, Heading, Icon, Notice, Trouble, useAction } from "../ui";

export function AuthView() {
  const making = route.value.view === "sign-up";
  const [name, setName] = useState("");
  const email = typedEmail.value;
  const [password, setPassword] = useState("");
  const [tried, setTried] = useState(false);
  const faults = {
    name: making && name.trim() === "" ? t().nameMissing : undefined,
    email: /^[^@\s]+@[^@\s]+\.?[^@\s]+$/.test(email.trim()) ? undefined : t().emailWrong,
    password:
      password === ""
        ? t().passwordMissing
        : making && [...password].length < 10
          ? t().passwordShort
          : making && [...password].length > 128
            ? t().passwordLong
            : undefined,
  };
  const [run, busy, error] = useAction(async () => {
    if (making) await signUp(name.trim(), email.trim(), password);
    else await signIn(email.trim(), password);
  });
  const submit = (event: Event) => {
    event.preventDefault();
    setTried(true);
    if (Object.values(faults).every((fault) => fault === undefined)) run();
    else setTimeout(() => document.querySelector<HTMLElement>("[aria-invalid=true]")?.focus());
  };
  const shown = (fault: string | undefined) => (tried ? fault : undefined);
  const turn = (path: string) => {
    setTried(false);
    go(path);
  };
  return (
    <div class="door">
      <section class="pitch">
        <p class="claim">{t().tagline}</p>
        <ul>
          {[t().pitch1, t().pitch2, t().pitch3].map((line) => (
            <li key={line}>
              <Icon name="check" />
              {line}
            </li>
          ))}
        </ul>
      </section>
      <section class="card">
        <Heading key={String(making)}>{making ? t().makeAccount : t().welcomeBack}</Heading>
        {ended.value && <Notice kind="info">{t().sessionEnded}</Notice>}
        {deleted.value && <Notice kind="good">{t().accountDeleted}</Notice>}
        <form onSubmit={submit} noValidate>
          {making && (
            <Field
              label={t().name}
              value={name}
              onInput={setName}
              fault={shown(faults.name)}
              autocomplete="name"
            />
          )}
          <Field
            label={t().email}
            value={email}
            onInput={(value) => {
              typedEmail.value = value;
            }}
            fault={shown(faults.email)}
            type="email"
            inputMode="email"
            autocomplete="username"
          />
          <Field
            label={t().password}
            value={password}
            onInput={setPassword}
            help={making ? t().passwordHelp : undefined}
            fault={shown(faults.password)}
            type="password"
            autocomplete={making ? "new-password" : "current-password"}
          />
          {!making && (
            <a class="aside" href="#/forgot">
              {t().forgot}
            </a>
          )}
          <Trouble error={error} />
          <Button kind="primary" type="submit" busy={busy}>
            {making ? t().signUp : t().signIn}
          </Button>
        </form>
        <p class="turn">
          {making ? t().haveAccount : t().noAccount}{" "}
          <button type="button" class="link" onClick={() => turn(making ? "/sign-in" : "/sign-up")}>
            {making ? t().signIn : t().signUp}
          </button>
        </p>
      </section>
    </div>
  );
}
