// Who is signed in. The access token is kept in memory, the refresh token in `localStorage`; docs/security.md says why.
import { batch, signal } from "@preact/signals";
import { type Account, ApiError, call, saved, type Tokens, unauthenticated } from "./api";

const REFRESH = "framelift.refresh_token";
/** The id of the account whose refresh token that is, or was until the service ended its session. */
const ACCOUNT = "framelift.account";
/** The last refresh token of each address: it shows that this device has signed in before. */
const DEVICE = "framelift.device.";
/** How long before its end an access token is renewed. */
const EARLY_MS = 60_000;

/** Whether somebody is signed in, in any tab of this browser. */
export const signedIn = signal(localStorage.getItem(REFRESH) !== null);
/** Whether the service has ended the session, so that the page can say so. */
export const ended = signal(false);
/** The id of the account that is signed in, or whose session the service has ended; empty while it is not known. */
export const accountId = signal(localStorage.getItem(ACCOUNT) ?? "");
/** Increases at each sign-out and each change of the account: what the page holds of one is not for the next. */
export const reader = signal(0);
/** The e-mail address as typed in the forms for signing in, signing up and a forgotten password. */
export const typedEmail = signal("");
/** Whether the account was just deleted on this page. */
export const deleted = signal(false);
/** The account, once it is loaded. */
export const account = signal<Account | null>(null);

let access: { token: string; until: number } | undefined;

addEventListener("storage", (event) => {
  if (event.key !== REFRESH && event.key !== null) return;
  const inside = localStorage.getItem(REFRESH) !== null;
  const id = localStorage.getItem(ACCOUNT) ?? "";
  batch(() => {
    if (id !== accountId.value || id === "") {
      leave();
      accountId.value = id;
      ended.value = false;
    } else if (!inside) {
      // The service has ended the session: a sign-out removes the account's id, too.
      if (signedIn.value) endedByService();
    } else ended.value = false;
    signedIn.value = inside;
  });
});

/** The account of an access token, which is a JWT; empty if it is none. */
function subjectOf(token: string): string {
  try {
    const payload = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    return String(JSON.parse(atob(payload)).sub ?? "");
  } catch {
    return "";
  }
}

function keep(tokens: Tokens): string {
  const id = subjectOf(tokens.access_token);
  batch(() => {
    // The session of a page from before ids were kept belongs to this account.
    if (accountId.value !== "" && id !== accountId.value) leave();
    accountId.value = id;
  });
  access = { token: tokens.access_token, until: Date.now() + tokens.expires_in * 1000 };
  // In this order: other tabs look at the account when the token changes.
  localStorage.setItem(ACCOUNT, id);
  localStorage.setItem(REFRESH, tokens.refresh_token);
  return tokens.access_token;
}

/** Clears everything that this tab holds of the account. */
function leave() {
  batch(() => {
    access = undefined;
    account.value = null;
    accountId.value = "";
    signedIn.value = false;
    reader.value += 1;
  });
}

/** Ends the session on this device. */
function forget() {
  localStorage.removeItem(ACCOUNT);
  localStorage.removeItem(REFRESH);
  leave();
}

/** The id of the account that is signed in. Throws where it is not known and the service does not tell. */
export async function owner(): Promise<string> {
  if (accountId.value === "") await refresh();
  if (accountId.value === "") throw new Error("the access token names no account");
  return accountId.value;
}

/** An access token that does not end soon. */
export async function accessToken(): Promise<string> {
  if (access !== undefined && access.until - Date.now() > EARLY_MS) return access.token;
  return refresh();
}

let refreshing: Promise<string> | undefined;

/** A new access token. One refresh at a time, in all tabs: a refresh token works once. */
export function refresh(): Promise<string> {
  const turn = async (work: () => Promise<string>): Promise<string> =>
    navigator.locks ? await navigator.locks.request("framelift.refresh", work) : work();
  if (refreshing !== undefined) return refreshing;
  const begun = turn(async () => {
    const token = localStorage.getItem(REFRESH);
    if (token === null) {
      leave();
      throw unauthenticated();
    }
    try {
      return keep(await call("post", "/auth/refresh", { body: { refresh_token: token } }));
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) signedOutByServer();
      throw error;
    }
  }).finally(() => {
    refreshing = undefined;
  });
  refreshing = begun;
  return begun;
}

/** The service has refused the session: the page asks to sign in and keeps what it holds for the same account. */
export function signedOutByServer() {
  endedByService();
  localStorage.removeItem(REFRESH);
}

function endedByService() {
  batch(() => {
    access = undefined;
    ended.value = signedIn.value;
    if (account.value !== null) typedEmail.value = account.value.email;
    account.value = null;
    signedIn.value = false;
  });
}

export async function signIn(email: string, password: string) {
  const device = DEVICE + email.toLowerCase();
  const known = mailedLink ?? localStorage.getItem(device);
  const body = known === null ? { email, password } : { email, password, refresh_token: known };
  const tokens = await call("post", "/auth/login", { body });
  mailedLink = undefined;
  keep(tokens);
  localStorage.setItem(device, tokens.refresh_token);
  batch(() => {
    ended.value = false;
    typedEmail.value = "";
    deleted.value = false;
    signedIn.value = true;
  });
}

export async function signUp(name: string, email: string, password: string) {
  await call("post", "/auth/register", { body: { name, email, password } });
  await signIn(email, password);
}

/** Ends the session here, and at the service if that answers. Waits for what is being saved. */
export async function signOut() {
  await saved();
  const token = localStorage.getItem(REFRESH);
  forget();
  if (token === null) return;
  try {
    await call("post", "/auth/logout", { body: { refresh_token: token } });
  } catch {
    // An unused session ends by itself.
  }
}

/** The token of the mailed link by which a new password was set here: the next login shows it, as one of a known device. */
let mailedLink: string | undefined;

/** After a new password was set by a link: all sessions of the account have ended. */
export function endedElsewhere(link: string) {
  mailedLink = link;
  ended.value = false;
  forget();
}

/** Removes a deleted account from this device. */
export function forgetAccount(email: string) {
  localStorage.removeItem(DEVICE + email.toLowerCase());
  const id = accountId.value;
  if (id !== "")
    for (const key of Object.keys(localStorage)) if (key.endsWith(`.${id}`)) localStorage.removeItem(key);
  deleted.value = true;
  forget();
}

export async function loadAccount(): Promise<Account> {
  const loaded = await call("get", "/auth/me");
  account.value = loaded;
  return loaded;
}

/** Stores the account as a change has answered it. The usage stays: only the answer to `GET` has it. */
export function keepAccount(changed: Account) {
  const { webhook_secret: _, ...rest } = changed;
  account.value = { quotas: account.value?.quotas ?? null, ...rest };
}
