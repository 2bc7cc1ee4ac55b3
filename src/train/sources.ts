/**
 * What `train()` is fed from, as the loop takes it: a loader, or whatever can be iterated. Batches are taken when they are needed: one is
 * fetched while the step before it computes, never more. What is not a loader's is copied as it comes, so that its owner may change or
 * recycle it at once.
 */
import { ConfigError, ShapeError } from "../errors.ts";
import { checkedArrays } from "../runtime/message.ts";
import type { ArrayMessage, Feeds } from "../runtime/types.ts";
import type { BatchSource, TrainingBatch } from "./loop.ts";
import { typesOf } from "./model/executable.ts";
import type { FeedType } from "./model/step.ts";

/** Numbers with a shape: `{ data, shape }`. */
export interface NumberArray<T extends Float32Array | Int32Array = Float32Array | Int32Array> {
  readonly data: T;
  readonly shape: readonly number[];
}

/** What a network sees and what it is to say. */
export interface LabelledBatch {
  /** [N, C, …], float32. */
  readonly input: NumberArray<Float32Array>;
  /** As the loss takes it: int32 labels from 0, or float32 values. */
  readonly target: NumberArray;
}

export type Batches = Iterable<LabelledBatch> | AsyncIterable<LabelledBatch>;

/** A loader's batch: arrays, and their shapes beside them. */
export interface ShapedBatch {
  readonly input: Float32Array;
  readonly target: Float32Array | Int32Array;
  readonly shapes: { readonly input: readonly number[]; readonly target: readonly number[] };
  /** How long the batch was waited for. */
  readonly waitedMs: number;
  /** Ids, for messages. */
  readonly cases: readonly string[];
}

/** A loader as `createLoader` makes it. */
export interface BatchLoader {
  readonly stepsPerEpoch: number;
  batches(epoch: number, fromStep?: number): AsyncIterable<ShapedBatch>;
  recycle(arrays: { readonly input?: Float32Array; readonly target?: Float32Array | Int32Array }): void;
}

/** A loader, an array, another iterable (read once, so for one epoch), or a function of the epoch (from 0). */
export type TrainingData = BatchLoader | Batches | ((epoch: number) => Batches);

/** A source whose first batch is there already, so that its shapes are known. */
export interface OpenedSource {
  readonly source: BatchSource;
  readonly types: Readonly<Record<"input" | "target", FeedType>>;
}

/**
 * Takes the first batch.
 * @throws ConfigError if there is none; ShapeError naming `input` or `target` where it cannot be; the signal's reason
 */
export async function openTrainingData(data: TrainingData, signal?: AbortSignal): Promise<OpenedSource> {
  const isLoader = typeof data === "object" && "batches" in data;
  const epochOf = (epoch: number, fromStep: number): AsyncGenerator<TrainingBatch> =>
    timed(isLoader ? loaded(data, epoch, fromStep) : copied(data, epoch, fromStep), signal);
  let opened: AsyncGenerator<TrainingBatch> | undefined = epochOf(0, 0);
  const first = await opened.next();
  if (first.done) throw nothingIn(0);
  const types = typesOf(first.value.feeds) as OpenedSource["types"];
  return {
    types,
    source: {
      stepsPerEpoch: isLoader ? data.stepsPerEpoch : Array.isArray(data) ? data.length : undefined,
      batches: async function* (epoch, fromStep) {
        const begun = epoch === 0 && fromStep === 0 ? opened : undefined;
        opened = undefined;
        const batches = begun ?? epochOf(epoch, fromStep);
        const { value } = first;
        if (begun !== undefined) yield { ...value, waitedBeforeMs: value.waitedMs };
        yield* ahead(batches, begun === undefined ? epoch : undefined);
      },
      recycle: (feeds) => {
        if (isLoader) data.recycle(feeds as { input: Float32Array; target: Int32Array });
      },
    },
  };
}

const nothingIn = (epoch: number): ConfigError =>
  new ConfigError(`train: no batch in epoch ${epoch + 1}; give an array, or a function of the epoch`);

async function* loaded(loader: BatchLoader, epoch: number, fromStep: number): AsyncGenerator<TrainingBatch> {
  for await (const batch of loader.batches(epoch, fromStep)) {
    const { input, target, shapes, cases } = batch;
    if (shapes === undefined)
      throw new ShapeError("train: the loader's batches have no shapes; expected `shapes: { input, target }`");
    const feeds: Feeds = {
      input: { data: input, shape: shapes.input },
      target: { data: target, shape: shapes.target },
    };
    yield { feeds: checkedArrays("train", feeds), waitedMs: 0, cases };
  }
}

async function* copied(
  data: Batches | ((epoch: number) => Batches),
  epoch: number,
  fromStep: number,
): AsyncGenerator<TrainingBatch> {
  let step = 0;
  for await (const batch of typeof data === "function" ? data(epoch) : data) {
    if (step++ < fromStep) continue;
    const feeds = checkedArrays(`train: batch ${step} of epoch ${epoch + 1}`, {
      input: batch?.input as ArrayMessage,
      target: batch?.target as ArrayMessage,
    });
    const own = ({ data, shape }: ArrayMessage): ArrayMessage => ({ data: data.slice() as typeof data, shape });
    yield { feeds: { input: own(feeds.input), target: own(feeds.target) }, waitedMs: 0, cases: [] };
  }
}

/** Says how long each batch took to come, and ends with the signal's reason while one is waited for. */
async function* timed(
  batches: AsyncGenerator<TrainingBatch>,
  signal: AbortSignal | undefined,
): AsyncGenerator<TrainingBatch> {
  let stop = (): void => {};
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(signal?.reason);
  });
  stopped.catch(() => {});
  signal?.addEventListener("abort", stop, { once: true });
  try {
    for (;;) {
      signal?.throwIfAborted();
      const asked = performance.now();
      const next = await Promise.race([batches.next(), stopped]);
      if (next.done) return;
      yield { ...next.value, waitedMs: performance.now() - asked };
    }
  } finally {
    signal?.removeEventListener("abort", stop);
    // Not awaited: after an abort the iterable may be waiting for something that never comes.
    batches.return(undefined).catch(() => {});
  }
}

/** Fetches one batch while the one before is used. What is waited for is what the step did not cover. */
async function* ahead(batches: AsyncGenerator<TrainingBatch>, begins?: number): AsyncGenerator<TrainingBatch> {
  let any = begins === undefined;
  let next = batches.next();
  try {
    for (;;) {
      const asked = performance.now();
      const { done, value } = await next;
      if (done) break;
      any = true;
      const waitedMs = performance.now() - asked;
      next = batches.next();
      // Whoever asks for it hears of a failure; until then nobody awaits it.
      next.catch(() => {});
      yield { ...value, waitedMs };
    }
  } finally {
    batches.return(undefined).catch(() => {});
  }
  if (!any) throw nothingIn(begins!);
}
