/**
 * Scores of many cases, summed up: per class and over classes, with a bootstrap interval for every mean.
 *
 * The interval is the percentile bootstrap over **cases** (Efron & Tibshirani, "An Introduction to the Bootstrap", ch.
 * 13): cases are drawn with replacement, as many as there are; the interval holds the middle `level` of the means so
 * made. All classes and measures share the same draws, so an interval of a mean over classes keeps their correlation
 * within a case. It says how far the mean would move with other cases of the same kind, not how a retrained network
 * would differ.
 */
import { ConfigError } from "../../errors.ts";
import { random } from "../../random.ts";
import type { CaseScores, ClassScores } from "./segmentation.ts";
import { meanOf } from "./segmentation.ts";
import { percentile } from "./surface.ts";

/** What is averaged, in the order of tables. */
export const measures = [
  "dice",
  "iou",
  "precision",
  "recall",
  "hd95Mm",
  "hausdorffMm",
  "assdMm",
  "nsd",
  "volumeDifferenceMl",
  "absoluteVolumeDifferenceMl",
  "volumeDifferenceRelative",
] as const satisfies readonly (keyof ClassScores)[];

export type Measure = (typeof measures)[number];

/** One measure over cases. Everything is `null` where no case defines it. */
export interface Statistic {
  readonly mean: number | null;
  /** Bootstrap interval of the mean; `null` below two cases. */
  readonly interval: readonly [low: number, high: number] | null;
  readonly median: number | null;
  /** Sample standard deviation (n − 1); `null` below two cases. */
  readonly std: number | null;
  readonly min: number | null;
  readonly max: number | null;
  /** Cases that went in. */
  readonly n: number;
  /** Cases left out because the measure is undefined in them. */
  readonly leftOut: number;
}

export interface ClassSummary extends Readonly<Record<Measure, Statistic>> {
  readonly label: number;
  readonly name: string;
  /** In how many cases the class is in both masks, in one of them, in neither. */
  readonly presence: {
    readonly both: number;
    readonly truthOnly: number;
    readonly predictionOnly: number;
    readonly neither: number;
  };
}

export interface SegmentationSummary {
  readonly cases: number;
  /** The tolerance of `nsd`, mm. */
  readonly nsdToleranceMm: number;
  /**
   * How often, over all cases and classes, a class of the truth was not predicted at all (`missed`), and one was predicted that the
   * truth has not (`spurious`). Distances are undefined there, so HD95 leaves them out; Dice and NSD count them as 0.
   */
  readonly leftOutOfDistances: { readonly missed: number; readonly spurious: number };
  readonly classes: readonly ClassSummary[];
  /**
   * Over classes: `mean` is the mean of the class means (every class weighs the same however often it is present), with
   * the interval of that; median, deviation and extremes are of each case's own mean over its defined classes.
   */
  readonly overall: Readonly<Record<Measure, Statistic>>;
  readonly bootstrap: { readonly seed: number; readonly resamples: number; readonly level: number };
}

export interface SummaryOptions {
  readonly seed?: number;
  readonly resamples?: number;
  /** Share of the resampled means inside the interval. */
  readonly level?: number;
}

/**
 * @param cases at least one, all with the same classes in the same order
 * @throws ConfigError without cases, with cases of different classes, or or tolerances, or for a level outside (0, 1)
 */
