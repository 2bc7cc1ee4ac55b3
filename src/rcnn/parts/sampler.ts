/**
 * The random choice of positives and negatives that count in a step (Faster R-CNN §3.1.3: 256 anchors, at most half of them
 * positive, filled up with negatives; Fast R-CNN §2.3: at most a quarter).
 */
import type { Random } from "../../random.ts";
import { NEGATIVE } from "./matcher.ts";

export interface SampleRule {
  readonly count: number;
  /** Positives are at most ⌊count·share⌋. */
  readonly positiveShare: number;
}

export interface SampledMatches {
  /** Indices, ascending. */
  readonly positive: Int32Array;
  readonly negative: Int32Array;
}

/** Chooses among matches (see `matcher.ts`); the same stream chooses the same. */
export function sampleMatches(match: Int32Array, { count, positiveShare }: SampleRule, random: Random): SampledMatches {
  const positive: number[] = [];
  const negative: number[] = [];
  for (let i = 0; i < match.length; i++) {
    if (match[i] >= 0) positive.push(i);
    else if (match[i] === NEGATIVE) negative.push(i);
  }
  const wanted = Math.min(positive.length, Math.floor(count * positiveShare));
  const chosen = some(positive, wanted, random);
  return { positive: chosen, negative: some(negative, Math.min(negative.length, count - chosen.length), random) };
}

/** `count` of the items: the first steps of a Fisher–Yates shuffle. */
function some(items: number[], count: number, random: Random): Int32Array {
  if (count < items.length) {
    for (let i = 0; i < count; i++) {
      const j = i + random.integer(items.length - i);
      [items[i], items[j]] = [items[j], items[i]];
    }
  }
  return Int32Array.from(items.slice(0, count)).sort();
}
