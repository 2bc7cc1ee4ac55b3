/**
 * Batches for training, made in worker threads while the engine computes.
 *
 * - The result is a function of the seed, the epoch and the step: not of the number of workers, nor of their timing. Any
 *   (epoch, step) can be started from.
 * - A bounded number of batches is prepared ahead, over the end of the epoch into the next one, so that validation time
 *   is not followed by a wait.
 * - Cases are read and preprocessed once, by whichever worker comes first, and kept in memory shared by all, up to
 *   `cacheBytes`; beyond that they are prepared anew each time.
 * - Buffers travel by transfer, not by copy, and come back through `recycle`.
 * - A worker that dies, or a case that cannot be prepared, is a DataError that names the case; never a hang.
 */
import type { Worker } from "node:worker_threads";
import { type Augmentation, type AugmentationPreset, resolveAugmentation } from "../augment/index.ts";
import { ConfigError, DataError } from "../errors.ts";
import { spawnWorker } from "../threads.ts";
import type { DataCase } from "./dataset.ts";
import type { BatchTask, WorkerAnswer, WorkerSetup } from "./loader-messages.ts";
import { caseOrder } from "./order.ts";
import type { PreparedCase } from "./prepare.ts";
import type { Preprocessing } from "./preprocess.ts";
import { sortById } from "./split.ts";

export interface LoaderOptions {
  readonly cases: readonly DataCase[];
  readonly prepare: Preprocessing;
  /** Default `"none"`. */
  readonly augmentation?: AugmentationPreset | Augmentation;
  /** Of patches beyond an epoch's first pass through the cases, where `stepsPerEpoch` goes beyond it; default the same. */
  readonly repeatAugmentation?: AugmentationPreset | Augmentation;
  /** `[D, H, W]`. */
  readonly patch: readonly [number, number, number];
  readonly batch: number;
  readonly seed: number;
  /** Threads that prepare batches. Default 1. */
  readonly workers?: number;
  /** Default: enough to see every case once, the last batch filled up with further cases. */
  readonly stepsPerEpoch?: number;
  /** A new order every epoch. Default true. */
  readonly shuffle?: boolean;
  /** Where patches are cut. Default `"random"`. */
  readonly crop?: "random" | "centre";
  /** How often a random patch is centred on foreground. Default 1/3. */
  readonly foregroundProbability?: number;
  /** Element type of the label batch; `"none"` for images without labels. Default `"int32"`. */
  readonly targetType?: "int32" | "float32" | "none";
  /** Batches prepared ahead. Default workers + 1. */
  readonly prefetch?: number;
  /** Memory for prepared cases. Default: a quarter of what the machine has free, at least 512 MiB. */
  readonly cacheBytes?: number;
  readonly signal?: AbortSignal;
}

export interface Batch {
  /** `[N, C, D, H, W]`. */
  readonly input: Float32Array;
  /** Class indices, `[N, D, H, W]`; empty with `targetType: "none"`. */
  readonly target: Float32Array | Int32Array;
  readonly cases: readonly string[];
  readonly epoch: number;
  readonly step: number;
  /** How long the consumer waited for this batch. */
  readonly waitedMs: number;
}

export interface Loader {
  readonly stepsPerEpoch: number;
  /**
   * The batches of an epoch from a step on. One epoch is read at a time: asking for another ends the one before.
   * @throws DataError where a case cannot be prepared or a worker died; the abort reason after an abort.
   */
  batches(epoch: number, fromStep?: number): AsyncGenerator<Batch, void, undefined>;
  /** Hands arrays back to be filled again. Optional; arrays that were transferred elsewhere are ignored. */
  recycle(arrays: { readonly input?: Float32Array; readonly target?: Float32Array | Int32Array }): void;
  /** Finished batches that wait to be taken. */
  ready(): number;
  /** Bytes and number of cases held in memory. */
  cached(): { readonly bytes: number; readonly cases: number };
  close(): Promise<void>;
}

interface Position {
  readonly epoch: number;
  readonly step: number;
}

/** A batch on its way: dispatched, perhaps done, not yet taken. */
interface Pending extends Position {
  readonly task: number;
  done: boolean;
  readonly answer: Promise<Extract<WorkerAnswer, { input: Float32Array }>>;
  readonly resolve: (answer: Extract<WorkerAnswer, { input: Float32Array }>) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  readonly working: Int32Array;
  busy: boolean;
}

/**
 * Starts the worker threads.
 * @throws ConfigError for options that make no sense, DataError for a case without a label.
 */
