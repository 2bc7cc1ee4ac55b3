/** Small items of every task on disk, of whole numbers only, and settings whose batches are the same on every machine. */
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { encode } from "fast-png";
import { writeVolume } from "../../../files/index.ts";
import type { DetectionItem } from "../../boxes/detection.ts";
import type { Preprocessing } from "../../prepare/preprocess.ts";
import type { DataCase } from "../../types.ts";

const spacing = (x: number, y: number, z: number): number[] => [x, 0, 0, 0, 0, y, 0, 0, 0, 0, z, 0, 0, 0, 0, 1];

/** Five labelled volumes of sizes of their own. */
export async function writeCases(root: string): Promise<DataCase[]> {
  const cases: DataCase[] = [];
  for (let i = 0; i < 5; i++) {
    const size = [9 + i, 10, 8 + (i % 2)] as const;
    const count = size[0] * size[1] * size[2];
    const grid = { size, affine: spacing(1, 1, 1), channels: 1 };
    const [image, label] = [join(root, `case-${i}.nii.gz`), join(root, `case-${i}-label.nii.gz`)];
    await writeVolume(image, { ...grid, data: Int16Array.from({ length: count }, (_, k) => (k * 13 + i * 50) % 256) });
    await writeVolume(label, { ...grid, data: Uint8Array.from({ length: count }, (_, k) => (k + i) % 3) });
    cases.push({ id: `case-${i}`, image, label });
  }
  return cases;
}

/** Five pictures, one of them upright, each with an object and a difficult one. */
export async function writePictures(root: string): Promise<DetectionItem[]> {
  const items: DetectionItem[] = [];
  for (let i = 0; i < 5; i++) {
    const [width, height] = i === 0 ? [30, 50] : [40, 30];
    const data = Uint8Array.from({ length: 3 * width * height }, (_, k) => (k * 13 + i * 50) % 256);
    const image = join(root, `picture-${i}.png`);
    await writeFile(image, encode({ width, height, data, channels: 3, depth: 8 }));
    const flags = { difficult: Uint8Array.of(0, 1), crowd: new Uint8Array(2), labels: Int32Array.of(1, 0) };
    const boxes = Float64Array.of(5, 5, 15, 15, 2, 2, 8, 8);
    items.push({ id: `picture-${i}`, image, size: [width, height], boxes, ...flags });
  }
  return items;
}

/** Three volumes with a bright block each; their voxels are no cubes, so the working grid is another one. */
export async function writeBlocks(root: string): Promise<DetectionItem[]> {
  const items: DetectionItem[] = [];
  for (let i = 0; i < 3; i++) {
    const data = new Int16Array(24 * 24 * 12);
    for (let z = 4; z < 7; z++)
      for (let y = 8; y < 14; y++) data.fill(1000 + i, 24 * (24 * z + y) + 6, 24 * (24 * z + y) + 12);
    const image = join(root, `block-${i}.nii.gz`);
    await writeVolume(image, { size: [24, 24, 12], affine: spacing(1, 1, 2), channels: 1, data });
    items.push({
      id: `block-${i}`,
      image,
      size: [24, 24, 12],
      boxes: Float64Array.of(6, 8, 4, 12, 14, 7),
      labels: Int32Array.of(0),
      difficult: Uint8Array.of(0),
      crowd: Uint8Array.of(0),
    });
  }
  return items;
}

/** Mirroring and quarter turns move voxels and compute none. */
const turns = {
  quarterTurns: { probability: 1, axes: ["z"] },
  flip: { probability: 0.5, axes: ["x", "y", "z"] },
} as const;

export const prepare: Preprocessing = {
  orientation: "RAS",
  spacingMm: [1, 1, 1],
  intensity: { kind: "ctWindow", low: 0, high: 256 },
  channels: 1,
  labels: [0, 1, 2],
};

export const patches = { prepare, patch: [8, 8, 8], batch: 2, seed: 5, augmentation: turns } as const;

export const pictures = {
  axes: 2,
  prepare: { shortSide: 24, longSide: 64, channels: 3, mean: [0, 0, 0], std: [1, 1, 1] },
  batch: 2,
  seed: 7,
  augmentation: "slide",
} as const;

export const windows = {
  axes: 3,
  prepare: { orientation: "RAS", spacingMm: [1, 1, 1], intensity: { kind: "none" }, channels: 1 },
  canvas: [16, 16, 16],
  batch: 2,
  seed: 3,
  stepsPerEpoch: 4,
  objectProbability: 1,
  augmentation: turns,
} as const;

/** SHA-1 over the bytes of all arrays and the text of all else; without times, paths, and the sizes that batches have had since. */
export function digestOf(value: unknown): string {
  const hash = createHash("sha1");
  const add = (part: unknown): void => {
    if (ArrayBuffer.isView(part)) hash.update(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
    else if (Array.isArray(part)) part.forEach(add);
    else if (typeof part === "object" && part !== null) {
      for (const [name, inner] of Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1))) {
        if (name === "waitedMs" || name === "shapes") continue;
        hash.update(`${name}:`);
        add(inner);
      }
    } else hash.update(`${part};`);
  };
  add(value);
  return hash.digest("hex").slice(0, 12);
}
