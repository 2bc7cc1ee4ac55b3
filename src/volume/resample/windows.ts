/**
 * Windows of a volume: where they start so that they cover it, and what they hold.
 *
 * Shape shorthand: C image channels · z y x volume.
 */
import { mapAxes } from "../types.ts";

/** Along z, y, x. */
export type Size3 = readonly [number, number, number];

/** Where windows start on an axis: evenly spread, the first at the low end, the last at the high end; one centred window if it covers all. */
export function windowStarts(size: number, patch: number, overlap: number): number[] {
  if (size <= patch) return [Math.floor((size - patch) / 2)];
  const step = Math.max(1, patch * (1 - overlap));
  const count = Math.ceil((size - patch) / step) + 1;
  return Array.from({ length: count }, (_, i) => Math.round((i * (size - patch)) / (count - 1)));
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

/** From (included) and to (excluded), z y x: the part of a volume that a window covers. */
export function overlapOf(size: Size3, start: Size3, patch: Size3): [Size3, Size3] {
  const low = mapAxes(start, (s) => Math.max(s, 0));
  const high = mapAxes(start, (s, axis) => Math.min(s + patch[axis], size[axis]));
  return [low, high];
}
