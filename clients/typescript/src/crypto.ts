// Web Crypto, which Node.js 18 has, but not as a global.

const module: string = "node:crypto";

export const crypto: Crypto = globalThis.crypto ?? (await import(module)).webcrypto;
