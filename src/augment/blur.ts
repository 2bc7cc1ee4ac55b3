/**
 * Blur and simulated low resolution, in place on one channel of one patch. Both are separable: axis by axis, with rows
 * of x contiguous, so that the inner loops run over neighbouring memory.
 */
import type { Extent } from "./types.ts";

/** Scratch memory, grown to the largest patch seen; one thread works on one patch at a time. */
let scratch = new Float32Array(0);

function scratchOf(length: number): Float32Array {
  if (scratch.length < length) scratch = new Float32Array(length);
  return scratch;
}

/**
 * Gaussian blur with a kernel cut at 4 standard deviations (scipy's `gaussian_filter`, mode "nearest": the edge voxel
 * goes on outside). Axes of one voxel are left alone.
 */
export function gaussianBlur(values: Float32Array, start: number, shape: Extent, sigmaVoxels: number): void {
  if (!(sigmaVoxels > 0)) return;
  const kernel = gaussianKernel(sigmaVoxels);
  const { depth, height, width } = shape;
  if (width > 1) blurRows(values, start, depth * height, width, kernel);
  if (height > 1) for (let z = 0; z < depth; z++) blurAcross(values, start + z * height * width, height, width, kernel);
  if (depth > 1) blurAcross(values, start, depth, height * width, kernel);
}

/** One half of the kernel: the centre first. The whole sums to 1. */
function gaussianKernel(sigma: number): Float64Array {
  const radius = Math.max(1, Math.floor(4 * sigma + 0.5));
  const half = new Float64Array(radius + 1);
  let sum = 0;
  for (let i = 0; i <= radius; i++) {
    half[i] = Math.exp((-0.5 * i * i) / (sigma * sigma));
    sum += i === 0 ? half[i] : 2 * half[i];
  }
  return half.map((weight) => weight / sum);
}

/** Along x: each row is copied into a padded line, then weighed. */
function blurRows(values: Float32Array, start: number, rows: number, width: number, kernel: Float64Array): void {
  const radius = kernel.length - 1;
  const line = scratchOf(width + 2 * radius);
  for (let row = 0; row < rows; row++) {
    const base = start + row * width;
    const [left, right] = [values[base], values[base + width - 1]];
    for (let i = 0; i < radius; i++) {
      line[i] = left;
      line[radius + width + i] = right;
    }
    for (let x = 0; x < width; x++) line[radius + x] = values[base + x];
    for (let x = 0; x < width; x++) {
      const centre = x + radius;
      let sum = kernel[0] * line[centre];
      for (let k = 1; k <= radius; k++) sum += kernel[k] * (line[centre - k] + line[centre + k]);
      values[base + x] = sum;
    }
  }
}

/** Along the outer axis of `[count, stride]`: whole lines of `stride` values are weighed and summed. */
function blurAcross(values: Float32Array, start: number, count: number, stride: number, kernel: Float64Array): void {
  const radius = kernel.length - 1;
  const copy = scratchOf(count * stride);
  for (let i = 0; i < count * stride; i++) copy[i] = values[start + i];
  for (let line = 0; line < count; line++) {
    const base = start + line * stride;
    const centre = kernel[0];
    for (let i = 0; i < stride; i++) values[base + i] = centre * copy[line * stride + i];
    for (let k = 1; k <= radius; k++) {
      const weight = kernel[k];
      const before = Math.max(0, line - k) * stride;
      const after = Math.min(count - 1, line + k) * stride;
      for (let i = 0; i < stride; i++) values[base + i] += weight * (copy[before + i] + copy[after + i]);
    }
  }
}

/**
 * Samples the patch down by `zoom` per axis (nearest voxel) and up again (linear), as a coarser scan would show it.
 * nnU-Net's SimulateLowResolutionTransform, with linear instead of cubic up-sampling.
 */
export function simulateLowResolution(values: Float32Array, start: number, shape: Extent, zoom: number): void {
  const axes = [shape.depth, shape.height, shape.width].map((size) => lowResolutionAxis(size, zoom));
  const [az, ay, ax] = axes;
  const { depth, height, width } = shape;
  const [ld, lh, lw] = axes.map((axis) => axis.nearest.length);
  if (ld === depth && lh === height && lw === width) return;
  const low = scratchOf(ld * lh * lw + lh * lw + lw);
  let o = 0;
  for (let z = 0; z < ld; z++) {
    for (let y = 0; y < lh; y++) {
      const row = start + (az.nearest[z] * height + ay.nearest[y]) * width;
      for (let x = 0; x < lw; x++) low[o++] = values[row + ax.nearest[x]];
    }
  }
  // Up again: blend two slices, of those two rows, of those two voxels.
  const slice = o;
  const row = slice + lh * lw;
  let out = start;
  for (let z = 0; z < depth; z++) {
    const [z0, z1, fz] = [az.lower[z] * lh * lw, az.upper[z] * lh * lw, az.fraction[z]];
    for (let i = 0; i < lh * lw; i++) low[slice + i] = low[z0 + i] + fz * (low[z1 + i] - low[z0 + i]);
    for (let y = 0; y < height; y++) {
      const [y0, y1, fy] = [slice + ay.lower[y] * lw, slice + ay.upper[y] * lw, ay.fraction[y]];
      for (let i = 0; i < lw; i++) low[row + i] = low[y0 + i] + fy * (low[y1 + i] - low[y0 + i]);
      for (let x = 0; x < width; x++) {
        const a = low[row + ax.lower[x]];
        values[out++] = a + ax.fraction[x] * (low[row + ax.upper[x]] - a);
      }
    }
  }
}

/** Where the coarse voxels of one axis are taken from, and between which of them each fine voxel lies. */
interface LowResolutionAxis {
  readonly nearest: Int32Array;
  readonly lower: Int32Array;
  readonly upper: Int32Array;
  readonly fraction: Float64Array;
}

function lowResolutionAxis(size: number, zoom: number): LowResolutionAxis {
  const coarse = Math.max(1, Math.round(size * zoom));
  const nearest = new Int32Array(coarse);
  // Voxel centres of both grids over the same length: fine = (coarse + ½) · ratio − ½.
  const ratio = size / coarse;
  for (let i = 0; i < coarse; i++) nearest[i] = Math.min(size - 1, Math.floor((i + 0.5) * ratio));
  const lower = new Int32Array(size);
  const upper = new Int32Array(size);
  const fraction = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    const at = Math.min(Math.max((i + 0.5) / ratio - 0.5, 0), coarse - 1);
    lower[i] = Math.floor(at);
    upper[i] = Math.min(lower[i] + 1, coarse - 1);
    fraction[i] = at - lower[i];
  }
  return { nearest, lower, upper, fraction };
}
