/**
 * Scores of a classification: accuracy, area under the ROC curve, average precision, sensitivity and specificity, and how
 * far the probabilities can be believed (Brier score, reliability).
 *
 * With two classes, class 1 is the positive one and a case's score its probability; a case is called positive from 0.5 up.
 * With more, areas are one class against the rest, and their mean over classes (each class counts the same).
 */
import { ConfigError, ShapeError } from "../../errors.ts";
import { classRule, isClass, refuseLabel } from "../labels.ts";
import { type Proportion, proportion } from "./proportion.ts";
import { averagePrecision, delong, rocCurve, type TwoClasses } from "./roc.ts";

/** What was predicted for a case. */
export interface CaseProbabilities {
  readonly case: string;
  /** Index of the true class. */
  readonly truth: number;
  /** [K], adding up to 1. */
  readonly probabilities: readonly number[];
}

/** Two classes, told apart at one threshold. */
export interface OperatingPoint {
  readonly threshold: number;
  readonly sensitivity: Proportion;
  readonly specificity: Proportion;
  readonly accuracy: Proportion;
}

export interface ClassResult {
  readonly name: string;
  readonly cases: number;
  /** This class against the rest; `null` where all or none are of it. */
  readonly auc: number | null;
  readonly aucInterval: readonly [number, number] | null;
  readonly averagePrecision: number | null;
  /** Share of its cases that were called it. */
  readonly recall: Proportion;
  /** Share of what was called it that is. */
  readonly precision: Proportion;
}

/** Cases whose confidence lies in one bin. */
export interface ReliabilityBin {
  readonly from: number;
  readonly to: number;
  readonly cases: number;
  /** Mean of what was predicted, and share of what was true; `null` in an empty bin. */
  readonly predicted: number | null;
  readonly observed: Proportion;
}

export interface ClassificationSummary {
  readonly cases: number;
  readonly level: number;
  readonly classes: readonly ClassResult[];
  readonly accuracy: Proportion;
  /** Mean recall over classes that have cases. */
  readonly balancedAccuracy: number | null;
  /** Of class 1 with two classes; mean over classes with more. */
  readonly auc: number | null;
  /** DeLong's; with two classes only. */
  readonly aucInterval: readonly [number, number] | null;
  readonly averagePrecision: number | null;
  /** At 0.5; with two classes only. */
  readonly atHalf: OperatingPoint | null;
  /**
   * Where sensitivity + specificity is largest on these very cases; with two classes only. The threshold was chosen by what it
   * is scored on, so these figures flatter.
   */
  readonly youden: OperatingPoint | null;
  /** Cases by true class (rows) and called class (columns). */
  readonly confusion: readonly (readonly number[])[];
  /** Mean squared difference of probability and truth: of class 1 with two classes, summed over classes with more. */
  readonly brier: number;
  /**
   * Expected calibration error (Naeini et al. 2015): |predicted − observed| averaged over ten bins of equal width by their
   * cases. Of class 1's probability with two classes, of the highest probability with more.
   */
  readonly calibrationError: number;
  readonly reliability: readonly ReliabilityBin[];
}

const bins = 10;

/** The called class: with two classes 1 from 0.5 up; else the most likely, the first of equals. */
export function calledClass(probabilities: readonly number[]): number {
  if (probabilities.length === 2) return probabilities[1] >= 0.5 ? 1 : 0;
  return probabilities.indexOf(Math.max(...probabilities));
}

/** Scores of class `k` against the rest. */
export function againstRest(cases: readonly CaseProbabilities[], k: number): TwoClasses {
  const scores = (positive: boolean): number[] =>
    cases.filter(({ truth }) => (truth === k) === positive).map(({ probabilities }) => probabilities[k]);
  return { positives: scores(true), negatives: scores(false) };
}

/**
 * @param classes names, in the order of the probabilities
 * @throws ConfigError without cases, ShapeError naming a case whose probabilities do not fit the classes, DataError naming one whose true
 * class is none of them
 */
