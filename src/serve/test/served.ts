/** A server on a free port of this machine with a small set of hippocampi, for tests that send real requests. */
import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { smallSet } from "../../jobs/test/small-set.ts";
import { type RunningServer, type ServeOptions, startServer } from "../server.ts";

export interface Served {
  readonly root: string;
  readonly data: string;
  readonly runs: string;
  server: RunningServer;
  /** Lines of the log. */
  readonly lines: string[];
  /** With the token, below `/api/v1`. */
  api(path: string, init?: RequestInit): Promise<Response>;
  restart(): Promise<void>;
  close(): Promise<void>;
}

export async function served(options: Partial<ServeOptions> = {}, { cases = 4, unlabelled = 1 } = {}): Promise<Served> {
  const root = await mkdtemp(join(tmpdir(), "medvox-serve-"));
  const data = options.data ?? (await smallSet(join(root, "data"), cases, { unlabelled }));
  const runs = join(root, "runs");
  const lines: string[] = [];
  const start = (): Promise<RunningServer> =>
    startServer({ data, runs, port: 0, token: "a-token-of-the-tests", onLog: (line) => lines.push(line), ...options });
  const it: Served = {
    root,
    data,
    runs,
    lines,
    server: await start(),
    api: (path, init = {}) =>
      fetch(`${it.server.url}/api/v1${path}`, {
        ...init,
        headers: { authorization: `Bearer ${it.server.token}`, ...init.headers },
      }),
    restart: async () => {
      await it.server.close();
      it.server = await start();
    },
    close: async () => {
      await it.server.close();
      await rm(root, { recursive: true });
    },
  };
  return it;
}

/** A body and its headers for `fetch`. */
export const jsonOf = (value: unknown): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(value),
});

/** A request as it is written, with a path and a host that `fetch` would not send. */
export function raw(
  url: string,
  {
    path,
    method = "GET",
    headers = {},
    body,
  }: { path: string; method?: string; headers?: Record<string, string>; body?: string },
): Promise<{ status: number; headers: Record<string, unknown>; text: string }> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path, method, headers }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text }));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}
