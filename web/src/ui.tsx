// The parts that views are made of.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { describe } from "./errors";
import { language, t } from "./i18n";
import { signedIn } from "./session";

const PATHS = {
  film: "M4 5h16v14H4zM8 5v14M16 5v14M4 9.7h4M4 14.3h4M16 9.7h4M16 14.3h4",
  upload: "M12 16V4m0 0L7 9m5-5 5 5M4 17v3h16v-3",
  download: "M12 4v12m0 0-5-5m5 5 5-5M4 17v3h16v-3",
  pause: "M8 5v14M16 5v14",
  play: "M7 4.5v15l12-7.5z",
  retry: "M20 12a8 8 0 1 1-2.5-5.8M20 4v4.5h-4.5",
  cross: "M6 6l12 12M18 6 6 18",
  trash: "M5 7h14M10 7V4.5h4V7M7 7l1 13h8l1-13",
  check: "M5 12.5 10 17.5 19.5 7",
  alert: "M12 8.5v5m0 3v.2M12 3.5 2.5 20h19z",
  info: "M12 11v5.5m0-9v.2M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0",
  clock: "M12 7v5l3.5 2M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0",
  back: "M19 12H5m0 0 6-6m-6 6 6 6",
  forth: "M5 12h14m0 0-6-6m6 6-6 6",
  sliders: "M4 7h9m4 0h3M4 17h3m4 0h9M15 4.8v4.4M9 14.8v4.4",
  user: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8M4.5 20.5c1-4 4-5.5 7.5-5.5s6.5 1.5 7.5 5.5",
  out: "M10 4H5v16h5M15 8l4 4-4 4M19 12H9",
  copy: "M9 9h11v11H9zM15 9V4H4v11h5",
  plug: "M9 3v5M15 3v5M6.5 8h11v3.5a5.5 5.5 0 0 1-11 0zM12 17v4",
  up: "M12 19V5m0 0-6 6m6-6 6 6",
  down: "M12 5v14m0 0-6-6m6 6 6-6",
  plus: "M12 5v14M5 12h14",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8M12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4",
  globe:
    "M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0M3 12h18M12 3c3 3 3.5 6 3.5 9s-.5 6-3.5 9c-3-3-3.5-6-3.5-9S9 6 12 3",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 32 32" aria-hidden="true">
      <rect class="logo-ground" width="32" height="32" rx="8" />
      <rect class="logo-back" x="6" y="14" width="14" height="11" rx="2.5" />
      <rect class="logo-middle" x="9" y="10.5" width="14" height="11" rx="2.5" />
      <rect class="logo-front" x="12" y="7" width="14" height="11" rx="2.5" />
    </svg>
  );
}

interface ButtonProps {
  children: ComponentChildren;
  kind?: "primary" | "plain" | "danger" | "quiet";
  icon?: IconName;
  type?: "button" | "submit";
  busy?: boolean;
  disabled?: boolean;
  /** What it acts on: screen readers read it after the button's text. */
  of?: string;
  /** Shows the icon alone. */
  terse?: boolean;
  onClick?: () => unknown;
}

export function Button({
  children,
  kind = "plain",
  icon,
  type = "button",
  busy,
  disabled,
  of,
  terse,
  onClick,
}: ButtonProps) {
  return (
    <button
      type={type}
      class={`button ${kind}`}
      title={terse ? String(children) : undefined}
      disabled={disabled || busy}
      aria-busy={busy}
      onClick={onClick}
    >
      {icon && <Icon name={icon} />}
      <span class={terse ? "unseen" : undefined}>{children}</span>
      {of && <span class="unseen"> {of}</span>}
    </button>
  );
}

interface FieldProps {
  label: string;
  value: string;
  onInput: (value: string) => void;
  help?: string | undefined;
  fault?: ComponentChildren;
  type?: JSX.InputHTMLAttributes["type"];
  autocomplete?: string;
  inputMode?: "decimal" | "numeric" | "text" | "email";
  rows?: number;
  placeholder?: string;
  disabled?: boolean;
  unit?: string;
}

