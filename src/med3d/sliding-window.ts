/**
 * Prediction of a volume of any size by overlapping windows, blended with a Gaussian that trusts a window's middle more than
 * its rim (as nnU-Net and MONAI do).
 *
 * Memory is bounded: windows go from low z to high z, and class scores exist only for the slab of slices that windows still
 * to come can change: classes × patch depth × H × W floats, however deep the volume is. A finished slice is turned
 * into classes at once, so no full-size score map per class ever exists.
 *
 * Shape shorthand: C image channels · K classes · D H W patch · z y x volume.
 */
import { ConfigError } from "../errors.ts";

export type Size3 = readonly [number, number, number];

export interface Windows {
  /** [D, H, W] of the network's input. */
  readonly patch: Size3;
  readonly classes: number;
  /** Share of the patch that neighbouring windows have in common, 0 ≤ overlap < 1; ½ by default. */
  readonly overlap?: number;
  /** Class probabilities [K, D, H, W] of one window [C, D, H, W], which begins at `start` (z, y, x). */
  readonly predict: (window: Float32Array, start: Size3) => Promise<Float32Array>;
  readonly onWindow?: (done: number, of: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Classes of a volume.
 * @param image [C, z, y, x]
 * @param size [z, y, x]
 * @returns class indices [z, y, x]
 */
export async function predictByWindows(
  image: Float32Array,
  channels: number,
  size: Size3,
  windows: Windows,
): Promise<Uint8Array> {
  const { patch, classes, overlap = 0.5, predict, onWindow, signal } = windows;
  if (!(overlap >= 0 && overlap < 1)) throw new ConfigError(`overlap ${overlap}; it must be at least 0 and below 1`);
  if (classes > 256) throw new ConfigError(`${classes} classes; a prediction holds at most 256`);
  const starts = [0, 1, 2].map((axis) => windowStarts(size[axis], patch[axis], overlap));
  const weights = gaussianWindow(patch);
  const total = starts[0].length * starts[1].length * starts[2].length;
  const [, height, width] = size;
  const plane = height * width;
  const depth = Math.min(patch[0], size[0]);
  // Slice z lives at z mod depth.
  const scores = new Float32Array(classes * depth * plane);
  const result = new Uint8Array(size[0] * plane);
  const window = new Float32Array(channels * patch[0] * patch[1] * patch[2]);
  let finished = 0;
  let done = 0;
  for (const [i, z] of starts[0].entries()) {
    for (const y of starts[1]) {
      for (const x of starts[2]) {
        signal?.throwIfAborted();
        cutWindow(image, channels, size, [z, y, x], patch, window);
        const probability = await predict(window, [z, y, x]);
        blend(scores, depth, size, probability, weights, classes, [z, y, x], patch);
        onWindow?.(++done, total);
      }
    }
    const next = i + 1 < starts[0].length ? starts[0][i + 1] : size[0];
    for (; finished < Math.min(Math.max(next, 0), size[0]); finished++)
      finish(scores, depth, plane, classes, finished, result);
  }
  return result;
}

/** Where windows start on an axis: evenly spread, the first at the low end, the last at the high end; one centred window if it covers all. */
export function windowStarts(size: number, patch: number, overlap: number): number[] {
  if (size <= patch) return [Math.floor((size - patch) / 2)];
  const step = Math.max(1, patch * (1 - overlap));
  const count = Math.ceil((size - patch) / step) + 1;
  return Array.from({ length: count }, (_, i) => Math.round((i * (size - patch)) / (count - 1)));
}

/** Weights of a window, 1 in the middle: a Gaussian of σ = patch/8 per axis, never below a thousandth (a lone corner must count). */
export function gaussianWindow(patch: Size3): Float32Array {
  const axis = patch.map((n) =>
    Float64Array.from({ length: n }, (_, i) => Math.exp(-0.5 * ((i - (n - 1) / 2) / (n / 8)) ** 2)),
  );
  const weights = new Float32Array(patch[0] * patch[1] * patch[2]);
  let at = 0;
  for (const a of axis[0]) for (const b of axis[1]) for (const c of axis[2]) weights[at++] = Math.max(a * b * c, 1e-3);
  return weights;
}

/** Copies a window out of an image [C, z, y, x]; zeros (the mean of a z-scored image, the background of a label) beyond its edge. */
export function cutWindow<T extends Float32Array | Int32Array>(
  image: T,
  channels: number,
  size: Size3,
  start: Size3,
  patch: Size3,
  window: T,
): void {
  window.fill(0);
  const [low, high] = overlapOf(size, start, patch);
  const run = high[2] - low[2];
  for (let c = 0; c < channels; c++) {
    for (let z = low[0]; z < high[0]; z++) {
      for (let y = low[1]; y < high[1]; y++) {
        const from = ((c * size[0] + z) * size[1] + y) * size[2] + low[2];
        const to = ((c * patch[0] + z - start[0]) * patch[1] + y - start[1]) * patch[2] + low[2] - start[2];
        window.set(image.subarray(from, from + run), to);
      }
    }
  }
}

function blend(
  scores: Float32Array,
  depth: number,
  size: Size3,
  probability: Float32Array,
  weights: Float32Array,
  classes: number,
  start: Size3,
  patch: Size3,
): void {
  const [low, high] = overlapOf(size, start, patch);
  const voxels = patch[0] * patch[1] * patch[2];
  for (let k = 0; k < classes; k++) {
    for (let z = low[0]; z < high[0]; z++) {
      for (let y = low[1]; y < high[1]; y++) {
        let to = ((k * depth + (z % depth)) * size[1] + y) * size[2] + low[2];
        let at = ((z - start[0]) * patch[1] + y - start[1]) * patch[2] + low[2] - start[2];
        for (let x = low[2]; x < high[2]; x++, to++, at++) scores[to] += probability[k * voxels + at] * weights[at];
      }
    }
  }
}

/** The class with the highest blended score; dividing by the summed weights would not change it. Empties the slice. */
function finish(
  scores: Float32Array,
  depth: number,
  plane: number,
  classes: number,
  z: number,
  result: Uint8Array,
): void {
  const slot = (z % depth) * plane;
  for (let i = 0; i < plane; i++) {
    let best = 0;
    let highest = scores[slot + i];
    for (let k = 1; k < classes; k++) {
      const score = scores[k * depth * plane + slot + i];
      if (score > highest) {
        highest = score;
        best = k;
      }
    }
    result[z * plane + i] = best;
  }
  for (let k = 0; k < classes; k++) scores.fill(0, k * depth * plane + slot, k * depth * plane + slot + plane);
}

function overlapOf(size: Size3, start: Size3, patch: Size3): [Size3, Size3] {
  const low = start.map((s) => Math.max(s, 0)) as unknown as Size3;
  const high = start.map((s, axis) => Math.min(s + patch[axis], size[axis])) as unknown as Size3;
  return [low, high];
}
