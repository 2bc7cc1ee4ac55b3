/** Small made-up scans for the other examples: a bright ball in noise, and the mask that outlines it. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { random } from "medvox";
import type { DataCase } from "medvox/data";
import { writeVolume } from "medvox/files";

/** Voxels along each axis. */
const SIZE = 20;

/** Voxels of 2 mm: from voxel indices to millimetres, row by row. */
export const affine = [2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1];

/** A scan and its mask in memory, always the same ones for the same `seed`. */
export function madeUp(seed: number) {
  const numbers = random(seed, "scan");
  const radius = numbers.between(4, 6);
  const centre = [0, 0, 0].map(() => numbers.between(7, 13));
  const image = new Float32Array(SIZE ** 3);
  const mask = new Uint8Array(SIZE ** 3);
  // x runs fastest, then y, then z.
  for (let i = 0; i < image.length; i++) {
    const at = [i % SIZE, Math.floor(i / SIZE) % SIZE, Math.floor(i / SIZE ** 2)];
    mask[i] = Math.hypot(...at.map((n, axis) => n - centre[axis])) < radius ? 1 : 0;
    image[i] = 100 + 60 * mask[i] + 20 * numbers.normal();
  }
  const grid = { size: [SIZE, SIZE, SIZE], affine, channels: 1 } as const;
  return { image: { ...grid, data: image }, mask: { ...grid, data: mask } };
}

/** Writes `count` scans with their masks into a folder, and lists them as a data set's cases. */
export async function writeMadeUp(folder: string, count: number): Promise<DataCase[]> {
  await mkdir(folder, { recursive: true });
  const cases = Array.from({ length: count }, (_, n) => ({
    id: `scan-${n}`,
    image: join(folder, `scan-${n}.nii.gz`),
    label: join(folder, `scan-${n}-mask.nii.gz`),
  }));
  for (const [n, { image, label }] of cases.entries()) {
    const scan = madeUp(n);
    await writeVolume(image, scan.image, { force: true });
    await writeVolume(label, scan.mask, { force: true });
  }
  return cases;
}
