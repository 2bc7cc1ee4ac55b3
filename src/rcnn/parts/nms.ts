/**
 * Non-maximum suppression: from overlapping boxes the best. Hard (greedy, as the paper's), and soft (Bodla et al. 2017,
 * arXiv 1704.04503), where overlap lowers a score instead.
 *
 * Greedy suppression asks, for each box in the order of scores, whether a box kept before overlaps it by more than t. Two
 * boxes do so only if they are alike and near: along each axis, too, they share t of what they cover together. So sides a, b
 * differ at most by the factor t, and middles lie no further apart than (a + b)/2 · (1 − t)/(1 + t), or inside one another |a − b|/2:
 * in either case at most (1 − t)/2t of the kept box's side. So each kept box is entered, by the octaves of its width and height, into those cells of a grid that its reach covers, and a box looks
 * only at the cell its own middle lies in, of the octaves within reach of its sides.
 */
import { type Axes, areaOf, iouOf } from "../../boxes/index.ts";
import { highestFirst } from "./order.ts";

export interface NmsOptions {
  readonly axes: Axes;
  /** Boxes that overlap a better one by more than this go. */
  readonly threshold: number;
  /** Boxes of different groups (classes, levels) do not suppress each other. */
  readonly groups?: Int32Array;
  /** Stop after so many kept. */
  readonly limit?: number;
}

/** Cells of the grid along x and y. */
const GRID = 20;
/** Numbers kept of a box. */
const RECORD = 8;
const MOST_OCTAVES = 12;

/** Indices of the boxes [R, 2·axes] kept, best first; equal scores in the order of their indices. */
export function nms(boxes: Float32Array, scores: Float32Array, options: NmsOptions): Int32Array {
  const { axes, threshold, groups, limit = scores.length } = options;
  const grid = new ReachGrid(boxes, axes, threshold, limit);
  const kept: number[] = [];
  for (const i of highestFirst(scores)) {
    if (kept.length >= limit) break;
    const area = areaOf(boxes, i, axes);
    const group = groups === undefined ? 0 : groups[i];
    if (grid.suppresses(i, area, group)) continue;
    kept.push(i);
    grid.enter(i, area, group);
  }
  return Int32Array.from(kept);
}

/** Lists of kept boxes, by their octaves and the cells within their reach. */
class ReachGrid {
  readonly #boxes: Float32Array;
  readonly #axes: Axes;
  readonly #threshold: number;
  readonly #x: Span;
  readonly #y: Span;
  /** First and last entry of each list, −1 for none: the best comes first, for it suppresses most. */
  readonly #heads: Int32Array;
  readonly #tails: Int32Array;
  /** Kept boxes side by side: corners, area, group. */
  readonly #kept: Float64Array;
  #count = 0;
  /** Entries of the lists: a kept box's record, and the next entry. */
  #entries = new Int32Array(1 << 15);
  #entryCount = 0;

  constructor(boxes: Float32Array, axes: Axes, threshold: number, limit: number) {
    this.#boxes = boxes;
    this.#axes = axes;
    this.#threshold = threshold;
    this.#kept = new Float64Array(Math.min(limit, boxes.length / (2 * axes)) * RECORD);
    this.#x = new Span(boxes, axes, 0, threshold);
    this.#y = new Span(boxes, axes, 1, threshold);
    this.#heads = new Int32Array(this.#x.octaves * this.#y.octaves * GRID * GRID).fill(-1);
    this.#tails = this.#heads.slice();
  }

  /** Whether a kept box overlaps box `i` too much. */
  suppresses(i: number, area: number, group: number): boolean {
    const boxes = this.#boxes;
    const axes = this.#axes;
    const kept = this.#kept;
    const entries = this.#entries;
    const threshold = this.#threshold;
    const at = 2 * axes * i;
    const x1 = boxes[at];
    const y1 = boxes[at + 1];
    const x2 = boxes[at + axes];
    const y2 = boxes[at + axes + 1];
    const z1 = axes === 3 ? boxes[at + 2] : 0;
    const z2 = axes === 3 ? boxes[at + 5] : 1;
    // IoU > t where shared > t/(1 + t)·(both areas). The few that come near are asked exactly.
    const share = (threshold / (1 + threshold)) * (1 - 1e-9);
    const cell = this.#y.cell((y1 + y2) / 2) * GRID + this.#x.cell((x1 + x2) / 2);
    const wide = Math.log2(x2 - x1);
    const high = Math.log2(y2 - y1);
    const lastWide = this.#x.octave(wide + this.#x.likeness);
    const lastHigh = this.#y.octave(high + this.#y.likeness);
    for (let v = this.#y.octave(high - this.#y.likeness); v <= lastHigh; v++) {
      for (let u = this.#x.octave(wide - this.#x.likeness); u <= lastWide; u++) {
        let entry = this.#heads[(v * this.#x.octaves + u) * GRID * GRID + cell];
        for (; entry >= 0; entry = entries[entry + 1]) {
          const record = entries[entry];
          const width = Math.min(x2, kept[record + 2]) - Math.max(x1, kept[record]);
          if (!(width > 0)) continue;
          const height = Math.min(y2, kept[record + 3]) - Math.max(y1, kept[record + 1]);
          if (!(height > 0)) continue;
          const depth = Math.min(z2, kept[record + 5]) - Math.max(z1, kept[record + 4]);
          if (!(depth > 0)) continue;
          const shared = width * height * depth;
          const both = area + kept[record + 6];
          if (shared < share * both || kept[record + 7] !== group) continue;
          if (shared / (both - shared) > threshold) return true;
        }
      }
    }
    return false;
  }

