// Who is signed in. The access token is in memory alone; the refresh token outlives the tab, and
// docs/security.md says why it is where it is.
import { batch, signal } from "@preact/signals";
import { type Account, ApiError, call, saved, type Tokens } from "./api";

const REFRESH = "framelift.refresh_token";
/** The last refresh token of each address: it shows that this device has signed in before. */
const DEVICE = "framelift.device.";
/** An access token is renewed so long before it ends. */
const EARLY_MS = 60_000;

/** Whether somebody is signed in; kept in step with other tabs. */
export const signedIn = signal(localStorage.getItem(REFRESH) !== null);
/** Whether the service ended the login, so that the page can say so. */
export const ended = signal(false);
/** Whose session that was: who signs in again goes on where they were. */
export const endedFor = signal("");
/** Another number for each account that signs in here: what one has typed is not another's. */
export const reader = signal(0);
/** The address that is typed at the door, whichever of its views is shown. */
export const typedEmail = signal("");
/** Whether the account was just deleted here. */
export const deleted = signal(false);
/** The account, once it is read. */
export const account = signal<Account | null>(null);

let access: { token: string; until: number } | undefined;

addEventListener("storage", (event) => {
  if (event.key !== REFRESH && event.key !== null) return;
  access = undefined;
  const inside = localStorage.getItem(REFRESH) !== null;
  batch(() => {
    account.value = null;
    if (inside && !signedIn.value) {
      // It may be another account.
      reader.value += 1;
      ended.value = false;
    }
    signedIn.value = inside;
  });
});

function keep(tokens: Tokens): string {
  access = { token: tokens.access_token, until: Date.now() + tokens.expires_in * 1000 };
  localStorage.setItem(REFRESH, tokens.refresh_token);
  return tokens.access_token;
}

function forget() {
  access = undefined;
  account.value = null;
  localStorage.removeItem(REFRESH);
  signedIn.value = false;
}

/** An access token that is good for a while. */
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
      signedIn.value = false;
      throw new ApiError(
        { type: "", title: "", status: 401, detail: "", code: "unauthenticated", correlation_id: "" },
        undefined,
      );
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

/** The service takes the login no more. */
export function signedOutByServer() {
  const email = account.value?.email ?? "";
  batch(() => {
    ended.value = signedIn.value;
    endedFor.value = email;
    if (email !== "") typedEmail.value = email;
    forget();
  });
}

export async function signIn(email: string, password: string) {
  const device = DEVICE + email.toLowerCase();
  const known = localStorage.getItem(device);
  const body = known === null ? { email, password } : { email, password, refresh_token: known };
  const tokens = await call("post", "/auth/login", { body });
  keep(tokens);
  localStorage.setItem(device, tokens.refresh_token);
  batch(() => {
    if (email.toLowerCase() !== endedFor.value.toLowerCase()) reader.value += 1;
    ended.value = false;
    endedFor.value = "";
    typedEmail.value = "";
    deleted.value = false;
    signedIn.value = true;
  });
}

export async function signUp(name: string, email: string, password: string) {
  await call("post", "/auth/register", { body: { name, email, password } });
  await signIn(email, password);
}

/** Ends the login here, and at the service if that answers. What was just saved is not cut off by that. */
export async function signOut() {
  await saved();
  const token = localStorage.getItem(REFRESH);
  forget();
  if (token === null) return;
  try {
    await call("post", "/auth/logout", { body: { refresh_token: token } });
  } catch {
    // It ends by itself when it is not used any more.
  }
}

/** After a new password was set by a link: all logins of the account have ended. */
export function endedElsewhere() {
  ended.value = false;
  forget();
}

/** After the account is gone: nothing of it stays on this device. */
export function forgetAccount(email: string) {
  localStorage.removeItem(DEVICE + email.toLowerCase());
  deleted.value = true;
  forget();
}

export async function loadAccount(): Promise<Account> {
  const loaded = await call("get", "/auth/me");
  account.value = loaded;
  return loaded;
}

/** Takes over what a change of the account answered: the usage is in the answer to `GET` alone. */
export function keepAccount(changed: Account) {
  const { webhook_secret: _, ...rest } = changed;
  account.value = { quotas: account.value?.quotas ?? null, ...rest };
}
