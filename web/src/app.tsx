// The frame around the views: who may see which, and the head of the page.
import { effect, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { choose, LANGUAGES, type Language, language, t } from "./i18n";
import { lazy } from "./lazy";
import { loadPart } from "./load-part";
import { go, route } from "./router";
import { ended, loadAccount, reader, signedIn, signOut } from "./session";
import { type Theme, theme } from "./theme";
import { Icon, Logo, Trouble } from "./ui";
import { uploads } from "./uploads";
import { news, reachable, watch } from "./videos";
import { AuthView } from "./views/auth";
import { statusText } from "./views/status";
import { VideoView } from "./views/video";
import { VideosView } from "./views/videos";

const ForgotView = lazy(async () => (await import("./views/links")).ForgotView);
const ResetView = lazy(async () => (await import("./views/links")).ResetView);
const VerifyView = lazy(async () => (await import("./views/links")).VerifyView);
const PluginsView = lazy(async () => (await import("./views/plugins")).PluginsView);
const AccountView = lazy(async () => (await import("./views/account")).AccountView);

effect(() => {
  const names = {
    videos: t().videos,
    video: t().details,
    plugins: t().plugins,
    account: t().account,
  } as Record<string, string>;
  const links = { forgot: t().forgotTitle, reset: t().resetTitle, verify: t().verifyTitle } as Record<
    string,
    string
  >;
  const { view: shown } = route.value;
  const view = links[shown] ?? (signedIn.value ? names[shown] : t().signIn);
  document.title = view === undefined ? "Framelift" : `${view} – Framelift`;
});

export function App() {
  const { view } = route.value;
  const open = view === "sign-in" || view === "sign-up";
  useEffect(() => {
    // Any other address stays, so that it is shown after signing in.
    if (signedIn.value && open) go("/");
  }, [signedIn.value, open]);
  return (
    <>
      <button type="button" class="skip" onClick={skip}>
        {t().skip}
      </button>
      <Head />
      <main id="main" tabIndex={-1}>
        <Trouble error={languageError.value} />
        <View />
      </main>
      <footer class="foot">
        <a href="/docs">{t().documentation}</a>
      </footer>
    </>
  );
}

/** Links of e-mails work whether or not somebody is signed in. */
function View() {
  const { value: shown } = route;
  if (shown.view === "forgot") return <ForgotView />;
  if (shown.view === "reset") return <ResetView token={shown.token} />;
  if (shown.view === "verify") return <VerifyView token={shown.token} />;
  // While the sign-in form is shown, what was typed when the session ended stays, hidden.
  const inside = signedIn.value || ended.value;
  return (
    <>
      {inside && (
        <div key={reader.value} hidden={!signedIn.value}>
          <Inside />
        </div>
      )}
      {!signedIn.value && <AuthView />}
    </>
  );
}

function skip() {
  document.getElementById("main")?.focus();
}

function Inside() {
  const { value: shown } = route;
  useEffect(watch, []);
  useEffect(() => {
    if (signedIn.value) loadAccount().catch(() => {});
  }, [signedIn.value]);
  return (
    <>
      {!reachable.value && (
        <p class="offline" role="status">
          <Icon name="alert" />
          {t().unreachable}
        </p>
      )}
      <p class="unseen" aria-live="polite">
        {news.value && t().news(news.value.file_name, statusText(news.value))}
      </p>
      {shown.view === "account" ? (
        <AccountView />
      ) : shown.view === "plugins" ? (
        <PluginsView />
      ) : shown.view === "video" ? (
        <VideoView key={shown.id} id={shown.id} frame={shown.frame} />
      ) : (
        <VideosView />
      )}
    </>
  );
}

function Head() {
  const current = (view: string) => (route.value.view === view ? "page" : undefined);
  return (
    <header class={signedIn.value ? "head signed-in" : "head"}>
      <a class="brand" href="#/" aria-label="Framelift">
        <Logo />
        <span>Framelift</span>
      </a>
      <nav aria-label="Framelift">
        {signedIn.value && (
          <>
            <a href="#/" aria-current={current("videos")}>
              <Icon name="film" />
              <span>{t().videos}</span>
            </a>
            <a href="#/plugins" aria-current={current("plugins")}>
              <Icon name="plug" />
              <span>{t().plugins}</span>
            </a>
            <a href="#/account" aria-current={current("account")}>
              <Icon name="user" />
              <span>{t().account}</span>
            </a>
          </>
        )}
        <Preferences />
        {signedIn.value && (
          <button type="button" class="icon-button" title={t().signOut} onClick={leave}>
            <Icon name="out" />
            <span class="unseen">{t().signOut}</span>
          </button>
        )}
      </nav>
    </header>
  );
}

function leave() {
  if (uploads.value.length > 0 && !confirm(t().leaveUploads)) return;
  void signOut();
}

/** Why the texts of the chosen language could not be loaded. */
const languageError = signal<unknown>(undefined);

async function changeLanguage(select: HTMLSelectElement) {
  languageError.value = undefined;
  try {
    await loadPart(() => choose(select.value as Language));
  } catch (error) {
    languageError.value = error;
    select.value = language.value;
  }
}

function Preferences() {
  return (
    <>
      <label class="picker" title={t().language}>
        <Icon name="globe" />
        <span class="unseen">{t().language}</span>
        <select value={language.value} onChange={(event) => void changeLanguage(event.currentTarget)}>
          {LANGUAGES.map(({ code, name }) => (
            <option key={code} value={code} lang={code} selected={code === language.value}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label class="picker" title={t().theme}>
        <Icon name="sun" />
        <span class="unseen">{t().theme}</span>
        <select
          value={theme.value}
          onChange={(event) => {
            theme.value = event.currentTarget.value as Theme;
          }}
        >
          <option value="system">{t().themeSystem}</option>
          <option value="light">{t().themeLight}</option>
          <option value="dark">{t().themeDark}</option>
        </select>
      </label>
    </>
  );
}
