/**
 * One training of an experiment and its scores. A trial that was stopped goes on where it was; one that was scored is not
 * run again: its scores lie in `trial.json` of its folder.
 */
import { existsSync } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { DataError } from "../../errors.ts";
import { writeError, writeFileAtomic } from "../../files/index.ts";
import type { EpochReport } from "../../train/index.ts";
import { epochsOf } from "../../train/index.ts";

/** How well one case was done. */
export type CaseScore =
  | { readonly case: string; readonly dice: number | null }
  | { readonly case: string; readonly positive: boolean; readonly score: number };

export interface TrialScores {
  readonly cases: readonly CaseScore[];
  /** Scores of the watched cases in the course of the training. */
  readonly curve: readonly (readonly [step: number, score: number])[];
  readonly trainedCases: number;
  readonly steps: number;
  readonly seconds: number;
}

export interface TrialEvents {
  readonly signal?: AbortSignal;
  readonly onEpoch?: (report: EpochReport) => void;
}

export interface Trial {
  /** What differs between trials that are compared, e.g. `scratch`. */
  readonly condition: string;
  /** What is trained for, e.g. the set. */
  readonly target: string;
  readonly seed: number;
  /** Trains in the folder, or goes on there, and scores. */
  readonly run: (folder: string, events: TrialEvents) => Promise<TrialScores>;
}

export interface TrialResult extends TrialScores, Pick<Trial, "condition" | "target" | "seed"> {}

export interface TrialOptions {
  readonly folder: string;
  readonly keepRuns: boolean;
  readonly signal?: AbortSignal;
  readonly onTrial?: (trial: Trial, at: number, of: number) => void;
  readonly onEpoch?: (report: EpochReport) => void;
  readonly onScored?: (result: TrialResult) => void;
}

/** Runs those trials that are not scored yet, seed by seed, so that what is there early is balanced. */
export async function runTrials(trials: readonly Trial[], options: TrialOptions): Promise<TrialResult[]> {
  const { folder, keepRuns, signal, onTrial, onEpoch, onScored } = options;
  const results = new Map<Trial, TrialResult>();
  const inTurn = [...trials].sort((a, b) => a.seed - b.seed);
  for (const [i, trial] of inTurn.entries()) {
    signal?.throwIfAborted();
    const own = join(folder, trialName(trial));
    const known = await readTrial(own);
    if (known !== undefined) {
      results.set(trial, known);
      continue;
    }
    onTrial?.(trial, i + 1, inTurn.length);
    await mkdir(own, { recursive: true }).catch((error: unknown) => {
      throw writeError(own, error);
    });
    const { condition, target, seed } = trial;
    const result = { condition, target, seed, ...(await trial.run(own, { signal, onEpoch })) };
    await writeFileAtomic(join(own, "trial.json"), `${JSON.stringify(result)}\n`, { force: true });
    if (!keepRuns) await removeBulk(own);
    onScored?.(result);
    results.set(trial, result);
  }
  return trials.map((trial) => results.get(trial)!);
}

export function trialName({ target, condition, seed }: Pick<Trial, "condition" | "target" | "seed">): string {
  return `${target}-${condition}-seed-${seed}`;
}

async function readTrial(folder: string): Promise<TrialResult | undefined> {
  const path = join(folder, "trial.json");
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(await readFile(path, "utf8")) as TrialResult;
  } catch (error) {
    throw new DataError(
      `${path}: is not JSON (${(error as Error).message}); remove the folder to run that trial again`,
    );
  }
}

/** Leaves what says how it went: settings, log, scores, report. */
async function removeBulk(folder: string): Promise<void> {
  for (const name of ["checkpoints", "predictions", "model.onnx", "members"])
    await rm(join(folder, name), { recursive: true, force: true });
}

/** What a run's log says of its watched cases, over steps of `stepsPerEpoch` an epoch. */
export async function watchedCurve(folder: string, stepsPerEpoch: number): Promise<TrialScores["curve"]> {
  return (await epochsOf(folder)).flatMap(({ epoch, validation }) =>
    validation === undefined ? [] : [[epoch * stepsPerEpoch, validation.score] as const],
  );
}
