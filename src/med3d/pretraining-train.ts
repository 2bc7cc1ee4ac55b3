/**
 * Multi-branch pre-training (Med3D §3, arXiv:1904.00625): one encoder under one decoder for each data set. A step is one
 * set's: it takes a batch of that set and renews the encoder and that set's decoder. Sets smaller than the largest are
 * filled up to its size by augmented copies. What is left for others is the encoder.
 */
import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { createLoader, type Loader } from "../data/index.ts";
import { writeError } from "../files/index.ts";
import { scope, softmax } from "../graph/index.ts";
import { createEngine, type Engine } from "../runtime/index.ts";
import {
  type Branch,
  createBranchedModel,
  type EpochReport,
  lastCheckpoint,
  logFile,
  type Model,
  runTraining,
  type StepReport,
  type Tally,
} from "../train/index.ts";
import {
  balancingOf,
  branchConfig,
  type PretrainingConfig,
  type PretrainingRequest,
  resolvePretrainingConfig,
} from "./pretraining-config.ts";
import { writePretrainingReport } from "./pretraining-report.ts";
import { overlapMonitor, setEpoch } from "./pretraining-scores.ts";
import { type PretrainingPlan, prepareSets } from "./pretraining-sets.ts";
import { type SetStream, turnSource } from "./pretraining-turns.ts";
import { type Run, readRun, writeRun } from "./run-folder.ts";
import { augmentationOf, optimiserOf } from "./segmentation-config.ts";
import { segmentationLoss, segmentationScores } from "./segmentation-network.ts";
import { readStart, type Start, startFrom, startText } from "./start-from.ts";

export type PretrainingRun = Run<"pretraining">;

export interface PretrainingEvents {
  readonly onFingerprint?: (done: number, of: number) => void;
  /** Awaited: what it throws ends the training before its first step. */
  readonly onStart?: (run: PretrainingRun & { threads: number }) => void | Promise<void>;
  /** What of the weights to start from found its place. */
  readonly onWeights?: (report: string) => void;
  readonly onStep?: (report: StepReport) => void;
  readonly onEpoch?: (report: EpochReport) => void;
}

export interface PretrainOptions extends PretrainingEvents {
  /** The run's folder. */
  readonly out: string;
  readonly force?: boolean;
  readonly signal?: AbortSignal;
  /** The command line that asked for it, for the record. */
  readonly command?: string;
}

/** Begins a run. @throws ConfigError for a wrong request, DataError for broken data */
export async function pretrain(request: PretrainingRequest, options: PretrainOptions): Promise<PretrainingRun> {
  const { out, force = false } = options;
  const config = resolvePretrainingConfig(request);
  const start = await readStart(config.from);
  const { plan, train, heldOut, credit } = await prepareSets(config, options);
  await mkdir(out, { recursive: true }).catch((error: unknown) => {
    throw writeError(out, error);
  });
  if (force) {
    await rm(join(out, "checkpoints"), { recursive: true, force: true });
    await rm(logFile(out), { force: true });
  }
  const engine = await createEngine({ device: config.device, threads: config.threads ?? undefined });
  try {
    const splits = { train, validation: [], heldOut };
    const about = { config, command: options.command ?? "", threads: engine.threads, credit, splits };
    const record = await writeRun<"pretraining">(out, { task: "pretraining", ...about }, plan, force);
    await runPretraining(engine, { record, plan }, options, { start });
    return { record, plan };
  } finally {
    await engine.close();
  }
}

/** Goes on with a run that was stopped; one that had ended is left as it is. */
export async function resumePretraining(
  folder: string,
  options: Omit<PretrainOptions, "out" | "force">,
): Promise<PretrainingRun> {
  const run = await readRun(folder, "pretraining");
  // Stopped before its first checkpoint, it begins where it began.
  const start = existsSync(lastCheckpoint(folder)) ? undefined : await readStart(run.record.config.from);
  // Another number of threads would give other last bits.
  const engine = await createEngine({ device: run.record.config.device, threads: run.record.threads });
  try {
    await runPretraining(engine, run, { ...options, out: folder }, { resume: true, start });
    return run;
  } finally {
    await engine.close();
  }
}

