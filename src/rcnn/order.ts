/**
 * The highest scores, in order, without a comparison function: scores become whole numbers of the same order, with the index
 * in the low bits, and typed arrays sort numbers natively. Equal scores come in the order of their indices.
 */

/** Indices need this many low bits of a double's 53. */
const INDEX_SPAN = 2 ** 21;

/**
 * Indices of the `count` highest scores (all by default), highest first. NaN counts as lowest.
 * @param scores at most 2,097,152
 */
export function highestFirst(scores: Float32Array, count = scores.length): Int32Array {
  if (scores.length > INDEX_SPAN) throw new RangeError(`highestFirst: ${scores.length} scores; at most ${INDEX_SPAN}`);
  const keys = orderedBits(scores);
  const wanted = Math.min(count, scores.length);
  const floor = wanted < scores.length ? cutoff(keys, wanted) : 0;
  let kept = 0;
  const sortable = new Float64Array(scores.length);
  for (let i = 0; i < keys.length; i++) {
    // Ascending sort: the highest score must be the smallest number.
    if (keys[i] >>> SHIFT >= floor) sortable[kept++] = (0xffffffff - keys[i]) * INDEX_SPAN + i;
  }
  const sorted = sortable.subarray(0, kept).sort();
  return Int32Array.from({ length: wanted }, (_, i) => sorted[i] % INDEX_SPAN);
}

/** Unsigned integers in the order of the floats. */
function orderedBits(scores: Float32Array): Uint32Array {
  // −0 equals 0, so it must not come before or after it.
  const plain = scores.map((score) => (Number.isNaN(score) ? Number.NEGATIVE_INFINITY : score + 0));
  const bits = new Uint32Array(plain.buffer);
  for (let i = 0; i < bits.length; i++) bits[i] = bits[i] >>> 31 === 1 ? ~bits[i] : bits[i] ^ 0x80000000;
  return bits;
}

const SHIFT = 16;

/** The highest first 16 bits such that at least `wanted` keys have these or more. */
function cutoff(keys: Uint32Array, wanted: number): number {
  const histogram = new Uint32Array(2 ** (32 - SHIFT));
  for (const key of keys) histogram[key >>> SHIFT]++;
  let seen = 0;
  for (let bin = histogram.length - 1; bin > 0; bin--) {
    seen += histogram[bin];
    if (seen >= wanted) return bin;
  }
  return 0;
}
