/**
 * A classification training from a list of cases to a run folder: split, plan, network, loop, exported model; with folds or
 * several seeds, one such run after another. Evaluation and prediction read the same `plan.json`.
 */
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import {
  type Batch,
  type ClassifiedCase,
  checkPreparationFits,
  createLoader,
  fingerprintOf,
  type Loader,
  type Preparation,
  readPreparationFile,
} from "../data/index.ts";
import { ConfigError, MedvoxError } from "../errors.ts";
import { makeFolder } from "../files/index.ts";
import { add, mul } from "../graph/index.ts";
import { meanOf, rocAuc } from "../metrics/index.ts";
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
import { auxiliaryCount, auxiliaryLoss, auxiliaryOf, planAuxiliary } from "./auxiliary-targets.ts";
import { type PreparedViews, prepareViews, viewFeeds } from "./classification-case.ts";
import {
  type ClassificationConfig,
  type ClassificationRequest,
  resolveClassificationConfig,
} from "./classification-config.ts";
import { asRunCase, everyCase, openFor, type Splits, splitCases, usableCases, watched } from "./classification-data.ts";
import { exportClassifier } from "./classification-export.ts";
import { foldsOf, hasMembers, isTrained, type Member, membersOf } from "./classification-members.ts";
import {
  classificationLoss,
  classificationProbabilities,
  classShares,
  multiTaskScores,
  outputCount,
  takesMask,
  targetOf,
} from "./classification-network.ts";
import { type AboutData, type ClassificationPlan, planClassification } from "./classification-plan.ts";
import { type ClassificationCase, type DataCredit, type Run, type RunRecord, readRun, writeRun } from "./run-folder.ts";
import { augmentationOf, optimiserOf } from "./segmentation-config.ts";
import { creditOf } from "./segmentation-train.ts";
import { readStart, startFrom, startText } from "./start-from.ts";

export type ClassificationRecord = RunRecord<"classification">;

export interface ClassificationEvents {
  /** Called for each member; `of` is 1 for a single training. */
  readonly onStart?: (run: {
    readonly record: ClassificationRecord;
    readonly plan: ClassificationPlan;
    readonly threads: number;
    readonly member: Member;
    /** From 1. */
    readonly at: number;
    readonly of: number;
  }) => void;
  readonly onFingerprint?: (done: number, of: number) => void;
  /** What of the weights to start from found its place. */
  readonly onWeights?: (report: string) => void;
  readonly onStep?: (report: StepReport) => void;
  readonly onEpoch?: (report: EpochReport) => void;
}

export interface TrainClassificationOptions extends ClassificationEvents {
  /** The run's folder. */
  readonly out: string;
  readonly force?: boolean;
  readonly signal?: AbortSignal;
  /** The command line that asked for it, for the record. */
  readonly command?: string;
  readonly credit?: DataCredit;
}

type ClassificationRun = Run<"classification">;

/** A plan made before, and the file it was read from. */
interface GivenPlan {
  readonly path: string;
  readonly plan: Preparation;
}

/** Begins a run. @throws ConfigError for a wrong request, DataError for broken data */
export async function trainClassification(
  request: ClassificationRequest,
  options: TrainClassificationOptions,
): Promise<ClassificationRun> {
  const config = resolveClassificationConfig(request);
  // What cannot be started from is told before any data are read.
  await readStart(config.from);
  const given = config.plan === null ? undefined : { path: config.plan, plan: await readPreparationFile(config.plan) };
  const dataset = await openFor(config);
  const cases = usableCases(dataset, config);
  const { out, force = false } = options;
  await makeFolder(out);
  if (force) {
    for (const name of ["checkpoints", "members", "model.onnx"]) await rm(join(out, name), { recursive: true, force });
    await rm(logFile(out), { force: true });
  }
  const named = { ...options, credit: options.credit ?? (await creditOf(dataset)) };
  if (!hasMembers(config)) return trainOne(dataset, splitCases(dataset, cases, config), config, named, given);
  // Too many folds are refused before anything is written.
  if (config.folds !== null) foldsOf(cases, config.folds, config.seed);
  const splits = config.folds === null ? splitCases(dataset, cases, config) : everyCase(cases);
  const run = await begin(dataset, splits, config, named, given);
  await trainMembers(run, named);
  return run;
}