/** An input with its label, help and fault, tied together for screen readers. */
export function Field({ label, value, onInput, help, fault, rows, unit, ...rest }: FieldProps) {
  const id = useId();
  const [shown, show] = useState(false);
  const about = [help && `${id}-help`, fault && `${id}-fault`].filter(Boolean).join(" ");
  const common = {
    id,
    value,
    "aria-invalid": fault !== undefined,
    ...(about !== "" && { "aria-describedby": about }),
    onInput: (event: JSX.TargetedInputEvent<HTMLInputElement | HTMLTextAreaElement>) =>
      onInput(event.currentTarget.value),
  };
  const secret = rest.type === "password";
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <div class={`input${unit || secret ? " with-end" : ""}`}>
        {rows === undefined ? (
          <input
            {...rest}
            {...common}
            type={secret && shown ? "text" : (rest.type ?? "text")}
            spellcheck={false}
          />
        ) : (
          <textarea {...common} rows={rows} placeholder={rest.placeholder ?? ""} spellcheck={false} />
        )}
        {unit && (
          <span class="unit" aria-hidden="true">
            {unit}
          </span>
        )}
        {secret && (
          <button type="button" class="reveal" aria-pressed={shown} onClick={() => show(!shown)}>
            <span class="unseen">{t().showPassword}</span>
            <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
              <path d="M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12M12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6" />
              {!shown && <path d="M4 20 20 4" />}
            </svg>
          </button>
        )}
      </div>
      {help && (
        <p class="help" id={`${id}-help`}>
          {help}
        </p>
      )}
      {fault && (
        <p class="fault" id={`${id}-fault`}>
          {fault}
        </p>
      )}
    </div>
  );
}

interface ChoiceProps<V extends string> {
  label: string;
  value: V;
  options: readonly { value: V; label: string }[];
  onChange: (value: V) => void;
  help?: string | undefined;
}

export function Choice<V extends string>({ label, value, options, onChange, help }: ChoiceProps<V>) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <div class="input select">
        <select
          id={id}
          value={value}
          aria-describedby={help ? `${id}-help` : undefined}
          onChange={(event) => onChange(event.currentTarget.value as V)}
        >
          {options.map((option) => (
            <option key={option.value} value={option.value} selected={option.value === value}>
              {option.label}
            </option>
          ))}
        </select>
      </div>
      {help && (
        <p class="help" id={`${id}-help`}>
          {help}
        </p>
      )}
    </div>
  );
}

interface SwitchProps {
  label: string;
  checked: boolean;
  onChange: (checked: boolean) => void;
  help?: string;
  disabled?: boolean;
}

export function Switch({ label, checked, onChange, help, disabled }: SwitchProps) {
  const id = useId();
  return (
    <div class="switch">
      <input
        id={id}
        type="checkbox"
        checked={checked}
        disabled={disabled}
        aria-describedby={help ? `${id}-help` : undefined}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
      <div>
        <label for={id}>{label}</label>
        {help && (
          <p class="help" id={`${id}-help`}>
            {help}
          </p>
        )}
      </div>
    </div>
  );
}

/** An error in words: what happened, and what to do. */
export function Trouble({ error }: { error: unknown }) {
  if (error === undefined || error === null) return null;
  const { text, details, reference, reload } = describe(error);
  return (
    <div class="notice bad" role="alert">
      <Icon name="alert" />
      <div>
        <p>{text}</p>
        {details.length > 0 && (
          <ul>
            {details.map((detail) => (
              <li key={detail}>
                <ServiceText text={detail} />
              </li>
            ))}
          </ul>
        )}
        {reference && <p class="help">{t().errorId(reference)}</p>}
        {reload && (
          <Button icon="retry" onClick={() => location.reload()}>
            {t().reload}
          </Button>
        )}
      </div>
    </div>
  );
}

/** A text in the service's own words, which are English. There is no code by which the page could translate it. */
export function ServiceText({ text }: { text: string }) {
  return (
    <>
      {language.value !== "en" && `${t().inEnglish} `}
      <span lang="en">{text}</span>
    </>
  );
}

export function Notice({ kind, children }: { kind: "good" | "info" | "warn"; children: ComponentChildren }) {
  return (
    <div class={`notice ${kind}`} role="status">
      <Icon name={kind === "good" ? "check" : kind === "info" ? "info" : "alert"} />
      <div>{children}</div>
    </div>
  );
}

