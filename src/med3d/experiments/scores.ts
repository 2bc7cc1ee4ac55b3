/** Trials' cases put together: seeds of one condition, their score with its interval, rows of a table. */
import { digits, intervalText, minutesEach } from "../../experiments/index.ts";
import { meanOf, type RepeatedScore, type Repeats, repeatedScore, rocAuc, type Score } from "../../metrics/index.ts";
import type { ReportTable } from "../../report/index.ts";
import type { CaseScore, TrialResult } from "./trial.ts";

/** Mean Dice of cases. */
export const diceScore: Score<CaseScore> = (cases) => meanOf(cases.map((item) => ("dice" in item ? item.dice : null)));

/** Area under the ROC curve; null where a class is missing. */
export const aucScore: Score<CaseScore> = (cases) => {
  const scores = cases.flatMap((item) => ("positive" in item ? [item] : []));
  const of = (positive: boolean) => scores.filter((item) => item.positive === positive).map(({ score }) => score);
  const [positives, negatives] = [of(true), of(false)];
  return positives.length === 0 || negatives.length === 0 ? null : rocAuc({ positives, negatives });
};

/** Seeds × cases, the cases in order of name. */
export function repeatsOf(trials: readonly TrialResult[]): Repeats<CaseScore> {
  return [...trials]
    .sort((a, b) => a.seed - b.seed)
    .map(({ cases }) => [...cases].sort((a, b) => (a.case < b.case ? -1 : a.case > b.case ? 1 : 0)));
}

export function summaryOf(repeats: Repeats<CaseScore>, score: Score<CaseScore>): RepeatedScore {
  return repeatedScore(repeats, score);
}

export interface ScoreRow extends RepeatedScore {
  readonly name: string;
  readonly trials: readonly TrialResult[];
}

export function scoreTable(head: string, rows: readonly ScoreRow[], score: string): ReportTable {
  return {
    columns: [head, score, "95 % interval", "each seed", "steps", "minutes each"],
    rows: rows.map(({ name, mean, interval, perSeed, trials }) => [
      name,
      digits(mean),
      intervalText(interval),
      perSeed.map(digits).join(", "),
      String(trials[0].steps),
      minutesEach(trials),
    ]),
  };
}
