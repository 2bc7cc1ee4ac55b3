/**
 * The training loop, whole and visible: batches, steps, validation, checkpoints, early stop, log. What is trained comes in
 * as a {@link Model}, what on as a source of batches, what must not be lost goes into a {@link Store}; the loop knows neither
 * images nor networks nor disks.
 *
 * Resuming is exact: batches depend on epoch and step alone, and a checkpoint holds all arrays and the position.
 */
import { ConfigError, DataError, MedvoxError } from "../errors.ts";
import {
  defaultSchedule,
  type ScheduleFunction,
  type SchedulePoint,
  type ScheduleSpec,
  scheduleFactor,
  type Warmup,
} from "../nn/index.ts";
import type { Feeds, RunResult } from "../runtime/types.ts";
import { appendLog, LOG, readLog, truncateLog } from "./log.ts";
import type { BranchTurn, Model, StepResult } from "./model/model.ts";
import {
  BEST_CHECKPOINT,
  LAST_CHECKPOINT,
  readCheckpoint,
  type Tally,
  type TrainingPosition,
  writeCheckpoint,
} from "./store/checkpoint.ts";
import { placeOf, type Store } from "./store/store.ts";

export interface TrainingBatch {
  readonly feeds: Feeds;
  /** How long the loop waited for it. */
  readonly waitedMs: number;
  /** The part of `waitedMs` that had passed before the loop asked, for a batch that was fetched to learn its shapes. */
  readonly waitedBeforeMs?: number;
  /** Case ids, for messages. */
  readonly cases: readonly string[];
  /** Whose step it is part of, in a model with branches; the same for all batches of an update. */
  readonly turn?: BranchTurn;
}

/** Batches that depend on nothing but epoch and step. */
export interface BatchSource {
  /** Undefined where only the end of an epoch tells; then the learning rate moves inside an epoch from the second one on. */
  readonly stepsPerEpoch?: number;
  batches(epoch: number, fromStep: number): AsyncIterable<TrainingBatch>;
  /** Takes a batch's buffers back. A source that has this gives its arrays away with each batch; the arrays of others are copied. */
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
  /** Undefined in the first epoch of a source that does not know. */
  readonly stepsPerEpoch?: number;
  readonly step: number;
  readonly loss: number;
  /** In a model with branches. */
  readonly branch?: string;
}

/** What is trained, on what, and how long. */
export interface LoopSettings {
  readonly data: BatchSource;
  readonly epochs: number;
  readonly learningRate: number;
  /** Of the learning rate; half a cosine to 0 by default. */
  readonly schedule?: ScheduleSpec | ScheduleFunction;
  readonly warmup?: Warmup;
  /** Micro-batches per update, as the model was made with. */
  readonly accumulate?: number;
  /** Turns a branch's tally of an epoch into what log and report say of it; without it, branches are not told apart. */
  readonly summarise?: (branch: string, tally: Tally) => object;
  /** May end with any error once the signal was given; then everything is saved, and a resumed training calls it again. */
  readonly validate?: () => Promise<ValidationResult>;
  /** Validate every so many epochs; the last epoch always is. */
  readonly validateEvery?: number;
  /** Stop after so many validations without a better score. */
  readonly patience?: number;
  /** At least this long between two writings of `last`; 30 by default. The end always writes. */
  readonly checkpointSeconds?: number;
}

export interface LoopOptions extends LoopSettings {
  readonly model: Model;
  /** Where `checkpoints/` and `log.jsonl` go; nothing is written without it. */
  readonly store?: Store;
  /** Go on from `checkpoints/last.safetensors`, if there is one. */
  readonly resume?: boolean;
  readonly signal?: AbortSignal;
  readonly onStep?: (report: StepReport) => void;
  readonly onEpoch?: (report: EpochReport) => void;
}

export interface LoopResult {
  readonly position: TrainingPosition;
  readonly stoppedEarly: boolean;
}

/** A training under way. */
interface Training {
  readonly options: LoopOptions;
  readonly accumulate: number;
  /** Updates of an epoch, as soon as they are known. */
  updates: number | undefined;
  position: TrainingPosition;
  /** When the newest checkpoint was written, and the update it holds. */
  savedAt: number;
  savedStep: number | undefined;
}

/** What an epoch's steps took. */
interface EpochTimes {
  readonly began: number;
  readonly waitedMs: number;
  readonly stepSeconds: number;
}

/**
 * Trains to the end, or to the signal: then it saves and throws the signal's reason ({@link stopReason}).
 * @throws DataError if the loss is no number, nothing can be written, or a run's checkpoint is gone
 */
export async function runTraining(options: LoopOptions): Promise<LoopResult> {
  const training = await beginTraining(options);
  while (training.position.epoch < options.epochs && !outOfPatience(training)) {
    const times = await trainEpoch(training);
    await closeEpoch(training, times);
  }
  return { position: training.position, stoppedEarly: outOfPatience(training) };
}

