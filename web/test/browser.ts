// What the modules of the page need of a browser. All test files share it, because they run in one process.

/** As the browser's: entries are the object's own properties. */
const storage: Storage = Object.create({
  getItem(this: Record<string, string>, key: string) {
    return this[key] ?? null;
  },
  setItem(this: Record<string, string>, key: string, value: string) {
    this[key] = value;
  },
  removeItem(this: Record<string, string>, key: string) {
    delete this[key];
  },
});

const listeners = new Map<string, Set<() => void>>();
const events = {
  addEventListener(name: string, listener: () => void) {
    listeners.set(name, (listeners.get(name) ?? new Set()).add(listener));
  },
  removeEventListener(name: string, listener: () => void) {
    listeners.get(name)?.delete(listener);
  },
};

/** The document; `hidden` can be set. */
export const page = { hidden: false, querySelector: () => null, ...events };
Object.assign(globalThis, { localStorage: storage, document: page, ...events });
// Node.js 20 has none.
globalThis.navigator ??= {} as Navigator;

export function dispatch(name: string) {
  for (const listener of listeners.get(name) ?? []) listener();
}

export const listenerCount = () => [...listeners.values()].reduce((sum, { size }) => sum + size, 0);

/** Lets everything run that waits for nothing outside. */
export const settle = () => new Promise((resolve) => setImmediate(resolve));

/** The answer to a login or refresh of that account. */
export function tokens(account: string) {
  const payload = Buffer.from(JSON.stringify({ sub: account })).toString("base64url");
  return Response.json({ access_token: `h.${payload}.s`, expires_in: 3600, refresh_token: `of ${account}` });
}
