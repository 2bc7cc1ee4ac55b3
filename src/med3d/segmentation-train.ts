/**
 * A segmentation training from a data set to a run folder: plan, split, network, loop, exported model. Evaluation and
 * prediction read the same `plan.json`, so they prepare images exactly as training did.
 */
import { existsSync } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  type Batch,
  checkPlanFits,
  createLoader,
  type DataCase,
  type Dataset,
  fingerprintOf,
  holdOut,
  ignoredClass,
  type Loader,
  makePlan,
  openDataset,
  type Plan,
  type PreparedCase,
  prepareCase,
  readPlanFile,
  select,
  sortById,
} from "../data/index.ts";
import { ConfigError } from "../errors.ts";
import { writeError } from "../files/index.ts";
import { softmax } from "../graph/index.ts";
import { countOverlap, dice, type LabelNames, meanOf } from "../metrics/index.ts";
import { random } from "../random.ts";
import { createEngine, type Engine, type Feeds } from "../runtime/index.ts";
import {
  type BatchSource,
  createModel,
  type EpochReport,
  lastCheckpoint,
  logFile,
  type Model,
  runTraining,
  type StepReport,
  type ValidationResult,
} from "../train/index.ts";
import { cutWindow } from "../volume/index.ts";
import { asRunCase, type DataCredit, type RunRecord, readRun, runFile, writeRun } from "./run-folder.ts";
import {
  augmentationOf,
  checkPatch,
  coarseConfig,
  optimiserOf,
  planChoicesOf,
  resolveSegmentationConfig,
  type SegmentationConfig,
  type SegmentationRequest,
} from "./segmentation-config.ts";
import { exportModel, modelFile } from "./segmentation-export.ts";
import { ignoresVoxels, segmentationLoss, segmentationScores } from "./segmentation-network.ts";
import { predictByWindows, wholeImage } from "./sliding-window.ts";
import { readStart, type Start, startFrom, startText } from "./start-from.ts";

export interface SegmentationEvents {
  readonly onStart?: (run: { record: RunRecord; plan: Plan; threads: number; resumedAt?: number }) => void;
  readonly onFingerprint?: (done: number, of: number) => void;
  /** What of the weights to start from found its place. */
  readonly onWeights?: (report: string) => void;
  readonly onStep?: (report: StepReport) => void;
  readonly onEpoch?: (report: EpochReport) => void;
}

export interface TrainSegmentationOptions extends SegmentationEvents {
  /** The run's folder. */
  readonly out: string;
  readonly force?: boolean;
  readonly signal?: AbortSignal;
  /** The command line that asked for it, for the record. */
  readonly command?: string;
  readonly credit?: DataCredit;
}

/** Begins a run. @throws ConfigError for a wrong request, DataError for broken data */
export async function trainSegmentation(
  request: SegmentationRequest,
  options: TrainSegmentationOptions,
): Promise<{ record: RunRecord; plan: Plan }> {
  const config = resolveSegmentationConfig(request);
  const start = await readStart(config.from);
  const given = config.plan === null ? undefined : await readPlanFile(config.plan);
  const dataset = await openFor(config);
  const splits = splitCases(dataset, config);
  const fingerprint = await fingerprintOf(
    { ...dataset, cases: splits.train },
    { onProgress: options.onFingerprint, signal: options.signal },
  );
  const plan = given ?? makePlan(dataset, fingerprint, planChoicesOf(config));
  if (given !== undefined) checkPlanFits(given, dataset, fingerprint, config.plan!);
  checkPlannedPatch(plan, config.outputStride);
  await mkdir(options.out, { recursive: true }).catch((error: unknown) => {
    throw writeError(options.out, error);
  });
  if (options.force) {
    for (const name of ["checkpoints", "coarse"]) await rm(join(options.out, name), { recursive: true, force: true });
    await rm(logFile(options.out), { force: true });
  }
  const engine = await createEngine({ device: config.device, threads: config.threads ?? undefined });
  try {
    const record = await writeRun(
      options.out,
      {
        task: "segmentation",
        config,
        command: options.command ?? "",
        threads: engine.threads,
        credit: options.credit ?? (await creditOf(dataset)),
        splits: {
          train: splits.train.map(asRunCase),
          validation: splits.validation.map(asRunCase),
          heldOut: splits.heldOut.map(asRunCase),
        },
      },
      plan,
      options.force ?? false,
    );
    await runSegmentation(engine, record, plan, options, { start });
    return { record, plan };
  } finally {
    await engine.close();
  }
}