/** Goes on with a run that was stopped; one that had ended is left as it is. */
export async function resumeClassification(
  folder: string,
  options: Omit<TrainClassificationOptions, "out" | "force"> = {},
): Promise<ClassificationRun> {
  const run = await readRun(folder, "classification");
  const { config, command, credit } = run.record;
  const own = { command, credit, ...options, out: folder };
  if (hasMembers(config)) await trainMembers(run, own);
  else await resumeOne(run, own, alone(folder, config));
  return run;
}

/** A member, and where it stands among those to be trained. */
interface Place {
  readonly member: Member;
  readonly at: number;
  readonly of: number;
}

function alone(folder: string, config: ClassificationConfig): Place {
  return { member: membersOf(folder, config)[0], at: 1, of: 1 };
}

/** Trains those members that are not trained yet, from where they were stopped. The record alone says on what. */
async function trainMembers({ record, plan }: ClassificationRun, options: TrainClassificationOptions): Promise<void> {
  const members = membersOf(options.out, record.config);
  const { folds, seed } = record.config;
  const splits = folds === null ? undefined : foldsOf(record.splits.heldOut, folds, seed);
  const about = { ...plan, name: plan.dataset };
  // The run's own copy: the file may have changed since, or be gone.
  const given = record.config.plan === null ? undefined : { path: record.config.plan, plan };
  for (const [i, member] of members.entries()) {
    if (isTrained(member)) continue;
    if (options.signal?.aborted) throw new MedvoxError("E_INTERRUPTED", `stopped before ${member.name}`);
    const place = { member, at: i + 1, of: members.length };
    const own = { ...options, out: member.folder };
    if (existsSync(join(member.folder, "run.json"))) {
      await resumeOne(await readRun(member.folder, "classification"), own, place);
      continue;
    }
    const outer: Splits =
      member.fold === undefined ? record.splits : { ...splits![member.fold], validation: [] as ClassifiedCase[] };
    const inner = member.fold === undefined ? outer : watched(outer, record.config);
    await trainOne(about, inner, member.config, { ...own, force: true }, given, place);
  }
}

/** One network from its first step to its exported model. */
async function trainOne(
  about: AboutData,
  splits: Splits,
  config: ClassificationConfig,
  options: TrainClassificationOptions,
  given: GivenPlan | undefined,
  place = alone(options.out, config),
): Promise<ClassificationRun> {
  const engine = await createEngine({ device: config.device, threads: config.threads ?? undefined });
  try {
    const run = await begin(about, splits, config, options, given, engine.threads);
    await runOne(engine, run, options, false, place);
    return run;
  } finally {
    await engine.close();
  }
}

async function resumeOne(run: ClassificationRun, options: TrainClassificationOptions, place: Place): Promise<void> {
  const { config, threads } = run.record;
  // Another number of threads would give other last bits.
  const engine = await createEngine({ device: config.device, threads });
  try {
    await runOne(engine, run, options, true, place);
  } finally {
    await engine.close();
  }
}

/** Plans from the training cases, and writes the record. */
async function begin(
  about: AboutData,
  splits: Splits,
  config: ClassificationConfig,
  options: TrainClassificationOptions,
  given: GivenPlan | undefined,
  threads = 0,
): Promise<ClassificationRun> {
  const { out, force = false, signal, onFingerprint, command = "" } = options;
  const train = splits.train.map((item) => (takesMask(config) ? item : { ...item, label: undefined }));
  const fingerprint = await fingerprintOf({ cases: train }, { onProgress: onFingerprint, signal });
  const auxiliary = planAuxiliary(splits.train, config.auxiliary);
  const plan = {
    ...planClassification(about, fingerprint, config, given?.plan),
    ...(auxiliary.length > 0 ? { auxiliary } : {}),
  };
  if (given !== undefined) checkPreparationFits(given.plan, about, fingerprint, given.path);
  await makeFolder(out);
  const record = await writeRun<"classification">(
    out,
    {
      task: "classification",
      config,
      command,
      threads,
      credit: options.credit ?? { name: about.name },
      splits: {
        train: splits.train.map(asRunCase),
        validation: splits.validation.map(asRunCase),
        heldOut: splits.heldOut.map(asRunCase),
      },
    },
    plan,
    force,
  );
  return { record, plan };
}

