/**
 * A detection training from a data set to a run folder: split, plan, network, loop. Scores and predictions read the same `plan.json`, so
 * they prepare images as training did.
 */
import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  createDetectionLoader,
  type DetectionBatch,
  type DetectionItem,
  type DetectionLoader,
  type DetectionLoaderOptions,
} from "../data/index.ts";
import { writeError } from "../files/index.ts";
import { evaluateDetection, meanOf } from "../metrics/index.ts";
import { createEngine, type Engine } from "../runtime/index.ts";
import {
  type DataCredit,
  type EpochReport,
  lastCheckpoint,
  logFile,
  type StateMap,
  type StepReport,
  type ValidationResult,
  writeRunRecord,
} from "../train/index.ts";
import { createDetector } from "./detector.ts";
import {
  type DetectionRequest,
  detectorOptimiser,
  pictureAugmentationOf,
  resolveDetectionConfig,
  volumeAugmentationOf,
} from "./detector-config.ts";
import { openImage } from "./detector-images.ts";
import {
  type DetectionPlan,
  type DetectionRecord,
  type DetectionRun,
  itemsOfRun,
  openDetectionFor,
  planDetection,
  readDetectionRun,
  splitDetection,
} from "./detector-run.ts";
import { scoredImage } from "./detector-scores.ts";
import { readDetectorStart } from "./detector-weights.ts";
import { jointSchedule } from "./schedule.ts";
import { type ImageSource, trainPhases } from "./train-phases.ts";
import type { TrainingImages } from "./training.ts";

export interface DetectionEvents {
  readonly onStart?: (run: DetectionRun & { readonly threads: number; readonly skipped: number }) => void;
  /** What of the weights to start from found its place. */
  readonly onWeights?: (report: string) => void;
  readonly onStep?: (report: StepReport) => void;
  readonly onEpoch?: (report: EpochReport) => void;
}

export interface TrainDetectorOptions extends DetectionEvents {
  /** The run's folder. */
  readonly out: string;
  readonly force?: boolean;
  readonly signal?: AbortSignal;
  /** The command line that asked for it, for the record. */
  readonly command?: string;
  readonly credit?: DataCredit;
}

/** Begins a run. @throws ConfigError for a wrong request, DataError for broken data */
export async function trainDetector(request: DetectionRequest, options: TrainDetectorOptions): Promise<DetectionRun> {
  const config = resolveDetectionConfig(request);
  const { out, force = false, signal, command = "" } = options;
  const dataset = await openDetectionFor(config, { signal });
  const splits = splitDetection(dataset, config);
  const plan = planDetection(dataset, splits, config);
  if (plan.axes === 2) pictureAugmentationOf(config);
  else volumeAugmentationOf(config);
  // What cannot be started from is told before anything is written.
  const start = await readDetectorStart(config, plan.detector);
  await mkdir(out, { recursive: true }).catch((error: unknown) => {
    throw writeError(out, error);
  });
  if (force) {
    await rm(join(out, "checkpoints"), { recursive: true, force: true });
    await rm(logFile(out), { force: true });
  }
  const engine = await createEngine({ device: config.device, threads: config.threads ?? undefined });
  try {
    const asCase = ({ id, image }: DetectionItem) => ({ id, image });
    const record = await writeRunRecord<DetectionRecord>(
      out,
      {
        task: "detection",
        config,
        command,
        threads: engine.threads,
        credit: options.credit ?? { name: dataset.name },
        splits: {
          train: splits.train.map(asCase),
          validation: splits.validation.map(asCase),
          heldOut: splits.heldOut.map(asCase),
        },
      },
      plan,
      force,
    );
    options.onStart?.({ record, plan, threads: engine.threads, skipped: dataset.skipped });
    if (start !== undefined) options.onWeights?.(start.report);
    await runDetection(engine, { record, plan }, splits, options, { start: start?.weights, resume: false });
    return { record, plan };
  } finally {
    await engine.close();
  }
}

/** Goes on with a run that was stopped; one that had ended is left as it is. */
export async function resumeDetector(
  folder: string,
  options: Omit<TrainDetectorOptions, "out" | "force"> = {},
): Promise<DetectionRun> {
  const run = await readDetectionRun(folder);
  const { record, plan } = run;
  // Stopped before its first checkpoint, it begins where it began.
  const start = existsSync(lastCheckpoint(folder)) ? undefined : await readDetectorStart(record.config, plan.detector);
  // Another number of threads would give other last bits.
  const engine = await createEngine({ device: record.config.device, threads: record.threads });
  try {
    const { train, validation } = record.splits;
    const items = await itemsOfRun(run, [...train, ...validation], options.signal);
    const splits = { train: items.slice(0, train.length), validation: items.slice(train.length) };
    options.onStart?.({ ...run, threads: engine.threads, skipped: 0 });
    await runDetection(engine, run, splits, { ...options, out: folder }, { start: start?.weights, resume: true });
    return run;
  } finally {
    await engine.close();
  }
}