  enter(i: number, area: number, group: number): void {
    const boxes = this.#boxes;
    const axes = this.#axes;
    const at = 2 * axes * i;
    const record = RECORD * this.#count++;
    const [z1, z2] = axes === 3 ? [boxes[at + 2], boxes[at + 5]] : [0, 1];
    this.#kept.set([boxes[at], boxes[at + 1], boxes[at + axes], boxes[at + axes + 1], z1, z2, area, group], record);
    const [left, right, wide] = this.#x.reached(boxes[at], boxes[at + axes]);
    const [top, bottom, high] = this.#y.reached(boxes[at + 1], boxes[at + axes + 1]);
    const first = (high * this.#x.octaves + wide) * GRID * GRID;
    for (let y = top; y <= bottom; y++) {
      for (let x = left; x <= right; x++) {
        if (this.#entryCount + 2 > this.#entries.length) {
          const more = new Int32Array(2 * this.#entries.length);
          more.set(this.#entries);
          this.#entries = more;
        }
        const list = first + y * GRID + x;
        this.#entries[this.#entryCount] = record;
        this.#entries[this.#entryCount + 1] = -1;
        if (this.#heads[list] < 0) this.#heads[list] = this.#entryCount;
        else this.#entries[this.#tails[list] + 1] = this.#entryCount;
        this.#tails[list] = this.#entryCount;
        this.#entryCount += 2;
      }
    }
  }
}

/** One axis of the grid: where middles lie, and how long sides are. */
class Span {
  /** How many octaves sides have. */
  readonly octaves: number;
  /** How far apart, in octaves, the sides of two overlapping boxes may be; a trifle more, for rounding. */
  readonly likeness: number;
  readonly #reach: number;
  readonly #low: number;
  readonly #cells: number;
  readonly #shortest: number;

  constructor(boxes: Float32Array, axes: Axes, axis: number, threshold: number) {
    let [low, high, shortest, longest] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let at = axis; at < boxes.length; at += 2 * axes) {
      const middle = (boxes[at] + boxes[at + axes]) / 2;
      const side = boxes[at + axes] - boxes[at];
      if (middle < low) low = middle;
      if (middle > high) high = middle;
      if (side > 0 && side < shortest) shortest = side;
      if (side > longest && side < Infinity) longest = side;
    }
    this.#low = low;
    this.#cells = high > low && high - low < Infinity ? GRID / (high - low) : 0;
    // More octaves than a few need no telling apart; and where many are alike enough, looking into each costs more than it spares.
    const most = threshold >= 0.6 ? MOST_OCTAVES : 1;
    this.#shortest = Math.max(Math.log2(shortest), Math.log2(longest) - most + 1);
    this.octaves = longest > 0 ? Math.floor(Math.log2(longest) - this.#shortest) + 1 : 1;
    this.likeness = threshold > 0 ? -Math.log2(threshold) + 1e-6 : Infinity;
    this.#reach = threshold > 0 ? (1 - threshold) / (2 * threshold) + 1e-3 : Infinity;
  }

  /** Which cell along the axis; NaN goes to the first. */
  cell(position: number): number {
    const cell = Math.floor((position - this.#low) * this.#cells);
    return cell > 0 ? Math.min(cell, GRID - 1) : 0;
  }

  octave(logSide: number): number {
    const octave = Math.floor(logSide - this.#shortest);
    return octave > 0 ? Math.min(octave, this.octaves - 1) : 0;
  }

  /** First and last cell within reach of a box, and its octave. */
  reached(low: number, high: number): [number, number, number] {
    const middle = (low + high) / 2;
    const reach = this.#reach === Infinity ? Infinity : this.#reach * (high - low);
    return [this.cell(middle - reach), this.cell(middle + reach), this.octave(Math.log2(high - low))];
  }
}

export interface SoftNmsOptions extends NmsOptions {
  /** `linear` lowers a score by (1 − IoU) above the threshold, `gaussian` by e^(−IoU²/σ) at any overlap. */
  readonly method: "linear" | "gaussian";
  /** σ of `gaussian`; 0.5 by default. */
  readonly sigma?: number;
  /** Boxes whose score falls below this go; 0.001 by default. */
  readonly minimumScore?: number;
}

/** Boxes kept and their lowered scores, best first. */
export function softNms(
  boxes: Float32Array,
  scores: Float32Array,
  options: SoftNmsOptions,
): { kept: Int32Array; scores: Float32Array } {
  const { axes, threshold, groups, limit = scores.length, method, sigma = 0.5, minimumScore = 0.001 } = options;
  const left = Array.from(highestFirst(scores));
  const lowered = Float64Array.from(scores);
  const kept: number[] = [];
  while (left.length > 0 && kept.length < limit) {
    let top = 0;
    for (let k = 1; k < left.length; k++) if (lowered[left[k]] > lowered[left[top]]) top = k;
    const best = left[top];
    if (!(lowered[best] >= minimumScore)) break;
    left.splice(top, 1);
    kept.push(best);
    for (const i of left) {
      if (groups !== undefined && groups[i] !== groups[best]) continue;
      const overlap = iouOf(boxes, i, boxes, best, axes);
      if (method === "gaussian") lowered[i] *= Math.exp(-(overlap * overlap) / sigma);
      else if (overlap > threshold) lowered[i] *= 1 - overlap;
    }
  }
  return { kept: Int32Array.from(kept), scores: Float32Array.from(kept, (i) => lowered[i]) };
}
