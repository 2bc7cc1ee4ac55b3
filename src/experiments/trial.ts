/**
 * One training of an experiment and its scores. A trial that was stopped goes on where it was; one that was scored is not
 * run again: its scores lie in `trial.json` of its folder.
 */
import { existsSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { checkedJson } from "../data/index.ts";
import { DataError } from "../errors.ts";
import { makeFolder, writeFileAtomic } from "../files/index.ts";
import type { EpochReport } from "../train/index.ts";

/** What every trial tells; a kind of experiment adds what it scores. */
export interface TrialScores {
  readonly trainedCases: number;
  readonly steps: number;
  readonly seconds: number;
}

export interface TrialEvents {
  readonly signal?: AbortSignal;
  readonly onEpoch?: (report: EpochReport) => void;
}

export interface Trial<S extends TrialScores> {
  /** What differs between trials that are compared, e.g. `scratch`. */
  readonly condition: string;
  /** What is trained for, e.g. the set. */
  readonly target: string;
  readonly seed: number;
  /** Trains in the folder, or goes on there, and scores. */
  readonly run: (folder: string, events: TrialEvents) => Promise<S>;
}

export type TrialResult<S extends TrialScores> = S & Pick<Trial<S>, "condition" | "target" | "seed">;

export interface TrialOptions<S extends TrialScores> {
  readonly folder: string;
  readonly keepRuns: boolean;
  /** What of a scored trial's folder goes unless runs are kept: weights and predictions. */
  readonly bulk: readonly string[];
  readonly signal?: AbortSignal;
  readonly onTrial?: (trial: Trial<S>, at: number, of: number) => void;
  readonly onEpoch?: (report: EpochReport) => void;
  readonly onScored?: (result: TrialResult<S>) => void;
}

/** Runs those trials that are not scored yet, seed by seed, so that what is there early is balanced. */
export async function runTrials<S extends TrialScores>(
  trials: readonly Trial<S>[],
  { folder, keepRuns, bulk, signal, onTrial, onEpoch, onScored }: TrialOptions<S>,
): Promise<TrialResult<S>[]> {
  const results = new Map<Trial<S>, TrialResult<S>>();
  const inTurn = [...trials].sort((a, b) => a.seed - b.seed);
  for (const [i, trial] of inTurn.entries()) {
    signal?.throwIfAborted();
    const own = join(folder, trialName(trial));
    const known = await readTrial<S>(own);
    if (known !== undefined) {
      results.set(trial, known);
      continue;
    }
    onTrial?.(trial, i + 1, inTurn.length);
    await makeFolder(own);
    const { condition, target, seed } = trial;
    const result = { condition, target, seed, ...(await trial.run(own, { signal, onEpoch })) };
    await writeFileAtomic(join(own, "trial.json"), `${JSON.stringify(result)}\n`, { force: true });
    // What says how it went stays: settings, log, scores, report.
    if (!keepRuns) for (const name of bulk) await rm(join(own, name), { recursive: true, force: true });
    onScored?.(result);
    results.set(trial, result);
  }
  return trials.map((trial) => results.get(trial)!);
}

function trialName({ target, condition, seed }: Pick<Trial<TrialScores>, "target" | "condition" | "seed">): string {
  return `${target}-${condition}-seed-${seed}`;
}

async function readTrial<S extends TrialScores>(folder: string): Promise<TrialResult<S> | undefined> {
  const path = join(folder, "trial.json");
  if (!existsSync(path)) return undefined;
  try {
    // What a kind of experiment adds to the scores is its own, and was written by it.
    return checkedJson(trialSchema, await readFile(path, "utf8"), path) as TrialResult<TrialScores> as TrialResult<S>;
  } catch (error) {
    throw new DataError(`${(error as Error).message}; remove the folder to run that trial again`, { cause: error });
  }
}

const trialSchema = z.looseObject({
  condition: z.string(),
  target: z.string(),
  seed: z.number(),
  trainedCases: z.number(),
  steps: z.number(),
  seconds: z.number(),
});
