/**
 * A detection training from a data set to a run folder: split, plan, network, loop. Scores and predictions read the same `plan.json`, so
 * they prepare images as training did.
 */
import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createDetectionLoader, type DetectionItem } from "../data/index.ts";
import { makeFolder } from "../files/index.ts";
import { createEngine, type Engine } from "../runtime/index.ts";
import {
  type DataCredit,
  type EpochReport,
  lastCheckpoint,
  logFile,
  type StateMap,
  type StepReport,
  writeCheckpoint,
  writeRunRecord,
} from "../train/index.ts";
import { imageSource, loaderOptions } from "./detector-batches.ts";
import {
  type DetectionRequest,
  detectorOptimiser,
  frozenStages,
  pictureAugmentationOf,
  resolveDetectionConfig,
  volumeAugmentationOf,
} from "./detector-config.ts";
import {
  type DetectionRecord,
  type DetectionRun,
  itemsOfRun,
  openDetectionFor,
  planDetection,
  readDetectionRun,
  splitDetection,
} from "./detector-run.ts";
import { watch } from "./detector-watch.ts";
import { readDetectorStart } from "./detector-weights.ts";
import { type Phase, phaseEpochs, schedules } from "./schedule.ts";
import { trainPhases } from "./train-phases.ts";

export interface DetectionEvents {
  readonly onStart?: (run: DetectionRun & { readonly threads: number; readonly skipped: number }) => void;
  /** What of the weights to start from found its place. */
  readonly onWeights?: (report: string) => void;
  readonly onStep?: (report: StepReport, phase: Phase) => void;
  readonly onEpoch?: (report: EpochReport, phase: Phase) => void;
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
  await makeFolder(out);
  if (force) {
    await rm(join(out, "checkpoints"), { recursive: true, force: true });
    await rm(logFile(out), { force: true });
    for (const { name } of schedules.alternating) await rm(join(out, name), { recursive: true, force: true });
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
    // Boxes of classes that nobody asked for are left out as well, but are not broken.
    const unwanted = config.classes === null ? [] : dataset.problems.filter(({ rule }) => rule === "unknown-class");
    options.onStart?.({ record, plan, threads: engine.threads, skipped: dataset.skipped - unwanted.length });
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
  const begun = existsSync(lastCheckpoint(folder));
  // The last of four phases leaves the whole detector, and then nothing is left to do.
  if (begun && record.config.schedule !== "joint") return run;
  // Stopped before its first checkpoint, it begins where it began; so does the second of four phases.
  const start = begun ? undefined : await readDetectorStart(record.config, plan.detector);
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
  const schedule = schedules[config.schedule];
  const loader = createDetectionLoader(loaderOptions(record, plan, train, "training"));
  const watched =
    validation.length === 0 ? undefined : createDetectionLoader(loaderOptions(record, plan, validation, "validation"));
  try {
    const { weights } = await trainPhases({
      engine,
      config: plan.detector,
      schedule,
      source: imageSource(loader, config.batch),
      epochs: (phase) => phaseEpochs(config, phase),
      optimiser: (groups) => detectorOptimiser(config, [...groups, ...frozenStages(config, plan.detector)]),
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
      canvas: plan.canvas,
      validate:
        watched && ((phase, current) => watch(current, { phase, plan, items: validation, loader: watched, signal })),
      onStep: (phase, report) => onStep?.(report, phase),
      onEpoch: (phase, report) => onEpoch?.(report, phase),
    });
    // Of several phases each has its own folder; the run's holds what they make together.
    if (schedule.length > 1) {
      await mkdir(dirname(lastCheckpoint(out)), { recursive: true });
      await writeCheckpoint(lastCheckpoint(out), weights, {});
    }
  } finally {
    await loader.close();
    await watched?.close();
  }
}