async function runOne(
  engine: Engine,
  { record, plan }: ClassificationRun,
  options: TrainClassificationOptions,
  resume: boolean,
  place: Place,
): Promise<void> {
  const { config, splits } = record;
  const { patch, batch, preprocessing } = plan;
  const outputs = outputCount(plan, config);
  const { auxiliary: columns = [] } = plan;
  const extra = auxiliaryCount(columns);
  const weights = config.classWeights === "balanced" ? balancedWeights(splits.train, plan.classes) : undefined;
  const loader = createLoader({
    cases: splits.train,
    prepare: preprocessing,
    augmentation: augmentationOf(config),
    patch,
    batch,
    crop: "centre",
    targetType: takesMask(config) ? "float32" : "none",
    seed: config.seed,
    workers: config.workers,
  });
  let model: Model | undefined;
  try {
    model = await createModel(
      {
        engine,
        network: ({ input, mask }) => {
          const { scores, auxiliary } = multiTaskScores(input, mask, outputs, extra, config);
          return {
            scores,
            probability: classificationProbabilities(scores, config),
            ...(auxiliary === undefined ? {} : { auxiliary }),
          };
        },
        // Watched cases are not told what stands beside the label, so that their loss is the label's.
        loss: ({ scores, auxiliary }, { target, auxiliaryValues, auxiliaryCounts }) => {
          const loss = classificationLoss(scores, target, config, weights);
          if (auxiliaryValues === undefined) return loss;
          const beside = auxiliaryLoss(auxiliary, auxiliaryValues, auxiliaryCounts, columns);
          return add(loss, mul(beside, config.auxiliaryWeight));
        },
        optimiser: optimiserOf(config),
        seed: config.seed,
        clipNorm: config.clipNorm ?? undefined,
        accumulate: config.accumulate,
      },
      {
        input: { shape: [batch, preprocessing.channels, ...patch], dtype: "float32" },
        ...(takesMask(config) ? { mask: { shape: [batch, ...patch], dtype: "float32" } } : {}),
        target: { shape: [batch, outputs], dtype: "float32" },
        ...(extra > 0
          ? {
              auxiliaryValues: { shape: [batch, extra], dtype: "float32" },
              auxiliaryCounts: { shape: [batch, extra], dtype: "float32" },
            }
          : {}),
      },
    );
    options.onStart?.({ record, plan, threads: engine.threads, ...place });
    // A run that was stopped before its first checkpoint begins where it began.
    const goesOn = resume && existsSync(lastCheckpoint(options.out));
    const start = goesOn ? undefined : await readStart(config.from);
    if (start !== undefined) {
      const match = await startFrom(model, start);
      if (place.at === 1) options.onWeights?.(startText(start, match));
    }
    const watchedCases = await Promise.all(
      splits.validation.map((item) => prepareViews(item, plan, takesMask(config))),
    );
    const trained = model;
    await runTraining({
      model,
      data: batchSource(loader, record, plan),
      epochs: config.epochs,
      learningRate: config.learningRate,
      schedule: config.schedule,
      warmup: config.warmupEpochs > 0 ? { epochs: config.warmupEpochs, from: 0.05 } : undefined,
      accumulate: config.accumulate,
      validate:
        watchedCases.length === 0 ? undefined : () => validate(trained, watchedCases, splits.validation, record, plan),
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
  await exportClassifier(options.out, record, plan);
}

/** The loader's batches as the engine takes them, each with what the network should say. */
function batchSource(loader: Loader, { config, splits }: ClassificationRecord, plan: ClassificationPlan): BatchSource {
  const { patch, batch, preprocessing } = plan;
  const outputs = outputCount(plan, config);
  const smooth = (t: number): number =>
    t * (1 - config.labelSmoothing) + config.labelSmoothing / (config.target === "rating" ? 2 : outputs);
  const targets = new Map(splits.train.map((item) => [item.id, targetOf(item, plan, config).map(smooth)]));
  const { auxiliary: columns = [] } = plan;
  const extra = auxiliaryCount(columns);
  const beside = new Map(splits.train.map((item) => [item.id, auxiliaryOf(item, columns, config.labelSmoothing)]));
  const gathered = (cases: readonly string[], of: (id: string) => readonly number[], width: number) => ({
    data: Float32Array.from(cases.flatMap(of)),
    shape: [batch, width],
  });
  const feedsOf = ({ input, target: mask, cases }: Batch): Feeds => ({
    input: { data: input, shape: [batch, preprocessing.channels, ...patch] },
    ...(takesMask(config) ? { mask: { data: mask, shape: [batch, ...patch] } } : {}),
    target: gathered(cases, (id) => targets.get(id)!, outputs),
    ...(extra > 0
      ? {
          auxiliaryValues: gathered(cases, (id) => beside.get(id)!.values, extra),
          auxiliaryCounts: gathered(cases, (id) => beside.get(id)!.counts, extra),
        }
      : {}),
  });
  return {
    stepsPerEpoch: loader.stepsPerEpoch,
    batches: async function* (epoch, fromStep) {
      for await (const made of loader.batches(epoch, fromStep))
        yield { feeds: feedsOf(made), waitedMs: made.waitedMs, cases: made.cases };
    },
    recycle: ({ input, mask }) =>
      loader.recycle({ input: input as Float32Array, target: mask as Float32Array | undefined }),
  };
}

/** Mean loss of the watched cases, and what it is judged by: AUC of two classes, else accuracy. */
async function validate(
  model: Model,
  views: readonly PreparedViews[],
  cases: readonly ClassifiedCase[],
  { config }: ClassificationRecord,
  plan: ClassificationPlan,
): Promise<ValidationResult> {
  const losses: number[] = [];
  const scored: { truth: number; shares: number[] }[] = [];
  for (const [i, item] of cases.entries()) {
    const target = Float32Array.from(targetOf(item, plan, config));
    const feeds: Feeds = { ...viewFeeds(views[i], plan), target: { data: target, shape: [1, target.length] } };
    const { outputs } = await model.evaluate(feeds, { withLoss: true, fetch: ["probability", "loss"] });
    losses.push(Number(outputs.loss.data[0]));
    if (item.class === undefined) continue;
    const shares = classShares(outputs.probability.data as Float32Array, plan, config);
    scored.push({ truth: item.class, shares });
  }
  const right = scored.filter(({ truth, shares }) => shares.indexOf(Math.max(...shares)) === truth).length;
  const accuracy = scored.length === 0 ? null : right / scored.length;
  const positives = scored.filter(({ truth }) => truth === 1).map(({ shares }) => shares[1]);
  const negatives = scored.filter(({ truth }) => truth === 0).map(({ shares }) => shares[1]);
  const auc =
    plan.classes.length === 2 && positives.length > 0 && negatives.length > 0 ? rocAuc({ positives, negatives }) : null;
  return {
    loss: meanOf(losses) ?? Number.NaN,
    score: auc ?? accuracy ?? 0,
    details: { ...(auc === null ? {} : { AUC: auc }), accuracy },
  };
}

/** n / (K · n_k): the mean over cases is 1. */
function balancedWeights(cases: readonly ClassificationCase[], classes: readonly string[]): number[] {
  return classes.map((name, k) => {
    const count = cases.filter((item) => item.class === k).length;
    if (count === 0) throw new ConfigError(`data: no training case is ${name}; every class needs one`);
    return cases.length / (classes.length * count);
  });
}