export function createLoader(options: LoaderOptions): Loader {
  const { batch, patch, seed, prepare, signal, shuffle = true, crop = "random", targetType = "int32" } = options;
  const { workers = 1, prefetch = workers + 1, foregroundProbability = 1 / 3 } = options;
  const { cacheBytes = Math.max(2 ** 29, process.availableMemory() / 4) } = options;
  checkOptions(options, workers, prefetch, targetType);
  signal?.throwIfAborted();
  const augmentation = resolveAugmentation(options.augmentation ?? "none");
  const repeatAugmentation = resolveAugmentation(options.repeatAugmentation ?? augmentation);
  const cases = sortById(options.cases);
  const stepsPerEpoch = options.stepsPerEpoch ?? Math.ceil(cases.length / batch);
  const order = caseOrder(cases.length, seed, shuffle);
  const targetBytes = 4 * batch * patch[0] * patch[1] * patch[2];
  const inputBytes = targetBytes * prepare.channels;

  const cache = new Map<number, PreparedCase>();
  let cachedBytes = 0;
  /** In the order in which they will be taken. */
  let ahead: Pending[] = [];
  let next: Position = { epoch: 0, step: 0 };
  let tasks = 0;
  let failure: unknown;
  let closed = false;
  let reading = 0;
  const spareInputs: ArrayBuffer[] = [];
  const spareTargets: ArrayBuffer[] = [];

  const threads = Array.from({ length: workers }, (): Thread => {
    const working = new Int32Array(new SharedArrayBuffer(4)).fill(-1);
    const common = {
      prepare,
      augmentation,
      repeatAugmentation,
      patch,
      batch,
      seed,
      crop,
      foregroundProbability,
      targetType,
    };
    const worker = spawnWorker(import.meta.url, "./loader-worker", { ...common, working } satisfies WorkerSetup);
    // Only a consumer that waits keeps the process alive.
    worker.unref();
    const thread: Thread = { worker, working, busy: false };
    worker.on("message", (answer: WorkerAnswer) => receive(thread, answer));
    worker.on("error", (error) =>
      fail(workerDied(thread, error instanceof Error ? error.message : String(error), error)),
    );
    worker.on("exit", (code) => {
      if (!closed && failure === undefined) fail(workerDied(thread, `it ended with exit code ${code}`));
    });
    return thread;
  });
  const onAbort = () => fail(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });

  function workerDied(thread: Thread, reason: string, cause?: unknown): DataError {
    const index = Atomics.load(thread.working, 0);
    const subject = index >= 0 ? `${cases[index].id}: the data worker died while preparing it` : "the data worker died";
    return new DataError(`${subject}: ${reason}`, { cause });
  }

  /** Nothing more will come: everyone who waits, now or later, gets the reason. */
  function fail(reason: unknown): void {
    if (failure !== undefined || closed) return;
    failure = reason ?? new DataError("loader: stopped");
    for (const pending of ahead) pending.reject(failure);
    void stop();
  }

  async function stop(): Promise<void> {
    signal?.removeEventListener("abort", onAbort);
    await Promise.all(threads.map(({ worker }) => worker.terminate()));
    cache.clear();
    cachedBytes = 0;
  }

  function receive(thread: Thread, answer: WorkerAnswer): void {
    thread.busy = false;
    if (failure !== undefined || closed) return;
    const pending = ahead.find(({ task }) => task === answer.task);
    if ("error" in answer) {
      pending?.reject(new DataError(answer.error.message));
    } else {
      for (const { index, sample } of answer.prepared) keep(index, sample);
      if (pending) {
        pending.done = true;
        pending.resolve(answer);
      } else {
        recycle({ input: answer.input, target: answer.target ?? undefined });
      }
    }
    dispatch();
  }

  function keep(index: number, sample: PreparedCase): void {
    if (cache.has(index)) return;
    const bytes =
      sample.image.byteLength +
      (sample.label?.byteLength ?? 0) +
      sample.foreground.voxels.reduce((sum, voxels) => sum + voxels.byteLength, 0);
    if (cachedBytes + bytes > cacheBytes) return;
    cache.set(index, sample);
    cachedBytes += bytes;
  }

  /** Gives idle workers the next batches, as far as the queue allows. */
  function dispatch(): void {
    for (const thread of threads) {
      if (failure !== undefined || closed || ahead.length >= prefetch) return;
      if (thread.busy) continue;
      const { epoch, step } = next;
      const items = Array.from({ length: batch }, (_, i) => {
        const position = step * batch + i;
        const index = order(epoch, position);
        return { index, case: cases[index], position, repeat: position >= cases.length, cached: cache.get(index) };
      });
      const input = spareOf(spareInputs, inputBytes);
      const target = spareOf(spareTargets, targetBytes);
      const message: BatchTask = { kind: "batch", task: ++tasks, epoch, items, input, target };
      const { promise, resolve, reject } = withResolvers<Extract<WorkerAnswer, { input: Float32Array }>>();
      // A batch prepared ahead may fail before anyone asks for it; whoever does gets the error then.
      promise.catch(() => {});
      ahead.push({ task: tasks, epoch, step, done: false, answer: promise, resolve, reject });
      thread.busy = true;
      thread.worker.postMessage(
        message,
        [input, target].filter((buffer) => buffer !== undefined),
      );
      next = step + 1 < stepsPerEpoch ? { epoch, step: step + 1 } : { epoch: epoch + 1, step: 0 };
    }
  }

  /** Makes `position` the first batch of the queue; what was prepared for elsewhere is dropped. */
  function seek(position: Position): void {
    const first = ahead[0] ?? next;
    if (first.epoch === position.epoch && first.step === position.step) return;
    for (const dropped of ahead) dropped.reject(superseded());
    ahead = [];
    next = position;
  }

  async function take(position: Position): Promise<Extract<WorkerAnswer, { input: Float32Array }>> {
    if (closed) throw new DataError("loader: closed");
    if (failure !== undefined) throw failure;
    seek(position);
    dispatch();
    // All workers may be busy with batches nobody wants any more; the queue then fills when one of them answers.
    while (ahead.length === 0) await answered();
    const pending = ahead[0];
    for (const { worker } of threads) worker.ref();
    try {
      return await pending.answer;
    } finally {
      for (const { worker } of threads) worker.unref();
      ahead = ahead.filter((other) => other !== pending);
      dispatch();
    }
  }

  /** The next message of any worker, or its end. */
  async function answered(): Promise<void> {
    const { promise, resolve } = withResolvers<void>();
    const done = () => resolve();
    for (const { worker } of threads) {
      worker.ref();
      worker.once("message", done).once("exit", done);
    }
    await promise;
    for (const { worker } of threads) {
      worker.unref();
      worker.off("message", done).off("exit", done);
    }
    if (closed) throw new DataError("loader: closed");
    if (failure !== undefined) throw failure;
  }

  async function* batches(epoch: number, fromStep = 0): AsyncGenerator<Batch, void, undefined> {
    const mine = ++reading;
    for (let step = fromStep; step < stepsPerEpoch; step++) {
      if (mine !== reading) throw superseded();
      const started = performance.now();
      const { input, target } = await take({ epoch, step });
      const names = Array.from({ length: batch }, (_, i) => cases[order(epoch, step * batch + i)].id);
      const waitedMs = performance.now() - started;
      yield { input, target: target ?? new Int32Array(0), cases: names, epoch, step, waitedMs };
    }
  }

  function recycle({ input, target }: Parameters<Loader["recycle"]>[0]): void {
    reuse(spareInputs, input, inputBytes);
    if (targetType !== "none") reuse(spareTargets, target, targetBytes);
  }

  function reuse(spare: ArrayBuffer[], array: Float32Array | Int32Array | undefined, bytes: number): void {
    const buffer = array?.buffer;
    // A transferred array has length 0; anything else of the wrong size is not one of ours.
    if (!(buffer instanceof ArrayBuffer) || buffer.byteLength !== bytes || spare.includes(buffer)) return;
    if (spare.length <= prefetch) spare.push(buffer);
  }

  /** A buffer to fill again, unless its owner transferred it away after recycling it. */
  function spareOf(spare: ArrayBuffer[], bytes: number): ArrayBuffer | undefined {
    for (let buffer = spare.pop(); buffer; buffer = spare.pop()) if (buffer.byteLength === bytes) return buffer;
    return undefined;
  }

  return {
    stepsPerEpoch,
    batches,
    recycle,
    ready: () => ahead.filter((pending) => pending.done).length,
    cached: () => ({ bytes: cachedBytes, cases: cache.size }),
    close: async () => {
      if (closed) return;
      closed = true;
      for (const pending of ahead) pending.reject(new DataError("loader: closed"));
      await stop();
    },
  };
}

