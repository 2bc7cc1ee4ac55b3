/**
 * Where a patch is cut. Patches larger than the case are centred on it; smaller ones fall anywhere inside, or around a
 * voxel of a class drawn evenly among those present, so that a small structure is seen as often as a large one.
 */
import type { Random } from "../random.ts";
import type { Extent, ForegroundVoxels, LabelArray } from "./types.ts";

/** Voxels remembered per class; more would only cost memory. */
const voxelsPerClass = 4096;

/**
 * Some voxels of each class above 0, evenly spread in memory order and at most 4096 each: the same for the same label,
 * without random numbers. Negative labels (ignored voxels) do not count.
 */
export function foregroundVoxels(label: LabelArray): ForegroundVoxels {
  const counts = new Map<number, number>();
  for (let i = 0; i < label.length; i++) {
    const value = label[i];
    if (value > 0) counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  const classes = [...counts.keys()].sort((a, b) => a - b);
  const picked = new Map<number, { voxels: Int32Array; seen: number; taken: number; every: number }>();
  for (const value of classes) {
    const count = counts.get(value) as number;
    const every = Math.ceil(count / voxelsPerClass);
    picked.set(value, { voxels: new Int32Array(Math.ceil(count / every)), seen: 0, taken: 0, every });
  }
  for (let i = 0; i < label.length; i++) {
    const value = label[i];
    if (value <= 0) continue;
    const entry = picked.get(value);
    if (entry && entry.seen++ % entry.every === 0) entry.voxels[entry.taken++] = i;
  }
  return { classes, voxels: classes.map((value) => picked.get(value)?.voxels as Int32Array) };
}

/**
 * First voxel of the patch as x, y, z of the case (negative where the patch is larger). With probability
 * `foregroundProbability` the patch is centred on a foreground voxel, as far as it then stays inside.
 */
export function drawOrigin(
  size: Extent,
  patch: Extent,
  foreground: ForegroundVoxels | undefined,
  foregroundProbability: number,
  random: Random,
): [number, number, number] {
  const room = [size.width - patch.width, size.height - patch.height, size.depth - patch.depth];
  const aimed = random.uniform() < foregroundProbability;
  if (aimed && foreground && foreground.classes.length > 0) {
    const voxels = foreground.voxels[random.integer(foreground.classes.length)];
    const voxel = voxels[random.integer(voxels.length)];
    const at = [
      voxel % size.width,
      Math.floor(voxel / size.width) % size.height,
      Math.floor(voxel / (size.width * size.height)),
    ];
    const half = [patch.width >> 1, patch.height >> 1, patch.depth >> 1];
    return room.map((free, axis) =>
      free <= 0 ? centred(free) : Math.min(Math.max(at[axis] - half[axis], 0), free),
    ) as [number, number, number];
  }
  return room.map((free) => (free <= 0 ? centred(free) : random.integer(free + 1))) as [number, number, number];
}

/** The centred patch: what validation sees, and what padding before prediction does. */
export function centredOrigin(size: Extent, patch: Extent): [number, number, number] {
  return [centred(size.width - patch.width), centred(size.height - patch.height), centred(size.depth - patch.depth)];
}

function centred(room: number): number {
  return Math.floor(room / 2);
}