/** Goes on with a run that was stopped; one that had ended is left as it is. */
export async function resumeSegmentation(
  folder: string,
  options: Omit<TrainSegmentationOptions, "out" | "force">,
): Promise<{ record: RunRecord; plan: Plan }> {
  const { record, plan } = await readRun(folder);
  // Stopped before its first checkpoint, it begins where it began.
  const start = existsSync(lastCheckpoint(folder)) ? undefined : await readStart(record.config.from);
  // Another number of threads would give other last bits.
  const engine = await createEngine({ device: record.config.device, threads: record.threads });
  try {
    await runSegmentation(engine, record, plan, { ...options, out: folder }, { resume: true, start });
    return { record, plan };
  } finally {
    await engine.close();
  }
}

/** The data set as a configuration sees it. */
export async function openFor({ data, mergeLabels }: SegmentationConfig): Promise<Dataset> {
  const dataset = await openDataset(data);
  const organs = dataset.labels.filter(({ index }) => index !== 0);
  if (!mergeLabels || organs.length < 2) return dataset;
  return select(dataset, { labels: { region: organs.map(({ index }) => index) } }, data);
}

/** Of a cascade, the first network: a run of its own in `coarse/`, on the same split. */
export const coarseFolder = (folder: string): string => join(folder, "coarse");

async function trainCoarse({ config }: RunRecord, options: TrainSegmentationOptions): Promise<void> {
  if (config.coarse === null) return;
  const out = coarseFolder(options.out);
  if (existsSync(modelFile(out))) return;
  const { onFingerprint, onStart, onWeights, onStep, onEpoch, signal } = options;
  const own = { onFingerprint, onStart, onWeights, onStep, onEpoch, signal };
  if (existsSync(runFile(out))) await resumeSegmentation(out, own);
  else await trainSegmentation(coarseConfig(config), { ...own, out, force: true });
}

async function runSegmentation(
  engine: Engine,
  record: RunRecord,
  plan: Plan,
  options: TrainSegmentationOptions,
  { resume = false, start }: { readonly resume?: boolean; readonly start?: Start },
): Promise<void> {
  await trainCoarse(record, options);
  const { config, splits } = record;
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
  });
  let model: Model | undefined;
  try {
    model = await createModel(
      {
        engine,
        network: ({ input }) => {
          const scores = segmentationScores(input, classes, config);
          return { scores, probability: softmax(scores) };
        },
        loss: ({ scores }, { target }) => segmentationLoss(scores, target, config.loss, ignores),
        optimiser: optimiserOf(config),
        seed: config.seed,
        clipNorm: config.clipNorm ?? undefined,
        accumulate: config.accumulate,
      },
      {
        input: { shape: [batch, preprocessing.channels, ...patch], dtype: "float32" },
        target: { shape: [batch, ...patch], dtype: "int32" },
      },
    );
    options.onStart?.({ record, plan, threads: engine.threads });
    if (start !== undefined) {
      const match = await startFrom(model, start);
      options.onWeights?.(startText(start, match));
    }
    const validation = await Promise.all(splits.validation.map((item) => prepareCase(item, preprocessing, true)));
    const trained = model;
    await runTraining({
      model,
      data: batchSource(loader, plan),
      epochs: config.epochs,
      learningRate: config.learningRate,
      schedule: config.schedule,
      warmup: config.warmupEpochs > 0 ? { epochs: config.warmupEpochs, from: 0.05 } : undefined,
      accumulate: config.accumulate,
      validate: validation.length === 0 ? undefined : () => validate(trained, validation, plan),
      validateEvery: config.validateEvery,
      patience: config.patience ?? undefined,
      folder: options.out,
      resume,
      checkpointSeconds: config.checkpointSeconds,
      signal: options.signal,
      onStep: options.onStep,
      onEpoch: options.onEpoch,
    });
  } finally {
    await loader.close();
    await model?.close();
  }
  await exportModel(options.out, record, plan);
}

