/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Batches from worker threads, made while the engine computes, whatever the task: what an item is and how a batch of them is
 * made stands in the task's mapper.
 *
 * - The result is a function of the seed, the epoch and the step: not of the number of workers, nor of their timing. Any
 *   (epoch, step) can be started from.
 * - A bounded number of batches is prepared ahead, past the end of the epoch into the next one, so that validation time
 *   is not followed by a wait.
 * - Items are read and prepared once, by whichever worker comes first, and stay in memory shared by all, as far as the
 *   cache allows; beyond that they are prepared anew each time.
 * - Buffers travel by transfer, not by copy, and come back through `recycle`.
 * - A worker that dies, or an item that cannot be prepared, is a DataError that names the item; never a hang.
 */
import type { Worker } from "node:worker_threads";
import { ConfigError, DataError } from "../../errors.ts";
import { spawnWorker } from "../../threads.ts";
import { type CaseCache, createCaseCache } from "./cache.ts";
import type { BatchAnswer, BatchArrays, BatchItem, BatchTask, Mapper, WorkerSetup } from "./mapper.ts";
import { caseOrder } from "./order.ts";

export interface QueueOptions {
  readonly seed?: number;
  /** Threads that prepare batches. Default 1. */
  readonly workers?: number;
  /** Batches prepared ahead. Default workers + 1. */
  readonly prefetch?: number;
  /** Default: enough to see every item once, the last batch filled up with further items. */
  readonly stepsPerEpoch?: number;
  /** A new order every epoch. Default true. */
  readonly shuffle?: boolean;
  /** Memory for prepared items. Default: a quarter of what the machine has free, at least 512 MiB. */
  readonly cacheBytes?: number;
  /** Memory that others read from and write to as well; instead of `cacheBytes`. Who made it clears it. */
  readonly cache?: CaseCache;
  readonly signal?: AbortSignal;
}

export interface Loader<Batch> {
  readonly stepsPerEpoch: number;
  /**
   * The batches of an epoch from a step on. One epoch is read at a time: asking for another ends the one before.
   * @throws DataError where an item cannot be prepared or a worker died; the abort reason after an abort.
   */
  batches(epoch: number, fromStep?: number): AsyncGenerator<Batch, void, undefined>;
  /** Hands arrays back to be filled again. Optional; arrays that were transferred elsewhere are ignored. */
  recycle(arrays: BatchArrays): void;
  /** Finished batches that wait to be taken. */
  ready(): number;
  /** Bytes in the loader's cache, and how many of its items are prepared there. */
  cached(): { readonly bytes: number; readonly cases: number };
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A batch on its way: asked for, perhaps with a worker, perhaps done, not yet taken. */
interface Pending<Made> {
  done: boolean;
  readonly promise: Promise<Made>;
  readonly resolve: (made: Made) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  readonly working: Int32Array;
  /** What it is at. */
  task?: readonly BatchItem<unknown, unknown>[];
}

/**
 * Starts the worker threads.
 * @throws ConfigError for options that make no sense
 */
export function startLoader<Item extends { readonly id: string }, Made, Batch>(
  mapper: Mapper<Item, Made, Batch>,
  options: QueueOptions = {},
): Loader<Batch> {
  const { items, batch } = mapper;
  const { seed = 0, workers = 1, prefetch = workers + 1, shuffle = true, signal } = options;
  const stepsPerEpoch = options.stepsPerEpoch ?? Math.ceil(items.length / batch);
  checkCounts({ batch, workers, prefetch, stepsPerEpoch });
  signal?.throwIfAborted();
  const order = caseOrder(items.length, seed, shuffle);
  const cache = options.cache ?? createCaseCache(options.cacheBytes);
  const keys = items.map((item) => mapper.keyOf(item));
  for (const [i, item] of items.entries()) cache.expect(keys[i], mapper.filesOf(item));
  const spares = createSpares(mapper.buffers, prefetch + 1);

  /** By number: those from `asked` on that were asked for or made ahead. */
  const pending = new Map<number, Pending<Made>>();
  /** The batch that is wanted first. */
  let asked = 0;
  /** The first batch that no worker has been given. */
  let next = 0;
  let waiting = 0;
  let reading = 0;
  /** Why nothing more will come. */
  let failure: { readonly reason: unknown } | undefined;
  let closing: Promise<void> | undefined;

  const threads = Array.from({ length: workers }, startThread);
  const onAbort = (): void => fail(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });

