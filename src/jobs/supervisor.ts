/**
 * Works at a queue: takes a job, lets a child process do it, says meanwhile that the work goes on, and says at the end what came of it.
 * A prediction blocks its process for seconds, and a driver can take its process along; neither reaches whoever serves.
 */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Order, Word } from "./child.ts";
import type { JobKind } from "./job.ts";
import { cancelled, type JobQueue, type Lease } from "./queue.ts";

export interface SupervisorOptions {
  /** How many jobs of these kinds are done at once: by default one training and, beside it, one prediction. */
  readonly lanes?: readonly { readonly kinds: readonly JobKind[]; readonly atOnce: number }[];
  /** So long a child that was asked to end may finish its step; then it is killed. 30 seconds by default. */
  readonly graceMs?: number;
  /** Folder of a job, which tells its processes apart. */
  readonly folderOf: (id: string) => string;
  /** The module that a child runs, for tests. */
  readonly module?: URL;
  /** Told what goes wrong outside any job: a disk that takes no record. */
  readonly onError?: (error: unknown) => void;
}

export interface Supervisor {
  /** Asks what runs to end, waits for it, and gives the jobs back to be gone on with later. */
  close(): Promise<void>;
}

const LANES = [
  { kinds: ["train"], atOnce: 1 },
  { kinds: ["predict", "detect"], atOnce: 1 },
] as const;

/** Begins to work at a queue. */
export function supervise(queue: JobQueue, options: SupervisorOptions): Supervisor {
  const { lanes = LANES, onError = () => {} } = options;
  const ending = new AbortController();
  const lane = async (kinds: readonly JobKind[]): Promise<void> => {
    while (!ending.signal.aborted) {
      try {
        const lease = await queue.take(kinds, ending.signal);
        if (lease === undefined) return;
        await workAt(lease, ending.signal, options);
      } catch (error) {
        onError(error);
        await pause(1000, ending.signal);
      }
    }
  };
  const working = lanes.flatMap(({ kinds, atOnce }) => Array.from({ length: atOnce }, () => lane(kinds)));
  return {
    close: async () => {
      ending.abort(new Error("the server ends"));
      await Promise.all(working);
    },
  };
}

/** How a child ended. */
type End = Exclude<Word, { type: "told" }> | { readonly type: "died"; readonly reason: string };

async function workAt(lease: Lease, ending: AbortSignal, options: SupervisorOptions): Promise<void> {
  const child = startChild(options.module);
  const beat = setInterval(() => void lease.beat(), lease.silenceMs / 4);
  const stop = AbortSignal.any([lease.stop, ending]);
  const stopChild = (): void => endGently(child, options.graceMs ?? 30_000);
  stop.addEventListener("abort", stopChild, { once: true });
  if (stop.aborted) stopChild();
  try {
    const end = await conversation(child, lease, options);
    if (end.type === "done") await lease.done(end.result);
    else if (lease.stop.aborted && reasonOf(lease.stop) === cancelled) await lease.cancelled();
    else if (lease.stop.aborted || ending.aborted) await lease.giveBack();
    else if (end.type === "failed") await lease.failed(end.failure);
    else await lease.died(end.type === "died" ? end.reason : "it was stopped from outside");
  } finally {
    clearInterval(beat);
    stop.removeEventListener("abort", stopChild);
  }
}

function startChild(module: URL | undefined): ChildProcess {
  const fromSource = import.meta.url.endsWith(".ts");
  const path = module ?? new URL(`./child.${fromSource ? "ts" : "js"}`, import.meta.url);
  // A child needs no word of how clients show that they may.
  const { MEDVOX_TOKEN: _, ...env } = process.env;
  return fork(fileURLToPath(path), ["--medvox-job"], {
    execArgv: fromSource ? ["--import", import.meta.resolve("tsx")] : [],
    env,
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    // Its own group: a Ctrl-C in the server's terminal is the server's to pass on.
    detached: true,
  });
}

/** Gives the order, passes on what the child tells, and waits for its end. */
function conversation(
  child: ChildProcess,
  lease: Lease,
  { folderOf, onError = () => {} }: SupervisorOptions,
): Promise<End> {
  const { job } = lease;
  return new Promise((resolve) => {
    let said: End | undefined;
    let complaint = "";
    // Events are written one after another, and all of them before the end is said.
    let told: Promise<void> = Promise.resolve();
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      complaint = (complaint + text).slice(-4000);
    });
    child.on("message", (word: Word) => {
      if (word.type === "told") told = told.then(() => lease.tell(word.event)).catch(onError);
      else said = word;
    });
    const finish = (reason: string): void => {
      const end = said ?? { type: "died", reason };
      void told.then(() => resolve(end));
    };
    child.on("error", (error) => finish(error.message));
    child.on("close", (code, signal) =>
      finish([`it ended with ${signal ?? `code ${code}`}`, lastLine(complaint)].filter(Boolean).join(": ")),
    );
    const order: Order = { type: "work", request: job.request, folder: folderOf(job.id) };
    child.send(order, () => {});
  });
}

/** Of what a process complained of before it ended, the line that says most: its error's, else the last. */
function lastLine(text: string): string {
  const lines = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  return lines.findLast((line) => /^\w*Error\b/.test(line)) ?? lines.at(-1) ?? "";
}

/** Asks a child to end after its step, and kills it where it does not. */
function endGently(child: ChildProcess, graceMs: number): void {
  const order: Order = { type: "stop" };
  if (child.connected) child.send(order, () => {});
  const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
  child.once("close", () => clearTimeout(timer));
}

const reasonOf = ({ reason }: AbortSignal): string => (reason instanceof Error ? reason.message : String(reason));

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end, { once: true });
  });
}
