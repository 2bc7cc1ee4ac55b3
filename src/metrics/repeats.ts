/**
 * Scores of trainings that were repeated with several seeds and scored on the same cases.
 *
 * The interval is the percentile bootstrap over **both**: seeds are drawn with replacement and, with the same draw for all of
 * them, cases are (the crossed or "pigeonhole" bootstrap of Owen, Annals of Applied Statistics 1, 2007). It says how far the
 * score would move with other seeds and other cases. With two or three seeds their share of it is a rough guess; with one it
 * is none. Conditions that have seeds and cases in common share the draws, so that the interval of their difference is that
 * of pairs.
 */
import { ConfigError } from "../errors.ts";
import { random } from "../random.ts";
import { meanOf } from "./segmentation/segmentation.ts";
import { percentile } from "./segmentation/surface.ts";

/** Seeds × cases; every seed has the same cases in the same order. */
export type Repeats<T> = readonly (readonly T[])[];

/** A score of one seed's cases, null where it is undefined. */
export type Score<T> = (cases: readonly T[]) => number | null;

export interface RepeatedScore {
  /** Mean over seeds. */
  readonly mean: number | null;
  /** Null where there are fewer than two cases. */
  readonly interval: readonly [low: number, high: number] | null;
  readonly perSeed: readonly (number | null)[];
}

export interface RepeatsOptions {
  readonly seed?: number;
  readonly resamples?: number;
  /** Share of the resampled scores inside the interval. */
  readonly level?: number;
}

/** Mean score and its interval. @throws ConfigError where seeds differ in their number of cases */
export function repeatedScore<T>(repeats: Repeats<T>, score: Score<T>, options: RepeatsOptions = {}): RepeatedScore {
  const perSeed = repeats.map(score);
  const values = resampled([repeats], options, ([drawn]) => meanScore(drawn, score));
  return { mean: meanOf(perSeed), interval: intervalOf(values, repeats, options), perSeed };
}

/**
 * By how much one condition scores above another, seed by seed and case by case.
 * @throws ConfigError where they have not the same numbers of seeds and cases
 */
export function repeatedDifference<T>(
  one: Repeats<T>,
  other: Repeats<T>,
  score: Score<T>,
  options: RepeatsOptions = {},
): RepeatedScore {
  if (one.length !== other.length || one[0]?.length !== other[0]?.length)
    throw new ConfigError("difference: only conditions with the same seeds and cases can be paired");
  const minus = (a: number | null, b: number | null): number | null => (a === null || b === null ? null : a - b);
  const perSeed = one.map((cases, i) => minus(score(cases), score(other[i])));
  const values = resampled([one, other], options, ([a, b]) => minus(meanScore(a, score), meanScore(b, score)));
  return { mean: meanOf(perSeed), interval: intervalOf(values, one, options), perSeed };
}

/** Values of many draws, the same draw for all conditions; undefined ones are left out. */
function resampled<T>(
  conditions: readonly Repeats<T>[],
  { seed = 0, resamples = 2000 }: RepeatsOptions,
  value: (drawn: readonly Repeats<T>[]) => number | null,
): number[] {
  const [{ length: seeds }, cases] = [conditions[0], conditions[0][0]?.length ?? 0];
  if (conditions.some((repeats) => repeats.some((own) => own.length !== cases)))
    throw new ConfigError("repeats: every seed must be scored on the same cases");
  const stream = random(seed, "repeats");
  const draw = (n: number): number[] => Array.from({ length: n }, () => stream.integer(n));
  return Array.from({ length: resamples }, () => {
    const [ofSeeds, ofCases] = [draw(seeds), draw(cases)];
    return value(conditions.map((repeats) => ofSeeds.map((s) => ofCases.map((c) => repeats[s][c]))));
  }).filter((drawn) => drawn !== null);
}

function intervalOf<T>(
  values: readonly number[],
  repeats: Repeats<T>,
  { level = 0.95 }: RepeatsOptions,
): readonly [number, number] | null {
  if ((repeats[0]?.length ?? 0) < 2 || values.length === 0) return null;
  const ascending = Float64Array.from(values).sort();
  return [percentile(ascending, 50 * (1 - level)), percentile(ascending, 50 * (1 + level))];
}

function meanScore<T>(repeats: Repeats<T>, score: Score<T>): number | null {
  return meanOf(repeats.map(score));
}
