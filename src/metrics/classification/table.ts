/** Classification scores as JSON and CSV. */

import { csv } from "../segmentation/table.ts";
import type { CaseProbabilities, ClassificationSummary, OperatingPoint } from "./classification.ts";
import { calledClass } from "./classification.ts";

/**
 * What `evaluate --json` prints for a classification. The stable keys are `task`, `cases`, `auc`, `accuracy`, `sensitivity`,
 * `specificity` (at 0.5; with more than two classes the mean recall, and none) and `perCase`; the rest says the same in full.
 */
export function classificationJson(summary: ClassificationSummary, cases: readonly CaseProbabilities[]) {
  const { cases: count, auc, aucInterval, accuracy, atHalf, youden, classes, balancedAccuracy, ...rest } = summary;
  const names = classes.map(({ name }) => name);
  const point = ({ threshold, ...shares }: OperatingPoint) => ({
    threshold,
    sensitivity: shares.sensitivity.value,
    sensitivityInterval: shares.sensitivity.interval,
    specificity: shares.specificity.value,
    specificityInterval: shares.specificity.interval,
    accuracy: shares.accuracy.value,
    accuracyInterval: shares.accuracy.interval,
  });
  return {
    task: "classification" as const,
    cases: count,
    auc,
    aucInterval,
    accuracy: accuracy.value,
    accuracyInterval: accuracy.interval,
    sensitivity: atHalf === null ? balancedAccuracy : atHalf.sensitivity.value,
    specificity: atHalf === null ? null : atHalf.specificity.value,
    balancedAccuracy,
    atHalf: atHalf && point(atHalf),
    youden: youden && { ...point(youden), note: "threshold chosen on these very cases" },
    ...rest,
    classes,
    perCase: cases.map((item) => ({
      case: item.case,
      truth: item.truth,
      score: scoreOf(item),
      called: calledClass(item.probabilities),
      class: names[item.truth],
      probabilities: Object.fromEntries(names.map((name, k) => [name, item.probabilities[k]])),
    })),
  };
}

/** One row per case: its true class, its score, the class it is called, every probability. */
export function classificationCsv(cases: readonly CaseProbabilities[], classes: readonly string[]): string {
  const rows = cases.map((item) => [
    item.case,
    classes[item.truth],
    scoreOf(item),
    classes[calledClass(item.probabilities)],
    ...item.probabilities,
  ]);
  return csv(["case", "truth", "score", "called", ...classes.map((name) => `p(${name})`)], rows);
}

/** Probability of class 1 of two; of the called class of more. */
function scoreOf({ probabilities }: CaseProbabilities): number {
  return probabilities.length === 2 ? probabilities[1] : probabilities[calledClass(probabilities)];
}
