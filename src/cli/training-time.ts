/**
 * How long a training takes, measured: the mean time of its own steps, the first left out, since it builds the graph. Nothing is assumed
 * of the machine. The time in which watched cases are scored between epochs is not part of it before the first epoch has ended.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { duration } from "../progress.ts";
import { type AnyTask, beginRun, type RunEvents } from "../train/index.ts";

type Step = Parameters<NonNullable<RunEvents["onStep"]>>[0];
type Place = Parameters<NonNullable<RunEvents["onStep"]>>[1];

export interface TrainingTime {
  readonly secondsPerStep: number;
  readonly stepsPerEpoch: number;
  readonly epochs: number;
  /** Of all epochs together, without the scoring of watched cases. */
  readonly seconds: number;
  /** Steps that were measured. */
  readonly measured: number;
}

/** Measures the steps of one training. @param nowMs milliseconds since any fixed moment */
export function stepTimer(nowMs: () => number = () => performance.now()): {
  step(report: Pick<Step, "stepsPerEpoch">, place: Pick<Place, "epochs">): void;
  /** Undefined before the second step, and where an epoch's length is not known before its end. */
  time(): TrainingTime | undefined;
} {
  let first: number | undefined;
  let last = 0;
  let measured = 0;
  let stepsPerEpoch: number | undefined;
  let epochs = 0;
  return {
    step(report, place) {
      ({ stepsPerEpoch } = report);
      ({ epochs } = place);
      last = nowMs();
      if (first === undefined) first = last;
      else measured++;
    },
    time() {
      if (first === undefined || stepsPerEpoch === undefined || measured === 0) return undefined;
      const secondsPerStep = (last - first) / 1000 / measured;
      return { secondsPerStep, stepsPerEpoch, epochs, measured, seconds: secondsPerStep * stepsPerEpoch * epochs };
    },
  };
}

/** `about 1h04m for 30 epochs of 7 steps, by 5 steps of 18.3 s`. */
export function timeText({ seconds, epochs, stepsPerEpoch, measured, secondsPerStep }: TrainingTime): string {
  const counted = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? "" : "s"}`;
  return `about ${duration(seconds)} for ${counted(epochs, "epoch")} of ${counted(stepsPerEpoch, "step")}, by ${counted(measured, "step")} of ${Number(secondsPerStep.toPrecision(3))} s`;
}

/** The most that {@link measureTraining} does. */
const STEPS = 6;
const MILLISECONDS = 120_000;

/**
 * Begins a training in a folder that is removed again, and stops it after a few steps.
 * @returns undefined where the training was over before its second step
 * @throws what beginning the training throws
 */
export async function measureTraining(
  task: AnyTask,
  request: object,
  { signal, nowMs }: { readonly signal?: AbortSignal; readonly nowMs?: () => number } = {},
): Promise<TrainingTime | undefined> {
  const out = await mkdtemp(join(tmpdir(), "medvox-time-"));
  const enough = new AbortController();
  const timer = stepTimer(nowMs);
  const began = performance.now();
  let steps = 0;
  try {
    await beginRun(task, request, {
      out: join(out, "run"),
      signal: signal === undefined ? enough.signal : AbortSignal.any([signal, enough.signal]),
      onStep: (report, place) => {
        timer.step(report, place);
        steps++;
        if (steps >= STEPS || (steps > 1 && performance.now() - began > MILLISECONDS)) enough.abort();
      },
    });
  } catch (error) {
    if (!enough.signal.aborted || error !== enough.signal.reason) throw error;
  } finally {
    await rm(out, { recursive: true, force: true });
  }
  return timer.time();
}