async function runPretraining(
  engine: Engine,
  { record, plan }: PretrainingRun,
  options: PretrainOptions,
  { resume = false, start }: { readonly resume?: boolean; readonly start?: Start },
): Promise<void> {
  const { config } = record;
  const streams = openStreams(record, plan);
  let model: Model | undefined;
  try {
    model = await createBranchedModel({
      engine,
      branches: branchesOf(config, plan),
      optimiser: optimiserOf(config),
      seed: config.seed,
      clipNorm: config.clipNorm ?? undefined,
      accumulate: config.accumulate,
    });
    await options.onStart?.({ record, plan, threads: engine.threads });
    if (start !== undefined) {
      const match = await startFrom(model, start);
      options.onWeights?.(startText(start, match));
    }
    await runTraining({
      model,
      data: turnSource(streams, config.accumulate, config.seed),
      epochs: config.epochs,
      learningRate: config.learningRate,
      schedule: config.schedule,
      warmup: config.warmupEpochs > 0 ? { epochs: config.warmupEpochs, from: 0.05 } : undefined,
      accumulate: config.accumulate,
      summarise: (set: string, tally: Tally) => setEpoch(tally, foregroundOf(plan, set)),
      folder: options.out,
      resume,
      checkpointSeconds: config.checkpointSeconds,
      signal: options.signal,
      onStep: options.onStep,
      onEpoch: options.onEpoch,
    });
  } finally {
    for (const { loader } of streams) await loader.close();
    await model?.close();
  }
  await writePretrainingReport(options.out, { record, plan });
}

/** One network per set, all of them over the same encoder. */
export function branchesOf(config: PretrainingConfig, plan: PretrainingPlan): Record<string, Branch> {
  return Object.fromEntries(
    config.sets.map((set): [string, Branch] => {
      const { patch, batch, preprocessing } = plan.sets[set.name];
      const own = branchConfig(config, set);
      const at = scope("branch").child(set.name);
      return [
        set.name,
        {
          network: ({ input }) => {
            const scores = segmentationScores(input, preprocessing.labels.length, own, at);
            return { scores, probability: softmax(scores) };
          },
          loss: ({ scores }, { target }) => segmentationLoss(scores, target, config.loss),
          monitor: overlapMonitor,
          example: {
            input: { shape: [batch, preprocessing.channels, ...patch], dtype: "float32" },
            target: { shape: [batch, ...patch], dtype: "int32" },
          },
        },
      ];
    }),
  );
}

/** A loader for each set, whose epochs are as long as the largest set's. */
function openStreams({ config, splits }: Run<"pretraining">["record"], plan: PretrainingPlan): SetStream[] {
  const balancing = balancingOf(config);
  const casesOf = (name: string) => splits.train.filter(({ set }) => set === name);
  const largest = Math.max(...config.sets.map(({ name }) => casesOf(name).length));
  // What one loader would take is shared by all.
  const cacheBytes = Math.max(2 ** 29, process.availableMemory() / 4) / config.sets.length;
  return config.sets.map(({ name }): SetStream => {
    const cases = casesOf(name);
    const { preprocessing, patch, batch } = plan.sets[name];
    const patches = balancing === undefined ? cases.length : largest;
    const updates = config.updatesPerSet ?? Math.ceil(patches / (batch * config.accumulate));
    const loader: Loader = createLoader({
      cases,
      prepare: preprocessing,
      augmentation: augmentationOf(config),
      repeatAugmentation: balancing,
      patch,
      batch,
      seed: config.seed,
      workers: config.workers,
      stepsPerEpoch: updates * config.accumulate,
      cacheBytes,
    });
    return { name, plan: plan.sets[name], loader };
  });
}

/** Names of a set's classes, without the background. */
export function foregroundOf(plan: PretrainingPlan, set: string): string[] {
  return plan.sets[set].labels.filter(({ index }) => index !== 0).map(({ name }) => name);
}
