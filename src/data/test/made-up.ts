/** Small made-up cases on disk, for tests. */
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeVolume } from "../../files/index.ts";
import { affineFromSpacing } from "../../volume/affine.ts";
import type { Affine, Vec3, Volume, VoxelArray } from "../../volume/types.ts";

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), "medvox-data-"));
}

/** A smooth image, different for every `seed`. */
export function imageOf(size: Vec3, seed: number, affine: Affine = affineFromSpacing([1, 1, 1])): Volume<Float32Array> {
  const data = new Float32Array(size[0] * size[1] * size[2]);
  let i = 0;
  for (let z = 0; z < size[2]; z++) {
    for (let y = 0; y < size[1]; y++) {
      for (let x = 0; x < size[0]; x++) data[i++] = 100 + 50 * Math.sin(x / 2 + seed) + 20 * Math.cos(y / 3) + 10 * z;
    }
  }
  return { data, size, affine, channels: 1 };
}

/** Two boxes of labels 1 and 2, shifted with `seed`. */
export function labelOf(size: Vec3, seed: number, affine: Affine = affineFromSpacing([1, 1, 1])): Volume<Uint8Array> {
  const data = new Uint8Array(size[0] * size[1] * size[2]);
  const from = size.map((n) => Math.floor(n / 4));
  const to = size.map((n, axis) => Math.floor((3 * n) / 4) - (axis === 0 ? seed % 3 : 0));
  for (let z = from[2]; z < Math.max(to[2], from[2] + 1); z++) {
    for (let y = from[1]; y < to[1]; y++) {
      for (let x = from[0]; x < to[0]; x++) data[(z * size[1] + y) * size[0] + x] = x < size[0] / 2 ? 1 : 2;
    }
  }
  return { data, size, affine, channels: 1 };
}

export interface MadeUpCase {
  readonly id: string;
  readonly image?: Volume<VoxelArray>;
  readonly label?: Volume<VoxelArray>;
}

/** Writes a Decathlon folder; a case without image or label is listed all the same. Returns the folder. */
export async function writeDecathlon(cases: readonly MadeUpCase[], more: object = {}): Promise<string> {
  const root = temporaryFolder();
  for (const folder of ["imagesTr", "labelsTr"]) mkdirSync(join(root, folder));
  for (const { id, image, label } of cases) {
    if (image) await writeVolume(join(root, "imagesTr", `${id}.nii.gz`), image);
    if (label) await writeVolume(join(root, "labelsTr", `${id}.nii.gz`), label);
  }
  const description = {
    name: "MadeUp",
    modality: { "0": "MRI" },
    labels: { "0": "background", "1": "left", "2": "right" },
    training: cases.map(({ id }) => ({ image: `./imagesTr/${id}.nii.gz`, label: `./labelsTr/${id}.nii.gz` })),
    test: [],
    ...more,
  };
  writeFileSync(join(root, "dataset.json"), JSON.stringify(description));
  return root;
}

/** `count` sound cases of slightly different sizes. */
export function soundCases(count: number): MadeUpCase[] {
  return Array.from({ length: count }, (_, i) => {
    const size: Vec3 = [10 + (i % 3), 12, 8 + (i % 2)];
    return { id: `case_${String(i).padStart(2, "0")}`, image: imageOf(size, i), label: labelOf(size, i) };
  });
}

/**
 * A classification data set: `labels.csv`, `images/`, `masks/`. Every second case has a bright ball in the middle, and is rated
 * 4 or 5 where the others are rated 1, 2 or 3. Returns the folder.
 */
export async function writeRated(count: number, size: Vec3 = [16, 16, 16]): Promise<string> {
  const root = temporaryFolder();
  for (const folder of ["images", "masks"]) mkdirSync(join(root, folder));
  const rows = ["case,patient,malignancy"];
  for (let i = 0; i < count; i++) {
    const isPositive = i % 2 === 1;
    const id = `lesion_${String(i).padStart(2, "0")}`;
    const image = imageOf(size, i);
    const mask = { ...image, data: new Uint8Array(image.data.length) };
    const radius = isPositive ? 5 : 3;
    for (let at = 0; at < image.data.length; at++) {
      const [x, y, z] = [at % size[0], Math.floor(at / size[0]) % size[1], Math.floor(at / (size[0] * size[1]))];
      const distance = Math.hypot(x - size[0] / 2, y - size[1] / 2, z - size[2] / 2);
      if (distance > radius) continue;
      mask.data[at] = 1;
      if (isPositive) image.data[at] += 400;
    }
    await writeVolume(join(root, "images", `${id}.nii.gz`), image);
    await writeVolume(join(root, "masks", `${id}.nii.gz`), mask);
    rows.push(`${id},patient_${Math.floor(i / 2)},${isPositive ? 4 + (i % 4 === 1 ? 1 : 0) : 1 + ((i / 2) % 3)}`);
  }
  writeFileSync(join(root, "labels.csv"), `${rows.join("\n")}\n`);
  return root;
}
