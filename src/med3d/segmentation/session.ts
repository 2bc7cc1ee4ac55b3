/** The training of a segmentation: network, loss, batches, and what it is watched by. */
import {
  type Batch,
  createLoader,
  ignoredClass,
  type Plan,
  type PreparedCase,
  preparedCases,
  type VolumeLoader,
  type WholeItems,
} from "../../data/index.ts";
import { ConfigError } from "../../errors.ts";
import { countOverlap, dice, type LabelNames, meanOf } from "../../metrics/index.ts";
import type { Feeds } from "../../runtime/index.ts";
import {
  type BatchSource,
  type Beginning,
  createModel,
  type Host,
  type Model,
  type Run,
  type Session,
  type ValidationResult,
} from "../../train/index.ts";
import { cutWindow } from "../../volume/index.ts";
import { readStart, startFrom, startText } from "../encoder/start-from.ts";
import { augmentationOf, optimizerOf, type SegmentationConfig } from "./config.ts";
import type { VolumeCase } from "./data.ts";
import { trainingLoss, trainingOutputs } from "./network/deep-supervision.ts";
import { ignoresVoxels, type SegmentationDecoder } from "./network/network.ts";
import { predictByWindows, wholeImage } from "./prediction/sliding-window.ts";

export type SegmentationRun = Run<SegmentationConfig, Plan, VolumeCase>;

/**
 * A run whose configuration has the decoder of its program, where it is `custom`.
 * @throws ConfigError where the run needs one and none is given
 */
export function withDecoder(run: SegmentationRun, decoder: SegmentationDecoder | undefined): SegmentationRun {
  const { config } = run.record;
  const { place } = run.store;
  // The first network of a cascade may have a decoder of medvox when the second has none.
  if (config.decoder !== "custom") return run;
  if (decoder === undefined)
    throw new ConfigError(
      `${place}: decoder: custom; it was trained with a program's own decoder, which must be given again (decoder); its model.onnx predicts without`,
    );
  return { ...run, record: { ...run.record, config: { ...config, customDecoder: decoder } as SegmentationConfig } };
}

/** Opens data and network of a run. */
export async function segmentationSession(
  { record: { config, splits }, plan }: SegmentationRun,
  { engine, resumes }: Beginning,
  { signal, cache }: Host,
): Promise<Session> {
  const start = resumes ? undefined : await readStart(config.from);
  const { patch, batch } = plan;
  // Training windows are drawn from the region that the first network will find, and a little around it.
  const regionMarginMm = config.coarse === null ? undefined : config.marginMm + config.jitterMm;
  const preprocessing = { ...plan.preprocessing, ...(regionMarginMm !== undefined && { regionMarginMm }) };
  const classes = preprocessing.labels.length;
  const ignores = ignoresVoxels([...splits.train, ...splits.validation]);
  const loader = createLoader({
    cases: splits.train,
    prepare: preprocessing,
    augmentation: augmentationOf(config),
    patch,
    batch,
    seed: config.seed,
    workers: config.workers,
    stepsPerEpoch: config.stepsPerEpoch ?? undefined,
    cache,
  });
  const watched = preparedCases({
    cases: splits.validation,
    prepare: preprocessing,
    workers: config.workers,
    cache,
    signal,
  });
  let model: Model | undefined;
  const close = async (): Promise<void> => {
    await loader.close();
    await watched.close();
    await model?.close();
  };
  try {
    const network = await createModel(
      {
        engine,
        network: ({ input }) => trainingOutputs(input, classes, config),
        loss: (outputs, { target }) => trainingLoss(outputs, target, config.loss, ignores),
        optimizer: optimizerOf(config),
        seed: config.seed,
        clipNorm: config.clipNorm ?? undefined,
        accumulate: config.accumulate,
      },
      {
        input: { shape: [batch, preprocessing.channels, ...patch], dtype: "float32" },
        target: { shape: [batch, ...patch], dtype: "int32" },
      },
    );
    model = network;
    const match = start && (await startFrom(network, start));
    // What is wrong with a watched case is told before the first step.
    for await (const _ of watched.all());
    return {
      model: network,
      startText: start && match && startText(start, match),
      loop: {
        data: batchSource(loader, plan),
        epochs: config.epochs,
        learningRate: config.learningRate,
        schedule: config.schedule,
        warmup: config.warmupEpochs > 0 ? { epochs: config.warmupEpochs, from: 0.05 } : undefined,
        accumulate: config.accumulate,
        validate: watched.count === 0 ? undefined : () => validate(network, watched, plan, signal),
        validateEvery: config.validateEvery,
        patience: config.patience ?? undefined,
        checkpointSeconds: config.checkpointSeconds,
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The loader's batches as the engine takes them. */
function batchSource(loader: VolumeLoader, { patch, batch, preprocessing }: Plan): BatchSource {
  const feedsOf = ({ input, target }: Batch): Feeds => ({
    input: { data: input, shape: [batch, preprocessing.channels, ...patch] },
    target: { data: target, shape: [batch, ...patch] },
  });
  return {
    stepsPerEpoch: loader.stepsPerEpoch,
    batches: async function* (epoch, fromStep) {
      for await (const made of loader.batches(epoch, fromStep))
        yield { feeds: feedsOf(made), waitedMs: made.waitedMs, cases: made.cases };
    },
    recycle: ({ input, target }) => loader.recycle({ input: input as Float32Array, target: target as Int32Array }),
  };
}

/** Mean loss over windows, and Dice on the whole of each validation case. */
async function validate(
  model: Model,
  cases: WholeItems<PreparedCase>,
  { patch, labels, preprocessing }: Plan,
  signal?: AbortSignal,
): Promise<ValidationResult> {
  const classes = preprocessing.labels.length;
  // Class maps hold indices, not the files' values.
  const names: LabelNames = Object.fromEntries(
    labels.map(({ index, name }) => [preprocessing.labels.indexOf(index), name]),
  );
  const perClass = new Map<string, (number | null)[]>();
  const losses: number[] = [];
  for await (const item of cases.all()) {
    const truth = Int32Array.from(item.label!);
    const predicted = await predictByWindows(wholeImage(item.image, item.channels, item.spatial), {
      patch,
      classes,
      overlap: 0.25,
      predict: async (window, start) => {
        signal?.throwIfAborted();
        const target = new Int32Array(patch[0] * patch[1] * patch[2]);
        cutWindow(truth, 1, item.spatial, start, patch, target);
        const feeds: Feeds = {
          input: { data: window, shape: [1, item.channels, ...patch] },
          target: { data: target, shape: [1, ...patch] },
        };
        const { outputs } = await model.evaluate(feeds, { withLoss: true, fetch: ["probability", "loss"] });
        losses.push(Number(outputs.loss.data[0]));
        return outputs.probability.data as Float32Array;
      },
    });
    for (const count of countOverlap(truth, predicted, names, ignoredClass)) {
      perClass.set(count.name, [...(perClass.get(count.name) ?? []), dice(count)]);
    }
  }
  const details = Object.fromEntries([...perClass].map(([name, values]) => [name, meanOf(values)]));
  return { loss: meanOf(losses) ?? Number.NaN, score: meanOf(Object.values(details)) ?? 0, details };
}
