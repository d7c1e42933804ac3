// The main job by openapi-fetch over the types that openapi-typescript makes: `client.ts API EMAIL PASSWORD
// VIDEO`. `tsc` checks it first.

import { readFile } from "node:fs/promises";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Upload = components["schemas"]["Upload"];

function known<T>(value: T | undefined, error: unknown): T {
  if (value === undefined) throw new Error(JSON.stringify(error));
  return value;
}

/** What is not a way to upload does not compile. */
async function send(upload: Upload, video: Uint8Array<ArrayBuffer>): Promise<void> {
  switch (upload.method) {
    case "PUT": {
      const answer = await fetch(upload.url, { method: "PUT", headers: upload.headers, body: video });
      if (!answer.ok) throw new Error(await answer.text());
      return;
    }
    case "MULTIPART":
      throw new Error(`${upload.part_count} parts for a small file`);
  }
}

const [baseUrl = "", email = "", password = "", path = ""] = process.argv.slice(2);
const video = new Uint8Array(await readFile(path));
const api = createClient<paths>({ baseUrl });

const account = await api.POST("/auth/register", { body: { name: "Ada", email, password } });
known(account.data, account.error);
const login = await api.POST("/auth/login", { body: { email, password } });
const headers = { Authorization: `Bearer ${known(login.data, login.error).access_token}` };

const body = { file_name: "clip.mp4", size_bytes: video.length, options: { select: { count: 3 } } };
const announced = await api.POST("/videos", { headers, body });
const { id, upload } = known(announced.data, announced.error);
await send(upload, video);
const params = { path: { id } };
const handedOver = await api.POST("/videos/{id}/complete", { headers, params });
known(handedOver.data, handedOver.error);
for (;;) {
  const found = await api.GET("/videos/{id}", { headers, params });
  const record = known(found.data, found.error);
  if (record.status === "completed") {
    console.log(`${record.result?.frames} frames`);
    break;
  }
  if (record.status === "failed") throw new Error(JSON.stringify(record.failure));
  await new Promise((resolve) => setTimeout(resolve, 200));
}