export function evaluateClassification(
  cases: readonly CaseProbabilities[],
  classes: readonly string[],
  { level = 0.95 } = {},
): ClassificationSummary {
  check(cases, classes);
  const binary = classes.length === 2;
  const share = (hits: number, of: number): Proportion => proportion(hits, of, level);
  const confusion = classes.map(() => classes.map(() => 0));
  for (const { truth, probabilities } of cases) confusion[truth][calledClass(probabilities)]++;
  const total = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);
  const results = classes.map((name, k): ClassResult => {
    const scores = againstRest(cases, k);
    const defined = scores.positives.length > 0 && scores.negatives.length > 0;
    const area = defined ? delong(scores, level) : undefined;
    return {
      name,
      cases: scores.positives.length,
      auc: area?.auc ?? null,
      aucInterval: area?.interval ?? null,
      averagePrecision: defined ? averagePrecision(scores) : null,
      recall: share(confusion[k][k], total(confusion[k])),
      precision: share(confusion[k][k], total(confusion.map((row) => row[k]))),
    };
  });
  const positive = results[1];
  const right = total(classes.map((_, k) => confusion[k][k]));
  const reliability = reliabilityOf(cases, binary, share);
  return {
    cases: cases.length,
    level,
    classes: results,
    accuracy: share(right, cases.length),
    balancedAccuracy: meanOfDefined(results.map(({ recall }) => recall.value)),
    auc: binary ? positive.auc : meanOfDefined(results.map(({ auc }) => auc)),
    aucInterval: binary ? positive.aucInterval : null,
    averagePrecision: binary ? positive.averagePrecision : meanOfDefined(results.map((c) => c.averagePrecision)),
    atHalf: binary ? operatingPoint(againstRest(cases, 1), 0.5, level) : null,
    youden: binary && positive.auc !== null ? youden(againstRest(cases, 1), level) : null,
    confusion,
    brier: brierOf(cases, binary),
    calibrationError: reliability.reduce(
      (sum, { cases: n, predicted, observed }) =>
        n === 0 ? sum : sum + (n / cases.length) * Math.abs(predicted! - observed.value!),
      0,
    ),
    reliability,
  };
}

/** Sensitivity and specificity where scores from `threshold` up are called positive. */
export function operatingPoint({ positives, negatives }: TwoClasses, threshold: number, level = 0.95): OperatingPoint {
  const hits = Array.from(positives).filter((score) => score >= threshold).length;
  const passes = Array.from(negatives).filter((score) => score < threshold).length;
  return {
    threshold,
    sensitivity: proportion(hits, positives.length, level),
    specificity: proportion(passes, negatives.length, level),
    accuracy: proportion(hits + passes, positives.length + negatives.length, level),
  };
}

/** Of equals, the highest threshold. */
function youden(scores: TwoClasses, level: number): OperatingPoint {
  const gain = (p: { truePositiveRate: number; falsePositiveRate: number }): number =>
    p.truePositiveRate - p.falsePositiveRate;
  const [, ...curve] = rocCurve(scores);
  const best = curve.reduce((a, b) => (gain(b) > gain(a) + 1e-12 ? b : a));
  return operatingPoint(scores, best.threshold, level);
}

function brierOf(cases: readonly CaseProbabilities[], binary: boolean): number {
  const ofCase = ({ truth, probabilities }: CaseProbabilities): number =>
    binary
      ? (probabilities[1] - truth) ** 2
      : probabilities.reduce((sum, p, k) => sum + (p - (k === truth ? 1 : 0)) ** 2, 0);
  return cases.reduce((sum, item) => sum + ofCase(item), 0) / cases.length;
}

function reliabilityOf(
  cases: readonly CaseProbabilities[],
  binary: boolean,
  share: (hits: number, of: number) => Proportion,
): ReliabilityBin[] {
  const sums = Array.from({ length: bins }, () => ({ n: 0, predicted: 0, hits: 0 }));
  for (const { truth, probabilities } of cases) {
    const called = calledClass(probabilities);
    const confidence = binary ? probabilities[1] : probabilities[called];
    const bin = sums[Math.min(bins - 1, Math.floor(confidence * bins))];
    bin.n++;
    bin.predicted += confidence;
    bin.hits += (binary ? truth === 1 : truth === called) ? 1 : 0;
  }
  return sums.map(({ n, predicted, hits }, i) => ({
    from: i / bins,
    to: (i + 1) / bins,
    cases: n,
    predicted: n === 0 ? null : predicted / n,
    observed: share(hits, n),
  }));
}

function meanOfDefined(values: readonly (number | null)[]): number | null {
  const defined = values.filter((value) => value !== null);
  return defined.length === 0 ? null : defined.reduce((a, b) => a + b, 0) / defined.length;
}

function check(cases: readonly CaseProbabilities[], classes: readonly string[]): void {
  if (cases.length === 0) throw new ConfigError("classification scores: no cases; score at least one");
  if (classes.length < 2)
    throw new ConfigError(`classification scores: ${classes.length} classes; at least two are needed`);
  for (const [i, { case: name, truth, probabilities }] of cases.entries()) {
    if (probabilities.length !== classes.length)
      throw new ShapeError(`${name}: ${probabilities.length} probabilities for ${classes.length} classes`);
    if (!isClass(truth, classes.length)) refuseLabel(`${name}: truth`, truth, `case ${i}`, classRule(classes.length));
    if (!probabilities.every((p) => p >= 0 && p <= 1))
      throw new ShapeError(`${name}: probabilities ${probabilities.join(", ")}; each must lie between 0 and 1`);
  }
}
