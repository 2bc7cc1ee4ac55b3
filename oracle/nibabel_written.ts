/**
 * Writes volumes of every element type, byte order and version with medvox, and what nibabel and SimpleITK must find:
 *
 *     npx tsx oracle/nibabel_written.ts FOLDER && python oracle/nibabel_written.py FOLDER
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeVolume } from "../src/files/index.ts";
import type { Affine, Vec3, Volume, VoxelArray, VoxelType } from "../src/volume/index.ts";
import { convertVoxels, decodeNifti, voxelTypeOf, voxelTypes } from "../src/volume/index.ts";

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error("usage: npx tsx oracle/nibabel_written.ts FOLDER");
mkdirSync(folder, { recursive: true });

const manifest: { file: string; shape: number[]; dtype: VoxelType; affine: Affine; data: string; exact: boolean }[] =
  [];
async function write(file: string, volume: Volume, options: Parameters<typeof writeVolume>[2] = {}): Promise<void> {
  await writeVolume(join(folder, file), volume, { ...options, force: true });
  const { buffer, byteOffset, byteLength } = volume.data as VoxelArray;
  manifest.push({
    file,
    shape: volume.channels === 1 ? [...volume.size] : [...volume.size, volume.channels],
    dtype: voxelTypeOf(volume.data),
    affine: volume.affine,
    data: Buffer.from(buffer, byteOffset, byteLength).toString("base64"),
    // NIfTI-1 holds 32-bit affines.
    exact: options.version === 2 || options.like !== undefined,
  });
}

const size: Vec3 = [3, 4, 5];
const values = Float64Array.from({ length: 60 }, (_, i) => (i * 37) % 128);
const straight: Affine = [-0.75, 0, 0, 10, 0, 1.25, 0, -20, 0, 0, 2.5, 30, 0, 0, 0, 1];
const oblique: Affine = [0.8, 0.06, -0.5, 10.1, -0.1, 0.9, 0.25, -20.2, 0.2, 0.1, 2, 30.3, 0, 0, 0, 1];
for (const type of voxelTypes) {
  const data = convertVoxels(values, type);
  for (const version of [1, 2] as const) {
    await write(`${type}_${version}.nii.gz`, { data, size, channels: 1, affine: straight }, { version });
    await write(`${type}_${version}.hdr`, { data, size, channels: 1, affine: oblique }, { version });
  }
  await write(`${type}.nrrd`, { data, size, channels: 1, affine: oblique });
}
await write("channels.nii", { data: values, size: [3, 4, 1], channels: 5, affine: straight });
await write("channels_2.nii", { data: values, size: [3, 4, 1], channels: 5, affine: oblique }, { version: 2 });

// Masks written like nibabel's own files, in both byte orders.
const golden = new URL("../test/fixtures/volume/golden/nifti.json", import.meta.url);
const cases = JSON.parse(readFileSync(golden, "utf8")) as {
  name: string;
  error?: string;
  files: Record<string, string>;
}[];
for (const [number, { error, files }] of cases.entries()) {
  if (error !== undefined) continue;
  const [first, image] = Object.values(files).map((base64) => new Uint8Array(Buffer.from(base64, "base64")));
  const source = decodeNifti(first, { image });
  const mask = { ...source, channels: 1, data: new Uint8Array(source.size[0] * source.size[1] * source.size[2]) };
  mask.data.forEach((_, i) => {
    mask.data[i] = i % 3;
  });
  await write(`like_${number}.nii.gz`, mask, { like: source.header });
}
writeFileSync(join(folder, "manifest.json"), JSON.stringify(manifest));
console.log(`${manifest.length} files`);