export function summarise(cases: readonly CaseScores[], options: SummaryOptions = {}): SegmentationSummary {
  const { seed = 0, resamples = 10_000, level = 0.95 } = options;
  if (!(level > 0 && level < 1)) throw new ConfigError(`level ${level}: an interval's level lies between 0 and 1`);
  if (!Number.isInteger(resamples) || resamples < 1)
    throw new ConfigError(`resamples ${resamples}: must be a positive integer`);
  if (cases.length === 0) throw new ConfigError("summary: no cases; score at least one");
  const first = cases[0];
  for (const scores of cases) {
    if (scores.nsdToleranceMm !== first.nsdToleranceMm)
      throw new ConfigError(
        `summary: ${scores.case} was scored with an nsdToleranceMm of ${scores.nsdToleranceMm}, ${first.case} of ${first.nsdToleranceMm}; score all cases with the same`,
      );
    const same =
      scores.classes.length === first.classes.length &&
      scores.classes.every((c, i) => c.label === first.classes[i].label);
    if (!same)
      throw new ConfigError(
        `summary: ${scores.case} has other classes than ${first.case}; score all cases with the same labels`,
      );
  }

  const draws = resampledCounts(cases.length, resamples, seed);
  const perMeasure = measures.map((measure) => {
    const columns = first.classes.map((_, k) => cases.map((scores) => scores.classes[k][measure]));
    const classMeans = columns.map((column) => resampledMeans(column, draws));
    const perClass = columns.map((column, k) => statistic(column, meanOf(column), classMeans[k], level));
    const perCase = cases.map((scores) => meanOf(scores.classes.map((c) => c[measure])));
    const macro = draws.map((_, b) => meanOfDefined(classMeans, b));
    return { measure, perClass, overall: statistic(perCase, meanOf(perClass.map((s) => s.mean)), macro, level) };
  });
  const byMeasure = <T>(pick: (entry: (typeof perMeasure)[number]) => T): Record<Measure, T> =>
    Object.fromEntries(perMeasure.map((entry) => [entry.measure, pick(entry)])) as Record<Measure, T>;

  const classes = first.classes.map(({ label, name }, k) => {
    const count = (state: ClassScores["state"]): number => cases.filter((c) => c.classes[k].state === state).length;
    const presence = {
      both: count("both"),
      truthOnly: count("truth only"),
      predictionOnly: count("prediction only"),
      neither: count("neither"),
    };
    return { label, name, presence, ...byMeasure((entry) => entry.perClass[k]) };
  });
  const sum = (pick: (presence: ClassSummary["presence"]) => number): number =>
    classes.reduce((total, { presence }) => total + pick(presence), 0);
  return {
    cases: cases.length,
    nsdToleranceMm: first.nsdToleranceMm,
    leftOutOfDistances: { missed: sum((p) => p.truthOnly), spurious: sum((p) => p.predictionOnly) },
    classes,
    overall: byMeasure((e) => e.overall),
    bootstrap: { seed, resamples, level },
  };
}

/** Cases by mean Dice, best first; ties by name; cases in which no class is defined are left out. */
export function rankCases(cases: readonly CaseScores[]): CaseScores[] {
  return cases
    .filter((scores) => scores.meanDice !== null)
    .sort((a, b) => b.meanDice! - a.meanDice! || (a.case < b.case ? -1 : a.case > b.case ? 1 : 0));
}

/** For every resample, how often each case was drawn. */
function resampledCounts(n: number, resamples: number, seed: number): Uint16Array[] {
  const stream = random(seed, "bootstrap");
  return Array.from({ length: resamples }, () => {
    const counts = new Uint16Array(n);
    for (let i = 0; i < n; i++) counts[stream.integer(n)]++;
    return counts;
  });
}

/** Mean of each resample over the cases that define the measure; NaN where a resample drew none of them. */
function resampledMeans(values: readonly (number | null)[], draws: readonly Uint16Array[]): Float64Array {
  const defined = values.flatMap((value, i) => (value === null ? [] : [{ value, i }]));
  const which = Int32Array.from(defined, ({ i }) => i);
  const what = Float64Array.from(defined, ({ value }) => value);
  return Float64Array.from(draws, (counts) => {
    let sum = 0;
    let n = 0;
    for (let j = 0; j < which.length; j++) {
      const times = counts[which[j]];
      sum += times * what[j];
      n += times;
    }
    return sum / n;
  });
}

function meanOfDefined(columns: readonly Float64Array[], row: number): number {
  let sum = 0;
  let n = 0;
  for (const column of columns) {
    if (Number.isNaN(column[row])) continue;
    sum += column[row];
    n++;
  }
  return sum / n;
}

function statistic(
  values: readonly (number | null)[],
  mean: number | null,
  resampled: ArrayLike<number>,
  level: number,
): Statistic {
  const defined = Float64Array.from(values.filter((value) => value !== null)).sort();
  const n = defined.length;
  const leftOut = values.length - n;
  if (n === 0) return { mean: null, interval: null, median: null, std: null, min: null, max: null, n, leftOut };
  let interval: readonly [number, number] | null = null;
  let std: number | null = null;
  if (n > 1) {
    const means = Float64Array.from(Array.from(resampled).filter((value) => !Number.isNaN(value))).sort();
    const tail = (100 * (1 - level)) / 2;
    interval = [percentile(means, tail), percentile(means, 100 - tail)];
    const centre = defined.reduce((sum, value) => sum + value, 0) / n;
    std = Math.sqrt(defined.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (n - 1));
  }
  return { mean, interval, median: percentile(defined, 50), std, min: defined[0], max: defined[n - 1], n, leftOut };
}
