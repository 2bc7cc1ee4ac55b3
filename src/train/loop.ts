/**
 * The training loop, whole and visible: batches, steps, validation, checkpoints, early stop, log. What is trained comes in
 * as a {@link Model}, what on as a source of batches; the loop knows neither images nor networks.
 *
 * Resuming is exact: batches depend on epoch and step alone, and a checkpoint holds all arrays and the position.
 */
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError, DataError, MedvoxError } from "../errors.ts";
import { removeStaleTemporaries, writeError } from "../files/index.ts";
import { type ScheduleSpec, scheduleFactor, type Warmup } from "../nn/index.ts";
import type { Feeds, RunResult } from "../runtime/index.ts";
import { readCheckpoint, type Tally, type TrainingPosition, writeCheckpoint } from "./checkpoint.ts";
import { appendLog, type LogLine, truncateLog } from "./log.ts";
import type { BranchTurn, Model } from "./model.ts";

export interface TrainingBatch {
  readonly feeds: Feeds;
  /** How long the loop waited for it. */
  readonly waitedMs: number;
  /** Case ids, for messages. */
  readonly cases: readonly string[];
  /** Whose step it is part of, in a model with branches; the same for all batches of an update. */
  readonly turn?: BranchTurn;
}

/** Batches that depend on nothing but epoch and step. */
export interface BatchSource {
  readonly stepsPerEpoch: number;
  batches(epoch: number, fromStep: number): AsyncIterable<TrainingBatch>;
  /** Takes a batch's buffers back. */
  recycle?(feeds: NonNullable<RunResult["feeds"]>): void;
}

export interface ValidationResult {
  readonly loss: number;
  /** What "best" means; higher is better. */
  readonly score: number;
  /** Scores per class, for log and curves. */
  readonly details?: Readonly<Record<string, number | null>>;
}

export interface EpochReport {
  /** From 1. */
  readonly epoch: number;
  readonly epochs: number;
  readonly trainLoss: number;
  /** Per branch what {@link LoopOptions.summarise} makes of its tally. */
  readonly branches?: Readonly<Record<string, object>>;
  readonly validation?: ValidationResult;
  readonly learningRate: number;
  readonly seconds: number;
  /** Share of the steps' time spent waiting for data. */
  readonly waitingShare: number;
  readonly best: boolean;
}

export interface StepReport {
  readonly epoch: number;
  readonly stepInEpoch: number;
  readonly stepsPerEpoch: number;
  readonly step: number;
  readonly loss: number;
  /** In a model with branches. */
  readonly branch?: string;
}

export interface LoopOptions {
  readonly model: Model;
  readonly data: BatchSource;
  readonly epochs: number;
  readonly learningRate: number;
  readonly schedule?: ScheduleSpec;
  readonly warmup?: Warmup;
  /** Micro-batches per update, as the model was made with. */
  readonly accumulate?: number;
  /** Turns a branch's tally of an epoch into what log and report say of it; without it, branches are not told apart. */
  readonly summarise?: (branch: string, tally: Tally) => object;
  readonly validate?: () => Promise<ValidationResult>;
  /** Validate every so many epochs; the last epoch always is. */
  readonly validateEvery?: number;
  /** Stop after so many validations without a better score. */
  readonly patience?: number;
  /** Where `checkpoints/` and `log.jsonl` go; nothing is written without it. */
  readonly folder?: string;
  /** Go on from `checkpoints/last.safetensors`, if there is one. */
  readonly resume?: boolean;
  /** At least this long between two writings of `last`; 30 by default. The end always writes. */
  readonly checkpointSeconds?: number;
  readonly signal?: AbortSignal;
  readonly onStep?: (report: StepReport) => void;
  readonly onEpoch?: (report: EpochReport) => void;
}

export interface LoopResult {
  readonly position: TrainingPosition;
  readonly stoppedEarly: boolean;
}

/** Where a run keeps its newest checkpoint. */
export const lastCheckpoint = (folder: string): string => join(folder, "checkpoints", "last.safetensors");
/** Where a run keeps the checkpoint of its best watched score. */
export const bestCheckpoint = (folder: string): string => join(folder, "checkpoints", "best.safetensors");
/** Where a run keeps its log, one JSON object a line. */
export const logFile = (folder: string): string => join(folder, "log.jsonl");

/**
 * Trains to the end, or to the signal: then it saves and throws `E_INTERRUPTED`.
 * @throws DataError if the loss is no number, or nothing can be written
 */
