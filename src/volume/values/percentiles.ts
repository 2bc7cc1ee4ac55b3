/**
 * Exact percentiles of many values in a few passes and little memory: floats are ordered by their bits, so two
 * histograms of 16 bits each find any rank. A sort of a 128³ volume takes some 200 ms, this about 15.
 */

/** Shows all values, in parts and always the same ones; it is asked more than once. */
export type Pass = (visit: (values: Float32Array) => void) => void;

/**
 * The given percentiles (0 to 100) of the values that are finite, with numpy's linear interpolation between ranks.
 * `values` are taken as 32-bit floats. Without a finite value, every percentile is NaN.
 */
export function percentiles(values: Float32Array, wanted: readonly number[]): number[] {
  return percentilesOf((visit) => visit(values), wanted);
}

/** {@link percentiles} of values that are never all there at once; two passes. */
export function percentilesOf(pass: Pass, wanted: readonly number[]): number[] {
  const coarse = new Uint32Array(65536);
  let count = 0;
  pass((values) => {
    const bits = bitsOf(values);
    for (let i = 0; i < bits.length; i++) {
      // Exponent all ones: NaN or infinite.
      if ((bits[i] & 0x7f800000) === 0x7f800000) continue;
      coarse[orderedKey(bits[i]) >>> 16]++;
      count++;
    }
  });
  if (count === 0) return wanted.map(() => Number.NaN);
  const positions = wanted.map((q) => (Math.min(Math.max(q, 0), 100) / 100) * (count - 1));
  const ranks = new Map<number, number>();
  for (const position of positions) {
    ranks.set(Math.floor(position), Number.NaN);
    ranks.set(Math.ceil(position), Number.NaN);
  }
  selectRanks(pass, coarse, ranks);
  return positions.map((position) => {
    const lower = ranks.get(Math.floor(position)) as number;
    const upper = ranks.get(Math.ceil(position)) as number;
    const weight = position - Math.floor(position);
    return lower + (upper - lower) * weight;
  });
}

/** Fills in the value at every rank asked for: its upper 16 bits from `coarse`, the lower ones by a second pass. */
function selectRanks(pass: Pass, coarse: Uint32Array, ranks: Map<number, number>): void {
  const buckets = new Map<number, { fine: Uint32Array; below: number; ranks: number[] }>();
  const ordered = [...ranks.keys()].sort((a, b) => a - b);
  let below = 0;
  let next = 0;
  for (let bucket = 0; bucket < 65536 && next < ordered.length; bucket++) {
    const inside: number[] = [];
    while (next < ordered.length && ordered[next] < below + coarse[bucket]) inside.push(ordered[next++]);
    if (inside.length > 0) buckets.set(bucket, { fine: new Uint32Array(65536), below, ranks: inside });
    below += coarse[bucket];
  }
  const finePerBucket = new Array<Uint32Array | undefined>(65536);
  for (const [bucket, { fine }] of buckets) finePerBucket[bucket] = fine;
  pass((values) => {
    const bits = bitsOf(values);
    for (let i = 0; i < bits.length; i++) {
      if ((bits[i] & 0x7f800000) === 0x7f800000) continue;
      const key = orderedKey(bits[i]);
      const fine = finePerBucket[key >>> 16];
      if (fine !== undefined) fine[key & 0xffff]++;
    }
  });
  for (const [bucket, entry] of buckets) {
    let seen = entry.below;
    let at = 0;
    for (let low = 0; low < 65536 && at < entry.ranks.length; low++) {
      seen += entry.fine[low];
      while (at < entry.ranks.length && entry.ranks[at] < seen) {
        ranks.set(entry.ranks[at++], floatOf(((bucket << 16) | low) >>> 0));
      }
    }
  }
}

function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

/** Float bits to an unsigned number in the floats' order: negative ones are inverted, positive ones get the top bit. */
function orderedKey(bits: number): number {
  return (bits >>> 31 ? ~bits : bits | 0x80000000) >>> 0;
}

const scratch = new DataView(new ArrayBuffer(4));

function floatOf(key: number): number {
  scratch.setUint32(0, key >>> 31 ? key & 0x7fffffff : ~key >>> 0);
  return scratch.getFloat32(0);
}
