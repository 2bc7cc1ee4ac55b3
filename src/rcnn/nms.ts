/**
 * Non-maximum suppression: from overlapping boxes the best. Hard (greedy, as the paper's), and soft (Bodla et al. 2017,
 * arXiv 1704.04503), where overlap lowers a score instead.
 *
 * Greedy suppression asks, for each box in the order of scores, whether a box kept before overlaps it by more than t. Two
 * boxes do so only if their middles are near: along each axis, by intersection ≥ t·(the larger side), no further apart than
 * (1 − t)·the larger side, which is at most (1 − t)/t of the kept one's. So each kept box is entered into those cells of a grid over the plane
 * that its reach covers, and a box looks only at the list of the cell its own middle lies in.
 */
import { type Axes, areaOf, iouOf } from "../boxes/index.ts";
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
const GRID = 32;

/** Indices of the boxes [R, 2·axes] kept, best first; equal scores in the order of their indices. */
export function nms(boxes: Float32Array, scores: Float32Array, options: NmsOptions): Int32Array {
  const { axes, threshold, groups, limit = scores.length } = options;
  const order = highestFirst(scores);
  const grid = new ReachGrid(boxes, axes, threshold);
  const kept: number[] = [];
  const areas = new Float64Array(scores.length);
  for (let i = 0; i < areas.length; i++) areas[i] = areaOf(boxes, i, axes);
  for (const i of order) {
    if (kept.length >= limit) break;
    if (grid.suppressed(i, areas, groups)) continue;
    kept.push(i);
    grid.enter(i);
  }
  return Int32Array.from(kept);
}

/** Lists of kept boxes, by the cells within their reach. */
class ReachGrid {
  readonly #boxes: Float32Array;
  readonly #axes: Axes;
  readonly #threshold: number;
  readonly #reach: number;
  readonly #low: readonly [number, number];
  readonly #cells: readonly [number, number];
  readonly #lists: number[][] = Array.from({ length: GRID * GRID }, () => []);

  constructor(boxes: Float32Array, axes: Axes, threshold: number) {
    this.#boxes = boxes;
    this.#axes = axes;
    this.#threshold = threshold;
    // A trifle more than (1 − t)/t, for rounding; at t = 0 every cell.
    this.#reach = threshold > 0 ? (1 - threshold) / threshold + 1e-3 : Number.POSITIVE_INFINITY;
    const range = (axis: number): [number, number] => {
      let low = Number.POSITIVE_INFINITY;
      let high = Number.NEGATIVE_INFINITY;
      for (let at = axis; at < boxes.length; at += 2 * axes) {
        const middle = (boxes[at] + boxes[at + axes]) / 2;
        if (middle < low) low = middle;
        if (middle > high) high = middle;
      }
      return [low, high > low ? GRID / (high - low) : 0];
    };
    const [x, y] = [range(0), range(1)];
    this.#low = [x[0], y[0]];
    this.#cells = [x[1], y[1]];
  }

  /** Which cell along an axis; NaN goes to the first. */
  #cell(position: number, axis: 0 | 1): number {
    const cell = Math.floor((position - this.#low[axis]) * this.#cells[axis]);
    return cell > 0 ? Math.min(cell, GRID - 1) : 0;
  }

  suppressed(i: number, areas: Float64Array, groups: Int32Array | undefined): boolean {
    const boxes = this.#boxes;
    const axes = this.#axes;
    const at = 2 * axes * i;
    const x1 = boxes[at];
    const y1 = boxes[at + 1];
    const x2 = boxes[at + axes];
    const y2 = boxes[at + axes + 1];
    const list = this.#lists[this.#cell((y1 + y2) / 2, 1) * GRID + this.#cell((x1 + x2) / 2, 0)];
    for (let k = 0; k < list.length; k++) {
      const j = list[k];
      if (groups !== undefined && groups[i] !== groups[j]) continue;
      const other = 2 * axes * j;
      const width = Math.min(x2, boxes[other + axes]) - Math.max(x1, boxes[other]);
      if (!(width > 0)) continue;
      const height = Math.min(y2, boxes[other + axes + 1]) - Math.max(y1, boxes[other + 1]);
      if (!(height > 0)) continue;
      let shared = width * height;
      if (axes === 3) {
        const depth = Math.min(boxes[at + 5], boxes[other + 5]) - Math.max(boxes[at + 2], boxes[other + 2]);
        if (!(depth > 0)) continue;
        shared *= depth;
      }
      if (shared / (areas[i] + areas[j] - shared) > this.#threshold) return true;
    }
    return false;
  }

  enter(i: number): void {
    const span = (axis: 0 | 1): [number, number] => {
      const at = 2 * this.#axes * i + axis;
      const low = this.#boxes[at];
      const high = this.#boxes[at + this.#axes];
      const reach = this.#reach === Number.POSITIVE_INFINITY ? this.#reach : this.#reach * (high - low);
      return [this.#cell((low + high) / 2 - reach, axis), this.#cell((low + high) / 2 + reach, axis)];
    };
    const [left, right] = span(0);
    const [top, bottom] = span(1);
    for (let y = top; y <= bottom; y++) for (let x = left; x <= right; x++) this.#lists[y * GRID + x].push(i);
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
