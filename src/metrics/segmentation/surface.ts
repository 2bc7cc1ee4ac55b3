/**
 * Distances between the surfaces of two masks, in millimetres, and the measures read off them.
 *
 * **Surface voxels** are the voxels of a mask with at least one face neighbour (6 in 3D, 4 in 2D) outside it; a voxel
 * at the edge of the image counts as having its neighbour outside: mask ^ scipy.ndimage.binary_erosion(mask), as MONAI
 * and MedPy do. An axis of one voxel has no neighbours and takes no part, so a single slice is measured as the 2D image
 * it is.
 *
 * **Definitions** are those of MONAI 1.x (`compute_hausdorff_distance`,
 * `compute_average_surface_distance(symmetric=True)`): the Hausdorff percentile is the larger of the two directed
 * percentiles, percentiles interpolate linearly (NumPy's default), the average is over both directions' voxels pooled.
 * MedPy's `hd95` pools before it takes the percentile; ask for `"pooled"` to compare with numbers made that way.
 */
import type { Vec3 } from "../../volume/types.ts";
import { distancesAt } from "./distance.ts";

/** Distances from each surface voxel of one mask to the nearest surface voxel of the other, ascending, mm. */
export interface SurfaceDistances {
  readonly truthToPrediction: Float64Array;
  readonly predictionToTruth: Float64Array;
}

/**
 * @param truth,prediction voxels that are not 0 belong to the mask; x fastest
 * @returns empty arrays where either mask is empty: no distance is defined then
 */
export function surfaceDistances(
  truth: Uint8Array,
  prediction: Uint8Array,
  grid: { readonly size: Vec3; readonly spacingMm: Vec3 },
): SurfaceDistances {
  const truthSurface = surfaceVoxels(truth, grid.size);
  const predictionSurface = surfaceVoxels(prediction, grid.size);
  if (truthSurface.length === 0 || predictionSurface.length === 0) {
    return { truthToPrediction: new Float64Array(0), predictionToTruth: new Float64Array(0) };
  }
  const seeds = new Uint8Array(truth.length);
  for (const at of predictionSurface) seeds[at] = 1;
  const truthToPrediction = distancesAt(truthSurface, seeds, grid.size, grid.spacingMm).sort();
  seeds.fill(0);
  for (const at of truthSurface) seeds[at] = 1;
  const predictionToTruth = distancesAt(predictionSurface, seeds, grid.size, grid.spacingMm).sort();
  return { truthToPrediction, predictionToTruth };
}

/** Indices of the surface voxels of a mask, ascending. */
export function surfaceVoxels(mask: Uint8Array, size: Vec3): Uint32Array {
  const [nx, ny, nz] = size;
  const [sy, sz] = [nx, nx * ny];
  const out: number[] = [];
  for (let z = 0, at = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      for (let x = 0; x < nx; x++, at++) {
        if (mask[at] === 0) continue;
        const inside =
          (nx === 1 || (x > 0 && x < nx - 1 && mask[at - 1] !== 0 && mask[at + 1] !== 0)) &&
          (ny === 1 || (y > 0 && y < ny - 1 && mask[at - sy] !== 0 && mask[at + sy] !== 0)) &&
          (nz === 1 || (z > 0 && z < nz - 1 && mask[at - sz] !== 0 && mask[at + sz] !== 0));
        if (!inside) out.push(at);
      }
    }
  }
  return Uint32Array.from(out);
}

/**
 * The Hausdorff distance: how far the worst surface voxel of either mask lies from the other surface. NaN where
 * undefined.
 */
export function hausdorff(distances: SurfaceDistances): number {
  return hausdorffPercentile(distances, 100);
}

/**
 * The Hausdorff distance with the worst few voxels forgiven: `hausdorffPercentile(d, 95)` is HD95. NaN where undefined.
 * @param rule `"larger"`: the larger of the two directed percentiles (MONAI); `"pooled"`: the percentile of all (MedPy)
 */
export function hausdorffPercentile(
  { truthToPrediction, predictionToTruth }: SurfaceDistances,
  percent: number,
  rule: "larger" | "pooled" = "larger",
): number {
  if (rule === "pooled") {
    const all = new Float64Array(truthToPrediction.length + predictionToTruth.length);
    all.set(truthToPrediction);
    all.set(predictionToTruth, truthToPrediction.length);
    return percentile(all.sort(), percent);
  }
  return Math.max(percentile(truthToPrediction, percent), percentile(predictionToTruth, percent));
}

/** Average symmetric surface distance (ASSD): the mean over the surface voxels of both masks. NaN where undefined. */
export function averageSurfaceDistance({ truthToPrediction, predictionToTruth }: SurfaceDistances): number {
  let sum = 0;
  for (const distance of truthToPrediction) sum += distance;
  for (const distance of predictionToTruth) sum += distance;
  return sum / (truthToPrediction.length + predictionToTruth.length);
}

/**
 * Surface Dice, or normalised surface distance (NSD): the share of both surfaces that lies within a tolerance of the other one,
 *
 *     (|{s in S_truth: d(s) ≤ τ}| + |{s in S_prediction: d(s) ≤ τ}|) / (|S_truth| + |S_prediction|)
 *
 * after Nikolov et al., "Deep learning to achieve clinically applicable segmentation of head and neck anatomy" (2018), counting
 * surface voxels as MONAI's `compute_surface_dice` does. DeepMind's `surface-distance` package weighs pieces of surface between
 * voxels by their area instead: where the tolerance is about a voxel its figures are up to 0.1 higher, less with larger tolerances.
 * @param toleranceMm τ, from 0; a voxel exactly that far away counts as within
 * @returns from 0 to 1; NaN where undefined
 */
export function surfaceDice({ truthToPrediction, predictionToTruth }: SurfaceDistances, toleranceMm: number): number {
  let within = 0;
  for (const distance of truthToPrediction) if (distance <= toleranceMm) within++;
  for (const distance of predictionToTruth) if (distance <= toleranceMm) within++;
  return within / (truthToPrediction.length + predictionToTruth.length);
}

/**
 * Percentile of ascending values, interpolated linearly between neighbours (NumPy's "linear"). NaN when there are none.
 */
export function percentile(ascending: ArrayLike<number>, percent: number): number {
  if (ascending.length === 0) return Number.NaN;
  const at = ((ascending.length - 1) * percent) / 100;
  const below = Math.floor(at);
  const above = Math.min(below + 1, ascending.length - 1);
  return ascending[below] + (ascending[above] - ascending[below]) * (at - below);
}
