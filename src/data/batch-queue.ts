/**
 * Answers of worker threads in the order they are wanted: a few are made ahead, whoever is idle takes the next one, and what
 * comes out does not depend on who made it or when. A worker that dies is an error that names what it worked on, never a
 * hang.
 */
import type { Worker } from "node:worker_threads";
import { DataError } from "../errors.ts";

/** What a worker gets, and sends back. */
export interface QueueTask {
  readonly task: number;
}
export type QueueAnswer<T> = (T & QueueTask) | (QueueTask & { readonly error: { readonly message: string } });

export interface QueueOptions<Task, Answer> {
  /** Starts a worker; `working` holds the index of what it works on, −1 for nothing. */
  readonly start: (working: Int32Array) => Worker;
  readonly workers: number;
  /** Answers that are made before they are asked for. */
  readonly prefetch: number;
  /** What task number `n` is, n from 0. */
  readonly taskAt: (n: number) => Task;
  /** What a worker works on, for messages. */
  readonly nameOf: (index: number) => string;
  /** Looks at an answer before it is handed out. */
  readonly onAnswer?: (answer: Answer) => void;
  readonly signal?: AbortSignal;
}

export interface BatchQueue<Answer> {
  /** The answer to task `n`. Asking in ascending order is fast; any other order starts anew from there. */
  take(n: number): Promise<Answer>;
  close(): Promise<void>;
}

interface Pending<Answer> {
  readonly n: number;
  readonly promise: Promise<Answer>;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

export function createBatchQueue<Task extends object, Answer extends object>(
  options: QueueOptions<Task, Answer>,
): BatchQueue<Answer> {
  const { start, workers, prefetch, taskAt, nameOf, onAnswer, signal } = options;
  const pending = new Map<number, Pending<Answer>>();
  let next = 0;
  let asked = 0;
  let failure: unknown;
  let closed = false;
  const threads = Array.from({ length: workers }, () => {
    const working = new Int32Array(new SharedArrayBuffer(4)).fill(-1);
    const worker = start(working);
    // Only a consumer that waits keeps the process alive.
    worker.unref();
    const thread = { worker, working, busy: false };
    const died = (reason: string, cause?: unknown): void => {
      const index = Atomics.load(working, 0);
      const subject = index < 0 ? "the data worker died" : `${nameOf(index)}: the data worker died while preparing it`;
      fail(new DataError(`${subject}: ${reason}`, { cause }));
    };
    worker.on("message", (answer: QueueAnswer<Answer>) => {
      thread.busy = false;
      const waiting = pending.get(answer.task);
      if ("error" in answer) waiting?.reject(new DataError(answer.error.message));
      else {
        onAnswer?.(answer);
        waiting?.resolve(answer);
      }
      dispatch();
    });
    worker.on("error", (error) => died(error instanceof Error ? error.message : String(error), error));
    worker.on("exit", (code) => {
      if (!closed && failure === undefined) died(`it ended with exit code ${code}`);
    });
    return thread;
  });
  const onAbort = (): void => fail(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });

  /** Nothing more will come: everyone who waits, now or later, gets the reason. */
  function fail(reason: unknown): void {
    if (failure !== undefined || closed) return;
    failure = reason ?? new DataError("loader: stopped");
    for (const { reject } of pending.values()) reject(failure);
    void stop();
  }

  async function stop(): Promise<void> {
    signal?.removeEventListener("abort", onAbort);
    await Promise.all(threads.map(({ worker }) => worker.terminate()));
  }

  function dispatch(): void {
    for (const thread of threads) {
      if (failure !== undefined || closed || next > asked + prefetch) return;
      if (thread.busy) continue;
      const n = next++;
      add(n);
      thread.busy = true;
      thread.worker.postMessage({ ...taskAt(n), task: n });
    }
  }

  function add(n: number): void {
    let resolve!: (answer: Answer) => void;
    let reject!: (error: unknown) => void;
    const promise = new Promise<Answer>((yes, no) => {
      resolve = yes;
      reject = no;
    });
    // What is made ahead may fail before anyone asks for it; whoever does gets the error then.
    promise.catch(() => {});
    pending.set(n, { n, promise, resolve, reject });
  }

  /** Waits for a worker that is busy with something nobody wants any more. */
  function idle(): Promise<unknown> {
    return Promise.race(
      threads.map(
        ({ worker }) =>
          new Promise((resolve) => {
            worker.once("message", resolve).once("exit", resolve);
          }),
      ),
    );
  }

  return {
    async take(n) {
      if (closed) throw new DataError("loader: closed");
      if (failure !== undefined) throw failure;
      asked = n;
      for (const old of pending.keys()) if (old < n || !pending.has(n)) pending.delete(old);
      if (!pending.has(n)) next = n;
      for (const { worker } of threads) worker.ref();
      try {
        dispatch();
        while (!pending.has(n) && failure === undefined) {
          await idle();
          dispatch();
        }
        if (failure !== undefined) throw failure;
        return await (pending.get(n) as Pending<Answer>).promise;
      } finally {
        for (const { worker } of threads) worker.unref();
        pending.delete(n);
        asked = n + 1;
        dispatch();
      }
    },
    async close() {
      if (closed) return;
      closed = true;
      for (const { reject } of pending.values()) reject(new DataError("loader: closed"));
      await stop();
    },
  };
}