  function startThread(): Thread {
    const working = new Int32Array(new SharedArrayBuffer(4)).fill(-1);
    const { url, stem, setup } = mapper.worker;
    const worker = spawnWorker(url, stem, { setup, working } satisfies WorkerSetup);
    // Only a consumer that waits keeps the process alive.
    worker.unref();
    const thread: Thread = { worker, working };
    const died = (reason: string, cause?: unknown): void => {
      const index = Atomics.load(working, 0);
      const subject =
        index < 0 ? "the data worker died" : `${items[index].id}: the data worker died while preparing it`;
      fail(new DataError(`${subject}: ${reason}`, { cause }));
    };
    worker.on("message", (answer: BatchAnswer<Made, unknown>) => receive(thread, answer));
    worker.on("error", (error) => died(error instanceof Error ? error.message : String(error), error));
    worker.on("exit", (code) => died(`it ended with exit code ${code}`));
    return thread;
  }

  /** Nothing more will come: everyone who waits, now or later, gets the reason. */
  function fail(reason: unknown): void {
    if (failure !== undefined) return;
    failure = { reason };
    for (const { reject } of pending.values()) reject(reason);
    closing = stop();
  }

  async function stop(): Promise<void> {
    signal?.removeEventListener("abort", onAbort);
    await Promise.all(threads.map(({ worker }) => worker.terminate()));
    if (options.cache === undefined) cache.clear();
    else cache.forget(keys);
  }

  function receive(thread: Thread, answer: BatchAnswer<Made, unknown>): void {
    thread.task = undefined;
    if (failure !== undefined) return;
    const one = pending.get(answer.task);
    if ("error" in answer) one?.reject(new DataError(answer.error.message));
    else {
      for (const { index, source, bytes } of answer.prepared) {
        cache.keep(keys[index], source, bytes, mapper.filesOf(items[index]));
      }
      // Of a batch that nobody wants any more, and of one that was made twice, the memory is of use.
      if (one === undefined || one.done) spares.take(answer.made as BatchArrays);
      else {
        one.done = true;
        one.resolve(answer.made);
      }
    }
    dispatch();
  }

  /** Gives idle workers the next batches, as far as the queue allows. */
  function dispatch(): void {
    for (const thread of threads) {
      if (failure !== undefined || next >= asked + prefetch) return;
      if (thread.task !== undefined) continue;
      const items = itemsOf(next);
      if (items.some(isUnderWay)) return;
      const task: BatchTask<Item, unknown> = { task: next, items, buffers: spares.give() };
      pendingAt(next++);
      thread.task = items;
      thread.worker.postMessage(
        task,
        task.buffers.filter((buffer) => buffer !== undefined),
      );
    }
  }

  function itemsOf(n: number): BatchItem<Item, unknown>[] {
    const epoch = Math.floor(n / stepsPerEpoch);
    return Array.from({ length: batch }, (_, i) => {
      const position = (n % stepsPerEpoch) * batch + i;
      const index = order(epoch, position);
      const item = items[index];
      const source = cache.prepared(keys[index]);
      const files = source === undefined ? mapper.filesOf(item).flatMap((path) => decoded(cache, path)) : [];
      return { index, item, epoch, position, repeat: position >= items.length, source, files };
    });
  }

  /** Whether a worker is at it, so that waiting for it is better than preparing it twice. */
  function isUnderWay({ index, source }: BatchItem<Item, unknown>): boolean {
    const isAt = (other: BatchItem<unknown, unknown>): boolean => other.index === index && other.source === undefined;
    return source === undefined && threads.some(({ task = [] }) => task.some(isAt));
  }