async function beginTraining(options: LoopOptions): Promise<Training> {
  const { model, data, accumulate = 1, store, resume = false } = options;
  const { stepsPerEpoch } = data;
  if (stepsPerEpoch !== undefined && stepsPerEpoch < accumulate)
    throw new ConfigError(`accumulate ${accumulate}: an epoch has only ${stepsPerEpoch} batches`);
  const training: Training = {
    options,
    accumulate,
    updates: stepsPerEpoch === undefined ? undefined : Math.floor(stepsPerEpoch / accumulate),
    position: { epoch: 0, stepInEpoch: 0, step: 0, lossSum: 0, sinceBest: 0 },
    savedAt: performance.now(),
    savedStep: undefined,
  };
  await store?.ready();
  if (store === undefined || !resume) return training;
  const saved = await lastSaved(store);
  if (await store.has(LAST_CHECKPOINT)) {
    const { state, position } = await readCheckpoint(store);
    refuseLost(store, saved, position.step);
    await model.load(state);
    training.position = position;
    training.savedStep = position.step;
  } else refuseLost(store, saved, -1);
  // Stopped before the first checkpoint, the training begins anew, and so does its log.
  await truncateLog(store, training.position.epoch);
  return training;
}

/** The last update that the log says was saved. */
async function lastSaved(store: Store): Promise<number> {
  const steps = (await readLog(store)).flatMap(({ saved }) => (typeof saved === "number" ? saved : []));
  return Math.max(-1, ...steps);
}

/** @throws DataError where the checkpoint that the log speaks of is gone, or an older one stands in its place */
function refuseLost(store: Store, saved: number, found: number): void {
  if (saved <= found) return;
  const fact = found < 0 ? "is missing" : `holds step ${found}`;
  throw new DataError(
    `${placeOf(store, LAST_CHECKPOINT)}: ${fact}, but ${LOG} says that step ${saved} was saved; put the checkpoint back, or begin anew with --force`,
  );
}

/** One pass over the batches of an epoch, from the step at which it stands. */
async function trainEpoch(training: Training): Promise<EpochTimes> {
  const { options, accumulate, updates } = training;
  const { model, data, signal } = options;
  const { epoch, stepInEpoch } = training.position;
  let began = performance.now();
  let waitedMs = 0;
  let collected: TrainingBatch[] = [];
  for await (const batch of data.batches(epoch, stepInEpoch * accumulate)) {
    waitedMs += batch.waitedMs;
    began -= batch.waitedBeforeMs ?? 0;
    collected.push(batch);
    if (collected.length < accumulate) continue;
    const step = training.position.step + 1;
    const { loss, feeds, monitored } = await model.step(
      collected.map((part) => part.feeds),
      step,
      rateAt(training, epoch, training.position.stepInEpoch),
      batch.turn,
      { takeArrays: data.recycle !== undefined },
    );
    refuseBrokenLoss(loss, step, collected, feeds);
    for (const used of feeds) data.recycle?.(used);
    collected = [];
    takeStep(training, loss, monitored, batch.turn);
    if (signal?.aborted) await stopHere(training, signal);
    if (training.position.stepInEpoch === updates) break;
    await saveIfDue(training);
  }
  if (data.stepsPerEpoch === undefined) learnLength(training);
  return { began, waitedMs, stepSeconds: (performance.now() - began) / 1000 };
}

/** An epoch of unknown length is over: the next ones are expected to be as long. */
function learnLength(training: Training): void {
  const { stepInEpoch, epoch } = training.position;
  if (stepInEpoch === 0)
    throw new ConfigError(
      `epoch ${epoch + 1}: fewer batches than one update needs (accumulate ${training.accumulate})`,
    );
  training.updates = stepInEpoch;
}

/** What follows the last step of an epoch: validation, the best checkpoint, the log, the newest checkpoint. */
async function closeEpoch(training: Training, { began, waitedMs, stepSeconds }: EpochTimes): Promise<void> {
  const { options } = training;
  const { model, epochs, store, signal, validate, validateEvery = 1 } = options;
  const { epoch, stepInEpoch, step, lossSum, tallies = {}, best: before, sinceBest } = training.position;
  const isLast = epoch + 1 === epochs;
  const { summarise } = options;
  const branches =
    summarise && Object.fromEntries(Object.entries(tallies).map(([name, tally]) => [name, summarise(name, tally)]));
  const watches = validate !== undefined && ((epoch + 1) % validateEvery === 0 || isLast);
  // The epoch's steps are done: a training that is stopped here begins by watching when it is resumed.
  const validation = watches
    ? await validate().catch((error: unknown) => {
        if (!signal?.aborted) throw error;
        return stopHere(training, signal);
      })
    : undefined;
  const better = validation !== undefined && (before === undefined || validation.score > before.score);
  const best = better ? { score: validation.score, epoch: epoch + 1 } : before;
  const without = validation === undefined ? sinceBest : better ? 0 : sinceBest + 1;
  training.position = { epoch: epoch + 1, stepInEpoch: 0, step, lossSum: 0, best, sinceBest: without };
  if (better && store !== undefined)
    await writeCheckpoint(store, BEST_CHECKPOINT, await model.weights(), { epoch: epoch + 1, best });
  const report: EpochReport = {
    epoch: epoch + 1,
    epochs,
    trainLoss: lossSum / stepInEpoch,
    branches,
    validation,
    learningRate: rateAt(training, epoch, 0),
    seconds: (performance.now() - began) / 1000,
    waitingShare: waitedMs / 1000 / stepSeconds,
    best: better,
  };
  if (store !== undefined) await appendLog(store, { event: "epoch", ...report, saved: training.savedStep });
  const atEnd = isLast || outOfPatience(training);
  if (atEnd) await save(training);
  else if (!signal?.aborted) await saveIfDue(training);
  options.onEpoch?.(report);
  if (signal?.aborted && !atEnd) await stopHere(training, signal);
}

