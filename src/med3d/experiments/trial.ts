/** What the trials of these experiments score: Dice of cases, or probabilities. */
import type { TrialResult as ScoredTrial, Trial as TrialOf, TrialScores } from "../../experiments/index.ts";
import { epochsOf, type Store } from "../../train/index.ts";

/** How well one case was done. */
export type CaseScore =
  | { readonly case: string; readonly dice: number | null }
  | { readonly case: string; readonly positive: boolean; readonly score: number };

export interface TrialCaseScores extends TrialScores {
  readonly cases: readonly CaseScore[];
  /** Scores of the watched cases in the course of the training. */
  readonly curve: readonly (readonly [step: number, score: number])[];
}

export type Trial = TrialOf<TrialCaseScores>;
export type TrialResult = ScoredTrial<TrialCaseScores>;

/** What a run's log says of its watched cases, over steps of `stepsPerEpoch` an epoch. */
export async function watchedCurve(store: Store, stepsPerEpoch: number): Promise<TrialCaseScores["curve"]> {
  return (await epochsOf(store)).flatMap(({ epoch, validation }) =>
    validation === undefined ? [] : [[epoch * stepsPerEpoch, validation.score] as const],
  );
}