export async function runTraining(options: LoopOptions): Promise<LoopResult> {
  const {
    model,
    data,
    epochs,
    learningRate,
    schedule = { kind: "cosine" },
    warmup,
    accumulate = 1,
    validateEvery = 1,
  } = options;
  const { folder, checkpointSeconds = 30, patience, signal, onStep, onEpoch, validate, summarise } = options;
  if (data.stepsPerEpoch < accumulate)
    throw new ConfigError(`accumulate ${accumulate}: an epoch has only ${data.stepsPerEpoch} batches`);
  let position: TrainingPosition = { epoch: 0, stepInEpoch: 0, step: 0, lossSum: 0, sinceBest: 0 };
  if (folder !== undefined) {
    await prepareFolder(folder);
    if (options.resume && (await exists(lastCheckpoint(folder)))) position = await restore(model, folder);
    // Stopped before the first checkpoint: the training begins anew, and so does its log.
    else if (options.resume) await truncateLog(logFile(folder), 0);
  }
  let savedAt = performance.now();
  const save = async (): Promise<void> => {
    if (folder === undefined) return;
    await writeCheckpoint(lastCheckpoint(folder), await model.state(), position);
    savedAt = performance.now();
  };
  const log = async (line: LogLine): Promise<void> => {
    if (folder !== undefined) await appendLog(logFile(folder), line);
  };
  const updates = Math.floor(data.stepsPerEpoch / accumulate);
  const rateAt = (epoch: number, update: number): number =>
    learningRate * scheduleFactor(schedule, epoch + update / updates, epochs, warmup);
  const outOfPatience = ({ sinceBest }: TrainingPosition): boolean => patience !== undefined && sinceBest >= patience;
  // A training that had stopped early is at its end, too.
  let stoppedEarly = outOfPatience(position);

  while (position.epoch < epochs && !stoppedEarly) {
    const { epoch } = position;
    const began = performance.now();
    let waitedMs = 0;
    let collected: TrainingBatch[] = [];
    for await (const batch of data.batches(epoch, position.stepInEpoch * accumulate)) {
      waitedMs += batch.waitedMs;
      collected.push(batch);
      if (collected.length < accumulate) continue;
      const cases = collected.flatMap((part) => part.cases);
      const step = position.step + 1;
      const { turn } = batch;
      const { loss, feeds, monitored } = await model.step(
        collected.map((part) => part.feeds),
        step,
        rateAt(epoch, position.stepInEpoch),
        turn,
      );
      for (const used of feeds) data.recycle?.(used);
      if (!Number.isFinite(loss)) {
        throw new DataError(
          `step ${step}: the loss is ${loss} (cases ${cases.join(", ")}); lower the learning rate, or look at these cases with medvox verify`,
        );
      }
      collected = [];
      position = { ...position, step, stepInEpoch: position.stepInEpoch + 1, lossSum: position.lossSum + loss };
      if (summarise !== undefined && turn !== undefined) {
        const tallies = {
          ...position.tallies,
          [turn.branch]: tallied(position.tallies?.[turn.branch], loss, monitored ?? {}),
        };
        position = { ...position, tallies };
      }
      const branch = turn?.branch;
      onStep?.({ epoch: epoch + 1, stepInEpoch: position.stepInEpoch, stepsPerEpoch: updates, step, loss, branch });
      if (signal?.aborted) {
        await save();
        throw new MedvoxError("E_INTERRUPTED", `stopped after step ${step}`);
      }
      if (position.stepInEpoch === updates) break;
      if (performance.now() - savedAt > checkpointSeconds * 1000) await save();
    }

    const stepSeconds = (performance.now() - began) / 1000;
    const trainLoss = position.lossSum / updates;
    const branches =
      summarise &&
      Object.fromEntries(
        Object.entries(position.tallies ?? {}).map(([branch, tally]) => [branch, summarise(branch, tally)]),
      );
    const isLast = epoch + 1 === epochs;
    const validation =
      validate !== undefined && ((epoch + 1) % validateEvery === 0 || isLast) ? await validate() : undefined;
    const better = validation !== undefined && (position.best === undefined || validation.score > position.best.score);
    const best = better ? { score: validation.score, epoch: epoch + 1 } : position.best;
    const sinceBest = validation === undefined ? position.sinceBest : better ? 0 : position.sinceBest + 1;
    position = { epoch: epoch + 1, stepInEpoch: 0, step: position.step, lossSum: 0, best, sinceBest };
    if (better && folder !== undefined) {
      await writeCheckpoint(bestCheckpoint(folder), await model.weights(), { epoch: epoch + 1, best });
    }
    stoppedEarly = outOfPatience(position);
    const report: EpochReport = {
      epoch: epoch + 1,
      epochs,
      trainLoss,
      branches,
      validation,
      learningRate: rateAt(epoch, 0),
      seconds: (performance.now() - began) / 1000,
      waitingShare: waitedMs / 1000 / stepSeconds,
      best: better,
    };
    await log({ event: "epoch", ...report });
    if (isLast || stoppedEarly || signal?.aborted || performance.now() - savedAt > checkpointSeconds * 1000)
      await save();
    onEpoch?.(report);
    if (signal?.aborted && !isLast) throw new MedvoxError("E_INTERRUPTED", `stopped after step ${position.step}`);
  }
  return { position, stoppedEarly };
}

function tallied(before: Tally | undefined, loss: number, monitored: Readonly<Record<string, Float32Array>>): Tally {
  const sums = Object.entries(monitored).map(([name, values]) => {
    const so = before?.monitored[name];
    return [name, Array.from(values, (value, i) => value + (so?.[i] ?? 0))] as const;
  });
  return {
    steps: (before?.steps ?? 0) + 1,
    lossSum: (before?.lossSum ?? 0) + loss,
    monitored: Object.fromEntries(sums),
  };
}

/** Makes `checkpoints/`, and clears away what a killed process left half written. */
async function prepareFolder(folder: string): Promise<void> {
  const checkpoints = join(folder, "checkpoints");
  await mkdir(checkpoints, { recursive: true }).catch((error: unknown) => {
    throw writeError(checkpoints, error);
  });
  for (const place of [folder, checkpoints]) await removeStaleTemporaries(place);
}

async function restore(model: Model, folder: string): Promise<TrainingPosition> {
  const { state, position } = await readCheckpoint(lastCheckpoint(folder));
  await model.load(state);
  await truncateLog(logFile(folder), position.epoch);
  return position;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
