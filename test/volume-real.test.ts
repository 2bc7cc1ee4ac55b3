/**
 * Every NIfTI and NRRD file of the shared real data: shape, element type, affine, sum and a hash of all values as
 * nibabel (NRRD: SimpleITK) gives them. The golden file is made by oracle/nibabel_volumes.py.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readVolume, readVolumeHeader, writeVolume } from "../src/files/index.ts";
import type { VoxelArray } from "../src/volume/index.ts";
import {
  argmaxOnGrid,
  convertVoxels,
  cropOrPad,
  foregroundBox,
  orientationCode,
  reorient,
  resampleToSpacing,
  restoreToGrid,
  voxelTypeOf,
} from "../src/volume/index.ts";

const data = new URL("../../shared/data/", import.meta.url).pathname;
const present = existsSync(data);
if (!present) console.warn("volume-real: skipped, the shared data folder is not here");

/** vitest's own comparison of typed arrays takes seconds a megabyte. */
function sameBytes(a: VoxelArray, b: VoxelArray): boolean {
  const bytes = (v: VoxelArray) => Buffer.from(v.buffer, v.byteOffset, v.byteLength);
  return voxelTypeOf(a) === voxelTypeOf(b) && bytes(a).equals(bytes(b));
}

const golden: {
  affines: number[][];
  files: Record<string, [number[], string, number, number, string]>;
} = JSON.parse(readFileSync(new URL("fixtures/volume/golden/real.json", import.meta.url), "utf8"));

describe.skipIf(!present)("real volumes", () => {
  const folders = [...new Set(Object.keys(golden.files).map((file) => file.split("/")[0]))];
  it.each(folders)("every file of %s equals nibabel", async (folder) => {
    const files = Object.entries(golden.files).filter(([file]) => file.startsWith(`${folder}/`));
    expect(files.length).toBeGreaterThan(0);
    for (const [file, [shape, dtype, affine, sum, hash]] of files) {
      const volume = await readVolume(join(data, file));
      expect([...volume.size], file).toEqual(shape);
      expect(voxelTypeOf(volume.data), file).toBe(dtype);
      // SimpleITK splits NRRD's matrix into direction and spacing and multiplies them again.
      const tolerance = file.endsWith(".nrrd") ? 1e-12 : 0;
      volume.affine.forEach((value, i) => {
        expect(Math.abs(value - golden.affines[affine][i]), file).toBeLessThanOrEqual(tolerance);
      });
      const values = Float64Array.from(volume.data as Float64Array);
      const total = values.reduce((a, b) => a + b, 0);
      expect(Math.abs(total - sum), file).toBeLessThanOrEqual(1e-9 * Math.abs(sum) + 1e-6);
      expect(createHash("sha256").update(new Uint8Array(values.buffer)).digest("hex").slice(0, 32), file).toBe(hash);
      const header = await readVolumeHeader(join(data, file));
      expect({ size: header.size, affine: header.affine }).toEqual({ size: volume.size, affine: volume.affine });
    }
  });

  const labels = [
    "Task04_Hippocampus/labelsTr/hippocampus_001.nii.gz",
    "organs-ct/example_seg.nii.gz",
    "organs-ct/example_seg_mr.nii.gz",
    "organs-ct/aorta_report/aorta.nii.gz",
    "lidc-ct/ct_2mm/C3N-00247_lung_auto.nii.gz",
    "brain-nrrd/brain1_label.nrrd",
  ].filter((file) => existsSync(join(data, file)));

  it.each(labels)("%s comes back through reorientation and crop unchanged, bit for bit", async (file) => {
    const label = await readVolume(join(data, file));
    const box = foregroundBox(label);
    if (box === undefined) return;
    const inside = cropOrPad(label, box);
    const back = restoreToGrid(inside, label);
    expect(back.size).toEqual(label.size);
    expect(sameBytes(back.data, label.data)).toBe(true);
    expect(orientationCode(reorient(label, "SPL").affine)).toBe("SPL");
    expect(sameBytes(restoreToGrid(reorient(label, "SPL"), label).data, label.data)).toBe(true);
  });

  it.each(labels)("%s written like itself has bit-same dimensions and affine", async (file) => {
    const folder = await mkdtemp(join(tmpdir(), "medvox-real-"));
    try {
      const label = await readVolume(join(data, file));
      // As a prediction would: made at another spacing, brought back, stored as uint8.
      const coarse = resampleToSpacing(label, [2, 2, 2], { mode: "labels" });
      const restored = restoreToGrid(coarse, label);
      const out = join(folder, file.endsWith(".nrrd") ? "out.nrrd" : "out.nii.gz");
      await writeVolume(out, restored, { like: label.header, dtype: "uint8" });
      const again = await readVolume(out);
      expect(again.affine).toEqual(label.affine);
      expect(again.size).toEqual(label.size);
      expect(sameBytes(again.data, convertVoxels(restored.data, "uint8"))).toBe(true);
      const [a, b] = [again.header.nifti?.bytes, label.header.nifti?.bytes];
      if (a !== undefined && b !== undefined) {
        // dim, pixdim, units, codes, quaternion, offsets, srow: NIfTI-1 byte ranges.
        for (const [from, to] of [
          [40, 56],
          [76, 108],
          [123, 124],
          [252, 328],
        ]) {
          expect(a.slice(from, to)).toEqual(b.slice(from, to));
        }
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it("argmax of one-hot scores on a label's own grid is the label", async () => {
    const label = await readVolume(join(data, labels[0]));
    const classes = 3;
    const scores = new Float32Array(label.data.length * classes);
    label.data.forEach((value, i) => {
      scores[Number(value) * label.data.length + i] = 1;
    });
    const map = argmaxOnGrid({ ...label, data: scores, channels: classes }, label);
    expect(sameBytes(map.data, convertVoxels(label.data, "uint8"))).toBe(true);
  });
});
