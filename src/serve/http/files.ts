/** Files as answers, streamed from the disk. */
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { Readable } from "node:stream";
import { Refusal } from "./refusal.ts";

const types: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  mjs: "text/javascript; charset=utf-8",
  json: "application/json",
  csv: "text/csv; charset=utf-8",
  png: "image/png",
  svg: "image/svg+xml",
  wasm: "application/wasm",
  woff2: "font/woff2",
};

export interface FileAnswer {
  /** What the browser saves it as; without it, it is shown. */
  readonly name?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** @param path of a file that may be given out: whoever calls has confined it */
export async function fileAnswer(path: string, { name, headers = {} }: FileAnswer = {}): Promise<Response> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) throw new Refusal(404, "E_MISSING", "there is no such file");
  const body = Readable.toWeb(createReadStream(path)) as ReadableStream<Uint8Array>;
  const type = types[path.split(".").at(-1)?.toLowerCase() ?? ""] ?? "application/octet-stream";
  const saved = name === undefined ? undefined : `attachment; filename*=UTF-8''${encodeURIComponent(name)}`;
  return new Response(body, {
    headers: {
      "Content-Type": type,
      "Content-Length": String(found.size),
      ...(saved && { "Content-Disposition": saved }),
      ...headers,
    },
  });
}

/** The files below a folder, by names with forward slashes; links are not followed. */
export async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile() && !entry.name.startsWith(".medvox-"))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll("\\", "/"))
    .sort();
}

/** What a page made of others' data may do: draw itself, and nothing else. */
export const CLOSED_PAGE =
  "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; font-src data:";
