/**
 * The process that does one job. It is started by `supervisor.ts` with an IPC channel, is told what to do by a first message, and says
 * what happens by messages. It ends when the work ends, when it is asked to, or when whoever started it is gone.
 */

import { ConfigError, MedvoxError } from "../errors.ts";
import { lockFolder } from "../files/index.ts";
import { type JobFailure, type JobRequest, jobRequest, type Told } from "./job.ts";
import { perform } from "./perform.ts";

/** To the child. */
export type Order =
  | { readonly type: "work"; readonly request: JobRequest; readonly folder: string }
  | { readonly type: "stop" };

/** From the child. */
export type Word =
  | { readonly type: "told"; readonly event: Told }
  | { readonly type: "done"; readonly result: Record<string, unknown> }
  | { readonly type: "failed"; readonly failure: JobFailure }
  | { readonly type: "stopped" };

/** So long a child waits for an older one at the same job to be gone, which still finishes its step after its server was killed. */
const LONGEST_WAIT_MS = 120_000;

async function serveOrders(send: (word: Word) => Promise<void>): Promise<void> {
  const stop = new AbortController();
  // Whoever started this is gone: the work is given up where it stands, as at any sudden end; another process goes on with it.
  process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
  // A Ctrl-C of the terminal reaches the whole group; the server decides what becomes of its children.
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => stop.abort(new Error("stopped")));
  const order = await new Promise<Extract<Order, { type: "work" }>>((resolve) => {
    process.on("message", (message: Order) => {
      if (message.type === "stop") stop.abort(new Error("stopped"));
      else resolve(message);
    });
  });
  let last: Word;
  try {
    const lock = await waitForLock(order.folder, stop.signal);
    try {
      const tell = (event: Told): void => void send({ type: "told", event });
      last = { type: "done", result: await perform(jobRequest.parse(order.request), { signal: stop.signal, tell }) };
    } finally {
      await lock.release();
    }
  } catch (error) {
    if (stop.signal.aborted) last = { type: "stopped" };
    else if (isFault(error)) last = { type: "failed", failure: { code: error.code, message: error.message } };
    else throw error;
  }
  await send(last);
  process.exit(0);
}

/** Errors about what was asked or what the data are, which no second attempt mends. A device may work the next time. */
function isFault(error: unknown): error is MedvoxError {
  return error instanceof MedvoxError && error.code !== "E_DEVICE";
}

async function waitForLock(folder: string, signal: AbortSignal): ReturnType<typeof lockFolder> {
  const lastMs = Date.now() + LONGEST_WAIT_MS;
  for (;;) {
    signal.throwIfAborted();
    try {
      return await lockFolder(folder, "is being worked at");
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      // No fault of the job: the process ends as one that died.
      if (Date.now() > lastMs) throw new Error(error.message);
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

if (process.send !== undefined && process.argv.includes("--medvox-job"))
  await serveOrders(
    (word) =>
      new Promise((resolve, reject) => {
        process.send?.(word, undefined, undefined, (error) => (error === null ? resolve() : reject(error)));
      }),
  );
