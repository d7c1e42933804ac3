// A client of Framelift: send a video, get its frames. For browsers and Node.js, with nothing but `fetch`.

export { Client, type DownloadOptions, type FramesOptions, type UploadOptions } from "./client.js";
export { DamagedResult, FrameliftError, ProcessingFailed, Refused, Unreachable } from "./errors.js";
export type { Event } from "./events.js";
export type { Frame } from "./frames.js";
export { InvalidSignature, verify } from "./webhooks.js";
export type * from "./schema.js";