/** Copies a text; false if the browser does not allow that: over plain HTTP, or because the user has denied it. */
export async function copyText(text: string): Promise<boolean> {
  if (navigator.clipboard === undefined) return false;
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

interface CopyableProps {
  label: string;
  text: string;
  /** Whether copying was tried and not allowed. */
  denied?: boolean;
}

/** A text to take elsewhere, with a button that copies it. Where that is not allowed, it is selected. */
export function Copyable({ label, text, denied = false }: CopyableProps) {
  const id = useId();
  const [outcome, setOutcome] = useState<"copied" | "denied" | undefined>(denied ? "denied" : undefined);
  const input = useRef<HTMLInputElement>(null);
  const select = () => input.current?.select();
  useEffect(() => {
    if (outcome === "denied") select();
  }, [outcome, text]);
  return (
    <>
      <div class="copyable">
        <label class="unseen" for={id}>
          {label}
        </label>
        <input ref={input} id={id} class="mono" readOnly value={text} onFocus={select} />
        <Button
          icon={outcome === "copied" ? "check" : "copy"}
          onClick={async () => {
            select();
            setOutcome((await copyText(text)) ? "copied" : "denied");
          }}
        >
          {outcome === "copied" ? t().copied : t().copy}
        </Button>
      </div>
      {outcome === "denied" && (
        <p class="help" role="status">
          {t().copyDenied}
        </p>
      )}
    </>
  );
}

interface BarProps {
  label: string;
  /** 0 to 100; none while that is not known. */
  percent: number | undefined;
  paused?: boolean;
}

export function Bar({ label, percent, paused }: BarProps) {
  return (
    <progress
      class={paused ? "bar paused" : "bar"}
      aria-label={label}
      max={100}
      {...(percent !== undefined && { value: Math.round(percent) })}
    />
  );
}

interface DialogProps {
  title: string;
  children: ComponentChildren;
  onClose: () => void;
  wide?: boolean;
}

/** A modal dialog, while it is shown. */
export function Dialog({ title, children, onClose, wide }: DialogProps) {
  const id = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  // Hidden while the sign-in form is shown, after the service has ended the session.
  const shown = signedIn.value;
  const left = useRef(false);
  useEffect(() => {
    if (shown) dialog.current?.showModal();
    else dialog.current?.close();
  }, [shown]);
  useEffect(() => {
    const element = dialog.current;
    return () => {
      left.current = true;
      // Gives the focus back to where it was before.
      element?.close();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      class={wide ? "wide" : ""}
      aria-labelledby={id}
      onClose={() => signedIn.value && !left.current && onClose()}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <header>
        <h2 id={id}>{title}</h2>
        <button type="button" class="icon-button" onClick={onClose}>
          <Icon name="cross" />
          <span class="unseen">{t().close}</span>
        </button>
      </header>
      {children}
    </dialog>
  );
}

interface ConfirmProps {
  title: string;
  text: string;
  go: string;
  /** Does what was asked. Returns true if the dialog stays, to show the outcome. */
  action: () => Promise<unknown>;
  /** The label of the button that closes the dialog once the outcome is shown. */
  done?: string;
  onClose: () => void;
  children?: ComponentChildren;
}

/** Asks before something is done that cannot be undone. */
export function Confirm({ title, text, go, action, done, onClose, children }: ConfirmProps) {
  const [run, busy, error] = useAction(async () => {
    if ((await action()) !== true) onClose();
  });
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          run();
        }}
      >
        <p>{text}</p>
        {children}
        <Trouble error={error} />
        <footer>
          <Button onClick={onClose}>{done ?? t().keepIt}</Button>
          {done === undefined && (
            <Button kind="danger" type="submit" busy={busy}>
              {go}
            </Button>
          )}
        </footer>
      </form>
    </Dialog>
  );
}

/** Runs an asynchronous action: returns the function that starts it, whether it is running, and its error. */
export function useAction(action: () => Promise<void>): [() => void, boolean, unknown] {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(undefined);
  const begun = useRef(false);
  const run = () => {
    if (begun.current) return;
    begun.current = true;
    setBusy(true);
    setError(undefined);
    const inside = signedIn.value;
    action()
      // The sign-in form says that the session has ended.
      .catch((problem) => (inside && !signedIn.value) || setError(problem))
      .finally(() => {
        begun.current = false;
        setBusy(false);
      });
  };
  return [run, busy, error];
}

/** The heading of a view; takes the focus when the view is shown. */
export function Heading({ children }: { children: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  return (
    <h1 ref={heading} tabIndex={-1}>
      {children}
    </h1>
  );
}
