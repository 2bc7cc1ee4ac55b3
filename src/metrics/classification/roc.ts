/**
 * Scores of two classes, without a threshold: the ROC curve, the area under it with its interval, average precision.
 *
 * The area is the Mann–Whitney statistic (ties count half). Its variance is DeLong's (DeLong, DeLong & Clarke-Pearson 1988):
 * of the placements, the share of the other class that each case beats. A case is called positive where its score is at least
 * the threshold.
 */
import { ConfigError } from "../../errors.ts";
import { random } from "../../random.ts";
import { percentile } from "../segmentation/surface.ts";
import { normalQuantile } from "./proportion.ts";

export interface RocPoint {
  readonly falsePositiveRate: number;
  readonly truePositiveRate: number;
  /** The lowest score called positive; infinite at the start, where none is. */
  readonly threshold: number;
}

/** Scores of the positive and of the negative cases; each at least one. */
export interface TwoClasses {
  readonly positives: ArrayLike<number>;
  readonly negatives: ArrayLike<number>;
}

export interface AreaUnderCurve {
  readonly auc: number;
  /** DeLong's; `null` with fewer than two cases of a class. */
  readonly variance: number | null;
  /** Normal interval within [0, 1]; `null` without a variance, or with variance 0 (classes wholly apart). */
  readonly interval: readonly [low: number, high: number] | null;
}

/** Share of pairs of a positive and a negative in which the positive has the higher score. */
export function rocAuc({ positives, negatives }: TwoClasses): number {
  check(positives, negatives);
  return meanOf(placements(positives, sorted(negatives)));
}

/** One point per different score, from (0, 0) to (1, 1). */
export function rocCurve({ positives, negatives }: TwoClasses): RocPoint[] {
  check(positives, negatives);
  const [up, down] = [sorted(positives), sorted(negatives)];
  const points: RocPoint[] = [{ falsePositiveRate: 0, truePositiveRate: 0, threshold: Number.POSITIVE_INFINITY }];
  let [i, j] = [up.length, down.length];
  while (i > 0 || j > 0) {
    const threshold = Math.max(
      i > 0 ? up[i - 1] : Number.NEGATIVE_INFINITY,
      j > 0 ? down[j - 1] : Number.NEGATIVE_INFINITY,
    );
    while (i > 0 && up[i - 1] === threshold) i--;
    while (j > 0 && down[j - 1] === threshold) j--;
    const [truePositiveRate, falsePositiveRate] = [(up.length - i) / up.length, (down.length - j) / down.length];
    points.push({ falsePositiveRate, truePositiveRate, threshold });
  }
  return points;
}

/** The area with DeLong's variance and interval. */
export function delong(scores: TwoClasses, level = 0.95): AreaUnderCurve {
  const { auc, byPositive, byNegative } = components(scores);
  const spread = covariance(byPositive, byPositive, byNegative, byNegative);
  return { auc, variance: spread, interval: intervalOf(auc, spread, level, [0, 1]) };
}

/**
 * Difference of two areas from scores of the same cases in the same order (paired, DeLong).
 * @throws ConfigError where the numbers of cases differ
 */
export function compareAucs(
  a: TwoClasses,
  b: TwoClasses,
  level = 0.95,
): { readonly difference: number; readonly interval: readonly [low: number, high: number] | null } {
  if (a.positives.length !== b.positives.length || a.negatives.length !== b.negatives.length) {
    throw new ConfigError(
      `compareAucs: ${a.positives.length} + ${a.negatives.length} cases against ${b.positives.length} + ${b.negatives.length}; both scores must be of the same cases`,
    );
  }
  const [x, y] = [components(a), components(b)];
  const of = (p: typeof x, q: typeof x): number | null =>
    covariance(p.byPositive, q.byPositive, p.byNegative, q.byNegative);
  const [own, other, both] = [of(x, x), of(y, y), of(x, y)];
  const variance = own === null || other === null || both === null ? null : own + other - 2 * both;
  const difference = x.auc - y.auc;
  return { difference, interval: intervalOf(difference, variance, level, [-1, 1]) };
}

/**
 * Σ (recall step) · precision over falling thresholds: the area under the precision–recall curve without interpolation
 * (scikit-learn's average_precision_score).
 */
