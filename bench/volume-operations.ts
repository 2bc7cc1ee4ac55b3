/**
 * Times the volume operations on 128³ voxels, one thread, median of 9, as JSON:
 *
 *     npx tsx bench/volume-operations.ts
 */
import type { Affine, Grid, Volume } from "../src/volume/index.ts";
import {
  affineFromSpacing,
  cropOrPad,
  decodeNifti,
  encodeNifti,
  foregroundBox,
  identityAffine,
  med3dNormalize,
  reorient,
  resample,
  restoreToGrid,
} from "../src/volume/index.ts";

const n = 128;
const grid: Grid = { size: [n, n, n], affine: identityAffine };
const image: Volume<Float32Array> = {
  ...grid,
  data: new Float32Array(n ** 3).map((_, i) => 1000 * Math.sin(i)),
  channels: 1,
};
const labels: Volume<Uint8Array> = { ...grid, data: new Uint8Array(n ** 3).map((_, i) => ball(i)), channels: 1 };
const shorts: Volume<Int16Array> = { ...grid, data: Int16Array.from(image.data), channels: 1 };
const straight: Grid = { size: grid.size, affine: affineFromSpacing([0.97, 0.96, 0.95], [1, 1, 1]) };
const tilted: Affine = [0.9, 0.1, 0, 0, -0.1, 0.9, 0.05, 3, 0, -0.05, 0.95, 2, 0, 0, 0, 1];
const oblique: Grid = { size: grid.size, affine: tilted };
const file = encodeNifti(shorts);

const medianMs = {
  "decode NIfTI int16": time(() => decodeNifti(file)),
  "linear, axes parallel, float32": time(() => resample(image, straight, { mode: "linear" })),
  "linear, axes parallel, int16": time(() => resample(shorts, straight, { mode: "linear" })),
  "linear, oblique": time(() => resample(image, oblique, { mode: "linear" })),
  "labels, axes parallel": time(() => resample(labels, straight, { mode: "labels" })),
  "labels, oblique": time(() => resample(labels, oblique, { mode: "labels" })),
  "nearest, axes parallel": time(() => resample(labels, straight, { mode: "nearest" })),
  "reorient RAS to SPL": time(() => reorient(image, "SPL")),
  "restore a turned label map": time(() => restoreToGrid(reorient(labels, "SPL"), labels)),
  "clip percentiles and z-score": time(() => med3dNormalize(image)),
  "foreground box": time(() => foregroundBox(labels)),
  "crop and pad": time(() => cropOrPad(labels, { start: [-3, 4, 5], end: [120, 130, 140] })),
};
console.log(JSON.stringify({ node: process.version, voxels: `${n}³`, medianMs }, undefined, 2));

/** Two labels in a ball. */
function ball(i: number): number {
  const [x, y, z] = [(i % n) - n / 2, (Math.floor(i / n) % n) - n / 2, Math.floor(i / n / n) - n / 2];
  return x * x + y * y + z * z < 1600 ? (x > 0 ? 2 : 1) : 0;
}

function time(run: () => unknown): number {
  for (let i = 0; i < 2; i++) run();
  const times = Array.from({ length: 9 }, () => {
    const start = performance.now();
    run();
    return performance.now() - start;
  });
  return Number(times.sort((a, b) => a - b)[4].toFixed(1));
}