  function pendingAt(n: number): Pending<Made> {
    const known = pending.get(n);
    if (known !== undefined) return known;
    let resolve!: (made: Made) => void;
    let reject!: (error: unknown) => void;
    const promise = new Promise<Made>((yes, no) => {
      resolve = yes;
      reject = no;
    });
    // What is made ahead may fail before anyone asks for it; whoever does gets the error then.
    promise.catch(() => {});
    const made: Pending<Made> = { done: false, promise, resolve, reject };
    pending.set(n, made);
    return made;
  }

  /** Makes batch `n` the first of the queue. What was made for elsewhere is dropped, what a worker is still at as well. */
  function seek(n: number): void {
    const goesOn = n >= asked && n <= next;
    for (const [at, one] of pending) {
      if (goesOn && at >= n) continue;
      one.reject(superseded());
      pending.delete(at);
    }
    if (!goesOn) next = n;
    asked = n;
  }

  async function take(n: number): Promise<Made> {
    if (failure !== undefined) throw failure.reason;
    seek(n);
    const one = pendingAt(n);
    // All workers may be busy with batches nobody wants any more; the first that answers then gets this one.
    dispatch();
    if (waiting++ === 0) for (const { worker } of threads) worker.ref();
    try {
      return await one.promise;
    } finally {
      // After a failure the workers are ending, and whoever closes the loader waits for that.
      if (--waiting === 0 && failure === undefined) for (const { worker } of threads) worker.unref();
      if (pending.get(n) === one) {
        pending.delete(n);
        asked = n + 1;
        dispatch();
      }
    }
  }

  async function* batches(epoch: number, fromStep = 0): AsyncGenerator<Batch, void, undefined> {
    const mine = ++reading;
    for (let step = fromStep; step < stepsPerEpoch; step++) {
      const started = performance.now();
      if (mine !== reading) throw superseded();
      const made = await take(epoch * stepsPerEpoch + step);
      const ids = Array.from({ length: batch }, (_, i) => items[order(epoch, step * batch + i)].id);
      yield mapper.batchOf(made, { epoch, step, ids, waitedMs: performance.now() - started });
    }
  }

  async function close(): Promise<void> {
    fail(new DataError("loader: closed"));
    await closing;
  }

  return {
    stepsPerEpoch,
    batches,
    recycle: spares.take,
    ready: () => [...pending.values()].filter(({ done }) => done).length,
    cached: () => ({
      bytes: cache.bytes(),
      cases: keys.filter((key) => cache.prepared(key) !== undefined).length,
    }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** A file where it lies in memory already. */
function decoded(cache: CaseCache, path: string) {
  const volume = cache.file(path);
  return volume === undefined ? [] : [[path, volume] as const];
}

/**
 * Buffers of batches that were used up, to be filled again.
 * @param sizes bytes of each array of a batch
 * @param most how many batches' buffers stay
 */
function createSpares(sizes: readonly number[], most: number) {
  const spares = new Map(sizes.map((bytes) => [bytes, [] as ArrayBuffer[]]));

  /** Takes arrays back; those that are not of ours, and those beyond what is needed, are left alone. */
  function take({ input, target }: BatchArrays): void {
    for (const array of [input, target]) {
      const buffer = array?.buffer;
      // A transferred array has length 0; anything else of the wrong size is not one of ours.
      if (!(buffer instanceof ArrayBuffer)) continue;
      const alike = spares.get(buffer.byteLength);
      if (alike === undefined || alike.includes(buffer)) continue;
      if (alike.length < most * sizes.filter((bytes) => bytes === buffer.byteLength).length) alike.push(buffer);
    }
  }

  /** A buffer to fill again, unless its owner transferred it away after recycling it. */
  function spareOf(bytes: number): ArrayBuffer | undefined {
    const alike = spares.get(bytes) ?? [];
    for (let buffer = alike.pop(); buffer; buffer = alike.pop()) if (buffer.byteLength === bytes) return buffer;
    return undefined;
  }

  return { take, give: () => sizes.map(spareOf) };
}

function superseded(): ConfigError {
  return new ConfigError("loader: another epoch was asked for while this one was being read");
}

function checkCounts(counts: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(counts)) {
    if (!Number.isInteger(value) || value < 1)
      throw new ConfigError(`loader: ${name}: expected 1 or more, got ${value}`);
  }
}
