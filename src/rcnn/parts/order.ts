/**
 * The highest scores, in order, without a comparison function: scores become whole numbers of the same order, which are sorted by
 * counting, eleven bits at a time from the lowest. Equal scores come in the order of their indices.
 */

const BITS = 11;
const BUCKETS = 2 ** BITS;

/** Indices of the `count` highest scores (all by default), highest first. NaN counts as lowest. */
export function highestFirst(scores: Float32Array, count = scores.length): Int32Array {
  const keys = orderedBits(scores);
  const wanted = Math.min(count, scores.length);
  const ceiling = wanted < scores.length ? cutoff(keys, wanted) : 0xffff;
  let order = new Int32Array(scores.length);
  let kept = 0;
  for (let i = 0; i < keys.length; i++) if (keys[i] >>> SHIFT <= ceiling) order[kept++] = i;
  let next = new Int32Array(kept);
  order = order.subarray(0, kept);
  for (let shift = 0; shift < 32; shift += BITS) {
    const starts = new Int32Array(BUCKETS + 1);
    for (const i of order) starts[((keys[i] >>> shift) & (BUCKETS - 1)) + 1]++;
    for (let bucket = 1; bucket <= BUCKETS; bucket++) starts[bucket] += starts[bucket - 1];
    for (const i of order) next[starts[(keys[i] >>> shift) & (BUCKETS - 1)]++] = i;
    [order, next] = [next, order];
  }
  return order.slice(0, wanted);
}

/** Unsigned integers in the reverse order of the floats: the highest score is the smallest. */
function orderedBits(scores: Float32Array): Uint32Array {
  // −0 equals 0, so it must not come before or after it.
  const plain = scores.map((score) => (Number.isNaN(score) ? Number.NEGATIVE_INFINITY : score + 0));
  const bits = new Uint32Array(plain.buffer);
  for (let i = 0; i < bits.length; i++) if (bits[i] >>> 31 === 0) bits[i] ^= 0x7fffffff;
  return bits;
}

const SHIFT = 16;

/** The lowest first 16 bits such that at least `wanted` keys have these or less. */
function cutoff(keys: Uint32Array, wanted: number): number {
  const histogram = new Uint32Array(2 ** (32 - SHIFT));
  for (const key of keys) histogram[key >>> SHIFT]++;
  let seen = 0;
  for (let bin = 0; bin < histogram.length; bin++) {
    seen += histogram[bin];
    if (seen >= wanted) return bin;
  }
  return 0xffff;
}
