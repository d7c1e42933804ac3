// The adapter to Uppy: the service owns the multipart upload, signs parts just in time and lists them.
import AwsS3 from "@uppy/aws-s3";
import Uppy from "@uppy/core";
import { call, type NewVideo, withRetries } from "./api";

export interface Events {
  progress(key: string, sent: number): void;
  /** The object store has received the whole file. */
  sent(key: string): void;
  failed(key: string, error: unknown): void;
}

export interface Item {
  key: string;
  /** The video. */
  id: string;
  file: File;
  /** Zero means one request, to the URL in `put`. */
  partSize: number;
  put: Extract<NewVideo["upload"], { method: "PUT" }> | undefined;
}

export interface Sender {
  send(item: Item): void;
  pause(key: string): void;
  resume(key: string): void;
  remove(key: string): void;
}

/** Parts that are signed by one call. */
const AHEAD = 8;
/** How long a signed URL is used. */
const FRESH_MS = 10 * 60_000;
const RETRY_DELAYS = [0, 1000, 3000, 5000, 10_000, 20_000, 30_000, 60_000];

export function createSender(events: Events): Sender {
  const items = new Map<string, Item>();
  const itemOf = (uppyId: string) => [...items.values()].find((item) => idOf(item.key) === uppyId);
  const partSizes = new WeakMap<object, number>();
  const urls = new Map<string, { url: Promise<string>; at: number }>();
  const uppy = new Uppy({ autoProceed: true, allowMultipleUploadBatches: true });

  /** The id of a file in Uppy. The ids that Uppy makes depend mostly on the file's name. */
  const ids = new Map<string, string>();
  const idOf = (key: string) => ids.get(key) ?? "";

  const parts = (id: string, from: number, to: number) =>
    withRetries(() => call("get", "/videos/{id}/upload-parts", { path: { id }, query: { from, to } }));

  function sign(id: string, number: number): Promise<string> {
    const known = urls.get(`${id}/${number}`);
    // Each URL is used once: a repeated request means that the store has refused it.
    urls.delete(`${id}/${number}`);
    if (known !== undefined && Date.now() - known.at < FRESH_MS) return known.url;
    const page = parts(id, number, number + AHEAD - 1);
    const urlOf = async (wanted: number) => {
      const part = (await page).parts.find((it) => it.number === wanted);
      if (part === undefined) throw new Error(`there is no part ${wanted}`);
      return part.url;
    };
    for (let ahead = number + 1; ahead < number + AHEAD; ahead += 1) {
      const url = urlOf(ahead);
      urls.set(`${id}/${ahead}`, { url, at: Date.now() });
      url.catch(() => urls.delete(`${id}/${ahead}`));
    }
    return urlOf(number);
  }

  uppy.use(AwsS3, {
    limit: 4,
    retryDelays: RETRY_DELAYS,
    shouldUseMultipart: (file) => (itemOf(file.id)?.partSize ?? 0) > 0,
    getChunkSize: (data) => partSizes.get(data) ?? 16 * 1024 * 1024,
    createMultipartUpload: async (file) => {
      const id = itemOf(file.id)?.id ?? "";
      return { uploadId: id, key: id };
    },
    listParts: async (_, { uploadId }) => {
      const page = await parts(uploadId ?? "", 1, 1);
      return page.uploaded.map((part) => ({ PartNumber: part.number, Size: part.size, ETag: part.etag }));
    },
    signPart: async (_, { uploadId, partNumber }) => ({
      method: "PUT",
      url: await sign(uploadId, partNumber),
    }),
    // The service itself aborts uploads and lists their parts.
    abortMultipartUpload: async () => {},
    completeMultipartUpload: async () => ({}),
    getUploadParameters: async (file) => {
      const put = itemOf(file.id)?.put;
      if (put === undefined) throw new Error("the upload was not announced");
      // Browsers set the length themselves and forbid setting it.
      const headers = Object.entries(put.headers).filter(([name]) => name.toLowerCase() !== "content-length");
      return { method: "PUT", url: put.url, headers: Object.fromEntries(headers) };
    },
  });
  uppy.on("upload-progress", (file, progress) => {
    const item = file && itemOf(file.id);
    if (item) events.progress(item.key, progress.bytesUploaded || 0);
  });
  uppy.on("upload-success", (file) => {
    const item = file && itemOf(file.id);
    if (!item) return;
    remove(item.key);
    events.sent(item.key);
  });
  uppy.on("upload-error", (file, error) => {
    const item = file && itemOf(file.id);
    if (item) events.failed(item.key, error);
  });

  function remove(key: string) {
    const id = idOf(key);
    items.delete(key);
    ids.delete(key);
    if (id !== "" && uppy.getFile(id)) uppy.removeFile(id);
  }

  return {
    send(item) {
      remove(item.key);
      // A copy, because Uppy attaches its state to the file object.
      const data = item.file.slice(0, item.file.size, item.file.type);
      partSizes.set(data, item.partSize);
      items.set(item.key, item);
      try {
        const file = { name: item.file.name, type: item.file.type, data, meta: { relativePath: item.key } };
        const id = uppy.addFile(file);
        ids.set(item.key, id);
        // Parts that have arrived are not sent again.
        if (item.partSize > 0)
          uppy.setFileState(id, { s3Multipart: { uploadId: item.id, key: item.id } } as never);
      } catch (error) {
        items.delete(item.key);
        events.failed(item.key, error);
      }
    },
    pause(key) {
      const file = uppy.getFile(idOf(key));
      if (file && !file.isPaused) uppy.pauseResume(file.id);
    },
    resume(key) {
      const file = uppy.getFile(idOf(key));
      if (file?.isPaused) uppy.pauseResume(file.id);
    },
    remove,
  };
}