function superseded(): ConfigError {
  return new ConfigError("loader: another epoch was asked for while this one was being read");
}

/** `Promise.withResolvers`, which Node 20 does not have. */
function withResolvers<T>(): {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (error: unknown) => void;
} {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

function checkOptions(
  options: LoaderOptions,
  workers: number,
  prefetch: number,
  targetType: NonNullable<LoaderOptions["targetType"]>,
): void {
  const whole = { batch: options.batch, workers, prefetch, stepsPerEpoch: options.stepsPerEpoch ?? 1 };
  for (const [name, value] of Object.entries(whole)) {
    if (!Number.isInteger(value) || value < 1)
      throw new ConfigError(`loader: ${name}: expected 1 or more, got ${value}`);
  }
  const { patch } = options;
  if (patch.length !== 3 || !patch.every((n) => Number.isInteger(n) && n > 0)) {
    throw new ConfigError(`loader: patch: expected three sizes D,H,W, e.g. 48,64,48; got ${patch.join(",")}`);
  }
  if (options.cases.length === 0) throw new ConfigError("loader: cases: expected at least one");
  if (targetType === "none") return;
  const bare = options.cases.find((item) => item.label === undefined);
  if (bare) throw new DataError(`${bare.id}: has no label, so it cannot be trained on (image ${bare.image})`);
}
