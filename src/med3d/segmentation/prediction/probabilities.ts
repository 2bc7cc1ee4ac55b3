/** Class probabilities of a volume: kept line by line while windows are predicted, brought to the image's own grid, averaged, written. */
import { type Grid, resample, type Vec3, type Volume, type VoxelBox } from "../../../volume/index.ts";

/** Room for the probabilities of K classes, filled by the sliding window's lines. */
export function keptProbabilities({ size: [nx, ny, nz], affine }: Grid, classes: number) {
  const voxels = nx * ny * nz;
  const data = new Float32Array(classes * voxels);
  return {
    volume: { data, size: [nx, ny, nz], affine, channels: classes } satisfies Volume<Float32Array>,
    onLine: (z: number, y: number, line: Float32Array, from: number): void => {
      for (let k = 0; k < classes; k++)
        data.set(line.subarray(from + k * nx, from + (k + 1) * nx), k * voxels + (z * ny + y) * nx);
    },
  };
}

/** Interpolated on another grid, which is copying where the grids' voxels coincide. What lies beyond is background. */
export function probabilitiesOn(grid: Grid, probabilities: Volume<Float32Array>): Volume<Float32Array> {
  const { data } = resample(probabilities, grid, { mode: "linear", outside: Number.NaN });
  const voxels = data.length / probabilities.channels;
  for (let i = 0; i < data.length; i++) if (Number.isNaN(data[i])) data[i] = i < voxels ? 1 : 0;
  return { data, size: grid.size, affine: grid.affine, channels: probabilities.channels };
}

/** A part's probabilities in the whole grid, background around it. */
export function probabilitiesAround(
  { data, size, channels }: Volume<Float32Array>,
  { start }: VoxelBox,
  whole: Grid,
): Volume<Float32Array> {
  const [wx, wy] = whole.size;
  const voxels = voxelsOf(whole.size);
  const out = new Float32Array(channels * voxels).fill(1, 0, voxels);
  for (let k = 0; k < channels; k++)
    for (let z = 0; z < size[2]; z++)
      for (let y = 0; y < size[1]; y++) {
        const from = ((k * size[2] + z) * size[1] + y) * size[0];
        const to = k * voxels + ((z + start[2]) * wy + y + start[1]) * wx + start[0];
        out.set(data.subarray(from, from + size[0]), to);
      }
  return { data: out, size: whole.size, affine: whole.affine, channels };
}

/** Probabilities of nothing but background. */
export function backgroundOn({ size, affine }: Grid, classes: number): Volume<Float32Array> {
  const voxels = voxelsOf(size);
  return { data: new Float32Array(classes * voxels).fill(1, 0, voxels), size, affine, channels: classes };
}

/** Index of the most probable class of every voxel; ties go to the lower one. */
export function mostProbable({ data, size, channels }: Volume<Float32Array>): Uint8Array {
  const voxels = voxelsOf(size);
  const classes = new Uint8Array(voxels);
  for (let i = 0; i < voxels; i++) {
    let most = data[i];
    for (let k = 1; k < channels; k++) {
      const value = data[k * voxels + i];
      if (value > most) {
        most = value;
        classes[i] = k;
      }
    }
  }
  return classes;
}

const voxelsOf = ([x, y, z]: Vec3): number => x * y * z;
