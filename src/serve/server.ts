/** The server: a data set, a folder of runs and a queue of jobs behind HTTP. */

import type { AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import { join, resolve } from "node:path";
import { serve } from "@hono/node-server";
import { OpenAPIHono } from "@hono/zod-openapi";
import { bodyLimit } from "hono/body-limit";
import { ConfigError } from "../errors.ts";
import { makeFolder } from "../files/index.ts";
import { openLocalQueue, supervise } from "../jobs/index.ts";
import { versions } from "../machine.ts";
import { newApi } from "./api/app.ts";
import { caseRoutes } from "./api/cases.ts";
import { infoRoutes } from "./api/info.ts";
import { jobRoutes } from "./api/jobs.ts";
import { runRoutes } from "./api/runs.ts";
import { ServedSet } from "./data/served-set.ts";
import { Access, loggedPath, newToken } from "./http/access.ts";
import { answerHeaders, isLoopback, LOOPBACK, onlyFor } from "./http/guard.ts";
import { answerTo, Refusal } from "./http/refusal.ts";
import type { Limits, ServerContext } from "./server-context.ts";

export interface ServeOptions {
  /** The data set: a Decathlon folder, or one that becomes it. */
  readonly data: string;
  /** The folder of runs; what the server keeps beside them stands in `.medvox-serve` within. */
  readonly runs: string;
  /** 127.0.0.1 by default. Any other needs a token. */
  readonly host?: string;
  /** 8080 by default; 0 takes one that is free. */
  readonly port?: number;
  /** Whoever shows it may do everything. Made where none is given. */
  readonly token?: string;
  /** Further names that the server is asked for by, such as that of a proxy. */
  readonly names?: readonly string[];
  /** Classes of a new data set. */
  readonly labels?: readonly string[];
  readonly limits?: Partial<Limits>;
  /** A line for each request, without secrets. */
  readonly onLog?: (line: string) => void;
}

export interface RunningServer {
  /** `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly token: string;
  /** Ends requests and jobs; jobs are gone on with when the server is started again. */
  close(): Promise<void>;
}

const GB = 2 ** 30;
const LIMITS: Limits = { imageBytes: 8 * GB, labelBytes: 2 * GB, jsonBytes: 2 ** 20 };

/** Where a server keeps its jobs and its path tokens. */
const STATE = ".medvox-serve";

/**
 * Starts a server.
 * @throws ConfigError for a host that others reach without a token, a folder that cannot be served, or a port that is taken
 */
export async function startServer(options: ServeOptions): Promise<RunningServer> {
  const { host = "127.0.0.1", port = 8080, token = newToken(), names = [], onLog = () => {} } = options;
  if (!isLoopback(host) && options.token === undefined)
    throw new ConfigError(`--host ${host}: others reach it, so name a token: --token or MEDVOX_TOKEN`);
  const runs = resolve(options.runs);
  await makeFolder(runs);
  const access = await Access.open(token, join(runs, STATE, "path-tokens.json"));
  const set = await ServedSet.open(options.data, { labels: options.labels });
  const queue = await openLocalQueue(join(runs, STATE, "jobs"));
  const limits = { ...LIMITS, ...options.limits };
  const context: ServerContext = { set, queue, access, runs, limits };
  const known = [...LOOPBACK, host, ...names, ...(isLoopback(host) ? [] : ownAddresses())];
  const app = application(context, known, onLog);
  const { server, address } = await listening(app.fetch, host, port).catch(async (error: unknown) => {
    await queue.close();
    throw error;
  });
  const folderOf = (id: string): string => queue.folderOf(id);
  const supervisor = supervise(queue, { folderOf, onError: (error) => onLog(`error ${String(error)}`) });
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${address.port}`,
    token,
    close: async () => {
      const closed = new Promise<void>((done) => server.close(() => done()));
      await supervisor.close();
      await queue.close();
      if ("closeAllConnections" in server) server.closeAllConnections();
      await closed;
    },
  };
}

/** All routes, without a socket. */
function application(context: ServerContext, names: readonly string[], onLog: (line: string) => void) {
  const { access, limits, runs, set } = context;
  const folders = { [set.root]: "data", [runs]: "runs" };
  const app = new OpenAPIHono();
  app.use(async (c, next) => {
    const beganMs = performance.now();
    await next();
    onLog(`${c.req.method} ${loggedPath(c.req.path)} ${c.res.status} ${(performance.now() - beganMs).toFixed(0)} ms`);
  });
  app.use(answerHeaders);
  app.use(onlyFor(names));
  app.notFound((c) => c.json({ error: { code: "E_MISSING", message: "there is nothing here" } }, 404));
  app.onError((error, c) => {
    const { status, body, isFault } = answerTo(error, folders);
    if (isFault) onLog(`error ${error.stack ?? error.message}`);
    return c.json(body, status);
  });

  const api = newApi();
  api.use(access.forApi);
  // Files are bounded where they are read; everything else is JSON.
  const isFile = (type: string | undefined): boolean => type?.startsWith("application/octet-stream") ?? false;
  const jsonLimit = bodyLimit({
    maxSize: limits.jsonBytes,
    onError: () => {
      throw new Refusal(
        413,
        "E_TOO_LARGE",
        `the body is longer than ${limits.jsonBytes} bytes, which is the most that is taken`,
      );
    },
  });
  api.use((c, next) => (isFile(c.req.header("content-type")) ? next() : jsonLimit(c, next)));
  for (const routes of [infoRoutes, caseRoutes, jobRoutes, runRoutes]) api.route("/", routes(context));
  api.openAPIRegistry.registerComponent("securitySchemes", "token", { type: "http", scheme: "bearer" });
  api.doc31("/openapi.json", {
    openapi: "3.1.0",
    info: { title: "medvox", version: versions().medvox },
    servers: [{ url: "/api/v1" }],
    security: [{ token: [] }],
  });
  app.route("/api/v1", api);
  return app;
}

type Fetch = Parameters<typeof serve>[0]["fetch"];

/** @throws ConfigError where the port is taken or the host is not this machine's */
function listening(fetch: Fetch, hostname: string, port: number) {
  return new Promise<{ server: ReturnType<typeof serve>; address: AddressInfo }>((done, fail) => {
    const server = serve({ fetch, hostname, port, overrideGlobalObjects: false, serverOptions: TIMES }, (address) => {
      done({ server, address });
    });
    server.once("error", (error: NodeJS.ErrnoException) => {
      const facts: Record<string, string> = {
        EADDRINUSE: "is taken by another program; choose another with --port",
        EACCES: "may not be used by this user; choose one above 1024",
        EADDRNOTAVAIL: "is no address of this machine",
      };
      fail(new ConfigError(`${hostname}:${port}: ${facts[error.code ?? ""] ?? error.message}`, { cause: error }));
    });
  });
}

/** Gigabytes may take an hour; a request's head must be there at once. */
const TIMES = { requestTimeout: 3_600_000, headersTimeout: 20_000, keepAliveTimeout: 10_000 };

function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((found) => (found ?? []).map(({ address }) => address));
}