/**
 * The signal's own reason. The command line gives an `E_INTERRUPTED` as reason to be told how far the training came: it gets one with the
 * fact as its message, and the reason as its cause.
 * @param fact e.g. `stopped after step 412`
 */
export function stopReason({ reason }: AbortSignal, fact: string): unknown {
  if (!(reason instanceof MedvoxError) || reason.code !== "E_INTERRUPTED") return reason;
  return new MedvoxError(reason.code, fact, { cause: reason });
}

/** Saves, says so in the log, and ends the training. */
async function stopHere(training: Training, signal: AbortSignal): Promise<never> {
  const { store } = training.options;
  const { epoch, step } = training.position;
  await save(training);
  if (store !== undefined) await appendLog(store, { event: "stopped", epoch, step, saved: step });
  throw stopReason(signal, `stopped after step ${step}`);
}

async function save(training: Training): Promise<void> {
  const { model, store } = training.options;
  if (store === undefined) return;
  await writeCheckpoint(store, LAST_CHECKPOINT, await model.state(), training.position);
  training.savedAt = performance.now();
  training.savedStep = training.position.step;
}

async function saveIfDue(training: Training): Promise<void> {
  const { checkpointSeconds = 30 } = training.options;
  if (performance.now() - training.savedAt > checkpointSeconds * 1000) await save(training);
}

/** @throws ConfigError where the function gives no factor */
function factorOf(schedule: ScheduleFunction, at: SchedulePoint): number {
  const factor = schedule(at);
  if (typeof factor === "number" && Number.isFinite(factor) && factor >= 0) return factor;
  throw new ConfigError(`schedule: ${factor} at epoch ${at.epoch}, step ${at.step}; it must be a number of at least 0`);
}

function rateAt({ options, updates }: Training, epoch: number, update: number): number {
  const { learningRate, schedule = defaultSchedule, epochs, warmup } = options;
  // Of an epoch longer than the one before, the last steps have the rate of its end.
  const share = updates === undefined ? 0 : Math.min(1, update / updates);
  if (typeof schedule === "function") return learningRate * factorOf(schedule, { epoch, step: update, epochs, share });
  return learningRate * scheduleFactor(schedule, epoch + share, epochs, warmup);
}

/** A training that had stopped early is at its end, too. */
function outOfPatience({ options: { patience }, position: { sinceBest } }: Training): boolean {
  return patience !== undefined && sinceBest >= patience;
}

/** Moves the position one update on, and tells of it. */
function takeStep(
  training: Training,
  loss: number,
  monitored: Readonly<Record<string, Float32Array>> = {},
  turn?: BranchTurn,
): void {
  const { options, updates, position } = training;
  const [step, stepInEpoch] = [position.step + 1, position.stepInEpoch + 1];
  training.position = { ...position, step, stepInEpoch, lossSum: position.lossSum + loss };
  if (options.summarise !== undefined && turn !== undefined) {
    const { tallies } = position;
    const tally = tallied(tallies?.[turn.branch], loss, monitored);
    training.position = { ...training.position, tallies: { ...tallies, [turn.branch]: tally } };
  }
  const epoch = position.epoch + 1;
  options.onStep?.({ epoch, stepInEpoch, stepsPerEpoch: updates, step, loss, branch: turn?.branch });
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

function refuseBrokenLoss(
  loss: number,
  step: number,
  batches: readonly TrainingBatch[],
  taken: StepResult["feeds"],
): void {
  if (Number.isFinite(loss)) return;
  const given = batches.map(({ feeds }) => Object.entries(feeds).map(([name, { data }]) => [name, data] as const));
  for (const arrays of taken.length > 0 ? taken.map((feeds) => Object.entries(feeds)) : given) {
    for (const [name, data] of arrays) {
      const at = data instanceof Float32Array ? data.findIndex((value) => !Number.isFinite(value)) : -1;
      if (at < 0) continue;
      throw new DataError(
        `step ${step}: ${name}: number ${at} is ${data[at]}, so the loss is ${loss}; all numbers must be finite`,
      );
    }
  }
  const cases = batches.flatMap((part) => part.cases);
  const [said, look] =
    cases.length === 0
      ? ["", "at these batches"]
      : [` (cases ${cases.join(", ")})`, "at these cases with medvox verify"];
  throw new DataError(`step ${step}: the loss is ${loss}${said}; lower the learning rate, or look ${look}`);
}