/** The loader's batches as the engine takes them. */
function batchSource(loader: Loader, { patch, batch, preprocessing }: Plan): BatchSource {
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
  cases: readonly PreparedCase[],
  { patch, labels, preprocessing }: Plan,
): Promise<ValidationResult> {
  const classes = preprocessing.labels.length;
  // Class maps hold indices, not the files' values.
  const names: LabelNames = Object.fromEntries(
    labels.map(({ index, name }) => [preprocessing.labels.indexOf(index), name]),
  );
  const perClass = new Map<string, (number | null)[]>();
  const losses: number[] = [];
  for (const item of cases) {
    const truth = Int32Array.from(item.label!);
    const predicted = await predictByWindows(wholeImage(item.image, item.channels, item.spatial), {
      patch,
      classes,
      overlap: 0.25,
      predict: async (window, start) => {
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

export interface Splits {
  readonly train: readonly DataCase[];
  readonly validation: readonly DataCase[];
  readonly heldOut: readonly DataCase[];
}

/** The list's own split where it has one; else by seed. */
export function splitCases({ name, cases, test: kept }: Dataset, config: SegmentationConfig): Splits {
  const { heldOut, validation, trainCases, seed } = config;
  const splitSeed = config.splitSeed ?? seed;
  const isLabelled = (item: DataCase): boolean => item.label !== undefined;
  const labelled = cases.filter(isLabelled);
  if (labelled.length === 0) throw new ConfigError(`data: ${name} has no labelled case; a training needs labels`);
  // Decathlon's test images have no labels; a list's may have.
  const test = kept.filter(isLabelled);
  const rest = labelled.filter((item) => item.split !== "validation");
  const outer =
    test.length > 0 || heldOut === 0 ? { train: rest, heldOut: test } : holdOut(rest, heldOut, { seed: splitSeed });
  const watched = labelled.filter((item) => item.split === "validation");
  const inner =
    watched.length > 0 || validation === 0
      ? { train: outer.train, heldOut: watched }
      : holdOut(outer.train, validation, { seed: splitSeed + 1 });
  return { train: partOf(inner.train, trainCases, seed), validation: inner.heldOut, heldOut: outer.heldOut };
}

/** The first of the cases in an order drawn by the seed. */
function partOf(cases: readonly DataCase[], amount: number | null, seed: number): readonly DataCase[] {
  if (amount === null) return cases;
  const wanted = amount < 1 ? Math.max(1, Math.round(amount * cases.length)) : amount;
  if (!Number.isInteger(wanted) || wanted > cases.length)
    throw new ConfigError(`trainCases: ${amount}; there are ${cases.length} cases to train on`);
  return sortById(
    random(seed, "split/train-cases")
      .shuffle([...sortById(cases)])
      .slice(0, wanted),
  );
}

/** The encoder halves sizes three times, or five. */
export function checkPlannedPatch({ patch, medianSize }: Plan, stride = 8): void {
  checkPatch(patch, stride, ` (median size ${medianSize.join("×")})`);
}

/** Who made the data, where its description says so. */
export async function creditOf({ name, source }: Pick<Dataset, "name" | "source">): Promise<DataCredit> {
  try {
    const text = JSON.parse(
      await readFile(source.endsWith(".json") ? source : join(source, "dataset.json"), "utf8"),
    ) as Record<string, unknown>;
    const word = (key: string): string | undefined =>
      typeof text[key] === "string" ? (text[key] as string) : undefined;
    return { name, licence: word("licence") ?? word("license"), source: word("reference") };
  } catch {
    // A list or bare folders say nothing about their origin.
    return { name };
  }
}