export function averagePrecision(scores: TwoClasses): number {
  const [m, n] = [scores.positives.length, scores.negatives.length];
  let area = 0;
  let before = 0;
  for (const { truePositiveRate, falsePositiveRate } of rocCurve(scores)) {
    const [hits, alarms] = [truePositiveRate * m, falsePositiveRate * n];
    if (hits + alarms > 0) area += (truePositiveRate - before) * (hits / (hits + alarms));
    before = truePositiveRate;
  }
  return area;
}

export interface RocBand {
  /** Evenly spaced from 0 to 1. */
  readonly falsePositiveRates: readonly number[];
  readonly low: readonly number[];
  readonly high: readonly number[];
}

/**
 * Pointwise interval of the true positive rate at each false positive rate, by bootstrap: positives and negatives are drawn
 * with replacement, each as many as there are.
 */
export function rocBand(
  { positives, negatives }: TwoClasses,
  { seed = 0, resamples = 1000, level = 0.95, points = 51 } = {},
): RocBand {
  check(positives, negatives);
  const stream = random(seed, "roc-band");
  const draw = (values: ArrayLike<number>): Float64Array =>
    Float64Array.from({ length: values.length }, () => values[stream.integer(values.length)]);
  const grid = Array.from({ length: points }, (_, i) => i / (points - 1));
  const columns = grid.map(() => new Float64Array(resamples));
  for (let b = 0; b < resamples; b++) {
    const curve = rocCurve({ positives: draw(positives), negatives: draw(negatives) });
    let at = 0;
    for (const [i, rate] of grid.entries()) {
      while (at + 1 < curve.length && curve[at + 1].falsePositiveRate <= rate) at++;
      columns[i][b] = curve[at].truePositiveRate;
    }
  }
  const tail = (100 * (1 - level)) / 2;
  const ends = columns.map((column) => {
    const ascending = column.sort();
    return [percentile(ascending, tail), percentile(ascending, 100 - tail)];
  });
  return { falsePositiveRates: grid, low: ends.map(([low]) => low), high: ends.map(([, high]) => high) };
}

/** The area, and for each case the share of the other class on its right side. */
function components({ positives, negatives }: TwoClasses) {
  check(positives, negatives);
  const byPositive = placements(positives, sorted(negatives));
  const byNegative = placements(negatives, sorted(positives)).map((share) => 1 - share);
  return { auc: meanOf(byPositive), byPositive, byNegative };
}

/** For each value the share of `others` (ascending) below it, equals counting half. */
function placements(values: ArrayLike<number>, others: Float64Array): Float64Array {
  return Float64Array.from({ length: values.length }, (_, i) => {
    const value = values[i];
    return (firstAtLeast(others, value) + firstAbove(others, value)) / (2 * others.length);
  });
}

function firstAtLeast(ascending: Float64Array, value: number): number {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function firstAbove(ascending: Float64Array, value: number): number {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Covariance of two areas from their placements: s₁₀ / m + s₀₁ / n. */
function covariance(a10: Float64Array, b10: Float64Array, a01: Float64Array, b01: Float64Array): number | null {
  if (a10.length < 2 || a01.length < 2) return null;
  return sampleCovariance(a10, b10) / a10.length + sampleCovariance(a01, b01) / a01.length;
}

function sampleCovariance(a: Float64Array, b: Float64Array): number {
  const [x, y] = [meanOf(a), meanOf(b)];
  return a.reduce((sum, value, i) => sum + (value - x) * (b[i] - y), 0) / (a.length - 1);
}

function intervalOf(
  value: number,
  variance: number | null,
  level: number,
  [least, most]: readonly [number, number],
): readonly [number, number] | null {
  if (variance === null || !(variance > 0)) return null;
  const reach = normalQuantile((1 + level) / 2) * Math.sqrt(variance);
  return [Math.max(least, value - reach), Math.min(most, value + reach)];
}

function sorted(values: ArrayLike<number>): Float64Array {
  return Float64Array.from(values).sort();
}

function meanOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function check(positives: ArrayLike<number>, negatives: ArrayLike<number>): void {
  if (positives.length === 0 || negatives.length === 0)
    throw new ConfigError(
      `ROC: ${positives.length} positive and ${negatives.length} negative cases; at least one of each is needed`,
    );
}
