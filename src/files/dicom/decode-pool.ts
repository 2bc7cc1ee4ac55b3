/**
 * Frames decoded in worker threads: JPEG 2000 takes a tenth of a second a slice, and a damaged JPEG-LS stream can keep its codec busy
 * for many seconds. Threads start when there are frames, end when there were none for a while, and never keep the program alive.
 */
import { availableParallelism } from "node:os";
import type { Worker } from "node:worker_threads";
import type { PixelLayout } from "../../dicom/index.ts";
import { DataError } from "../../errors.ts";
import { spawnWorker } from "../../threads.ts";
import type { DecodeAnswer, DecodeRequest } from "./decode-worker.ts";

/** A frame that takes longer is given up: the largest take a few seconds. */
const mostMs = 60_000;
const idleMs = 5_000;
const mostThreads = Math.max(1, Math.min(8, availableParallelism()));

interface Job {
  readonly request: DecodeRequest;
  readonly resolve: (raw: Uint8Array) => void;
  readonly reject: (error: Error) => void;
}

interface Thread {
  readonly worker: Worker;
  job?: Job;
  timer?: NodeJS.Timeout;
}

const threads = new Set<Thread>();
const waiting: Job[] = [];
let nextId = 1;

/**
 * The samples of a compressed frame, as `decodeFrame` of `medvox/dicom` gives them.
 * @throws DataError where it is damaged, or takes longer than a minute
 */
export function decodeInThread(bytes: Uint8Array, layout: PixelLayout, name: string): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    waiting.push({ request: { id: nextId++, bytes, layout, name }, resolve, reject });
    next();
  });
}

function next(): void {
  while (waiting.length > 0) {
    const free =
      [...threads].find(({ job }) => job === undefined) ?? (threads.size < mostThreads ? start() : undefined);
    if (free === undefined) return;
    const job = waiting.shift() as Job;
    clearTimeout(free.timer);
    free.job = job;
    free.worker.ref();
    free.timer = setTimeout(() => {
      end(free, new DataError(`${job.request.name}: a frame was not decoded within ${mostMs / 1000} s: damaged?`));
    }, mostMs);
    free.worker.postMessage(job.request);
  }
}

function start(): Thread {
  const thread: Thread = { worker: spawnWorker(import.meta.url, "./decode-worker") };
  threads.add(thread);
  thread.worker.on("message", ({ id, raw, error }: DecodeAnswer) => {
    const { job } = thread;
    if (job?.request.id !== id) return;
    rest(thread);
    if (raw !== undefined) job.resolve(raw);
    else job.reject(new DataError(error ?? `${job.request.name}: cannot be decoded`));
    next();
  });
  const failed = (fact: string) =>
    end(thread, new DataError(`${thread.job?.request.name}: its decoder ended: ${fact}`));
  thread.worker.on("error", ({ message }) => failed(message));
  thread.worker.on("exit", (code) => failed(`exit code ${code}`));
  return thread;
}

/** The thread has nothing to do. */
function rest(thread: Thread): void {
  clearTimeout(thread.timer);
  thread.job = undefined;
  thread.worker.unref();
  thread.timer = setTimeout(() => end(thread), idleMs).unref();
}

function end(thread: Thread, reason?: Error): void {
  if (!threads.delete(thread)) return;
  clearTimeout(thread.timer);
  void thread.worker.terminate();
  if (reason !== undefined) thread.job?.reject(reason);
  thread.job = undefined;
  next();
}