async function runDetection(
  engine: Engine,
  { record, plan }: DetectionRun,
  { train, validation }: { readonly train: readonly DetectionItem[]; readonly validation: readonly DetectionItem[] },
  { out, signal, onStep, onEpoch }: TrainDetectorOptions,
  { start, resume }: { readonly start?: StateMap; readonly resume: boolean },
): Promise<void> {
  const { config } = record;
  const loader = createDetectionLoader(loaderOptions(record, plan, train, "training"));
  const watched =
    validation.length === 0 ? undefined : createDetectionLoader(loaderOptions(record, plan, validation, "validation"));
  try {
    await trainPhases({
      engine,
      config: plan.detector,
      schedule: jointSchedule,
      source: imageSource(loader, config.batch),
      epochs: () => config.epochs,
      optimiser: (groups) => detectorOptimiser(config, groups),
      learningRate: config.learningRateSchedule,
      warmup: config.warmupEpochs > 0 ? { epochs: config.warmupEpochs, from: 0.001 } : undefined,
      seed: config.seed,
      clipNorm: config.clipNorm ?? undefined,
      accumulate: config.accumulate,
      validateEvery: config.validateEvery,
      patience: config.patience ?? undefined,
      checkpointSeconds: config.checkpointSeconds,
      start,
      folder: out,
      resume,
      signal,
      validate:
        watched && ((_, { weights, loss }) => validate(engine, plan, validation, watched, { weights, loss, signal })),
      onStep: (_, report) => onStep?.(report),
      onEpoch: (_, report) => onEpoch?.(report),
    });
  } finally {
    await loader.close();
    await watched?.close();
  }
}

/** Validation images come one by one, unchanged, the same windows of volumes in every epoch. */
function loaderOptions(
  { config }: DetectionRecord,
  { axes, detector, canvas, prepare }: DetectionPlan,
  items: readonly DetectionItem[],
  use: "training" | "validation",
): DetectionLoaderOptions {
  const training = use === "training";
  const common = {
    items,
    batch: training ? config.batch : 1,
    seed: config.seed,
    workers: training ? config.workers : 1,
    stepsPerEpoch: training ? (config.stepsPerEpoch ?? undefined) : items.length,
    shuffle: training,
  };
  if (axes === 3) {
    const { objectProbability } = config;
    return {
      ...common,
      axes,
      prepare: prepare!,
      canvas: canvas as [number, number, number],
      augmentation: training ? volumeAugmentationOf(config) : {},
      objectProbability: training ? objectProbability : 1,
    };
  }
  const { minSide, maxSide, mean, deviation } = detector.input;
  const channels = detector.channels as 1 | 3;
  return {
    ...common,
    axes,
    canvas: canvas as [number, number],
    prepare: {
      shortSide: minSide![0],
      longSide: maxSide!,
      channels,
      mean: mean.length > 0 ? mean : new Array<number>(channels).fill(0),
      std: deviation.length > 0 ? deviation : new Array<number>(channels).fill(1),
    },
    augmentation: training ? pictureAugmentationOf(config) : "none",
  };
}

function imageSource(loader: DetectionLoader, images: number): ImageSource {
  return {
    stepsPerEpoch: loader.stepsPerEpoch,
    images,
    size: loader.canvas,
    batches: async function* (epoch, fromStep) {
      for await (const batch of loader.batches(epoch, fromStep))
        yield {
          images: trainingImages(batch, loader.canvas),
          cases: batch.images.map(({ id }) => id),
          waitedMs: batch.waitedMs,
        };
    },
  };
}

/** What is neither object nor background (difficult ones, crowds) is not shown as an object. */
function trainingImages({ input, images }: DetectionBatch, canvas: readonly number[]): TrainingImages {
  const width = 2 * canvas.length;
  return {
    data: input,
    size: canvas,
    sizes: images.map(({ size }) => size),
    truth: images.map(({ boxes, labels, ignored }) => {
      const kept = Array.from(labels.keys()).filter((i) => ignored[i] === 0);
      return {
        boxes: Float32Array.from(kept.flatMap((i) => [...boxes.subarray(i * width, (i + 1) * width)])),
        labels: Int32Array.from(kept, (i) => labels[i] + 1),
      };
    }),
  };
}

/** Mean loss over the watched images, and their average precision: at IoU 0.5, in 3D at 0.1. */
async function validate(
  engine: Engine,
  plan: DetectionPlan,
  items: readonly DetectionItem[],
  loader: DetectionLoader,
  current: {
    readonly weights: () => Promise<StateMap>;
    readonly loss: (images: TrainingImages) => Promise<number>;
    readonly signal?: AbortSignal;
  },
): Promise<ValidationResult> {
  const losses: number[] = [];
  for await (const batch of loader.batches(0)) losses.push(await current.loss(trainingImages(batch, loader.canvas)));
  const detector = createDetector({
    engine,
    config: plan.detector,
    weights: await current.weights(),
    canvas: plan.canvas,
  });
  try {
    const images = [];
    for (const item of items) {
      const opened = await openImage(item, plan);
      const [found] = await detector.detect([opened.input]);
      images.push(scoredImage(item, opened.back(found)));
    }
    const classes = plan.classes.map(({ name }) => name);
    const summary = evaluateDetection(images, { axes: plan.axes, classes });
    const at = plan.axes === 2 ? "ap50" : "ap10";
    return {
      loss: meanOf(losses) ?? Number.NaN,
      score: summary[at] ?? 0,
      details: Object.fromEntries(summary.classes.map((one) => [one.name, one[at] ?? null])),
    };
  } finally {
    await detector.close();
  }
}
