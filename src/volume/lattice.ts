/**
 * How the voxels of one grid lie among those of another: along the axes (three lists of positions suffice, and
 * sampling is separable) or obliquely (a matrix is needed).
 */
import { composeAffines, invertAffine } from "./affine.ts";
import type { AxisOrder } from "./orient.ts";
import type { Affine, Grid } from "./types.ts";

export type LatticeMap =
  | {
      readonly kind: "axes";
      /** Source axes in the order of the target's axes (never flipped: positions run backwards instead). */
      readonly order: AxisOrder;
      /** For each target axis, where its voxels lie along the source axis, in source voxels. */
      readonly positions: readonly [Float64Array, Float64Array, Float64Array];
    }
  | {
      readonly kind: "oblique";
      /** Target voxel indices to source voxel positions. */
      readonly matrix: Affine;
    };

/** Drift across the whole target, in source voxels, below which axes count as parallel. */
const parallelTolerance = 1e-4;

/** Positions this near to a voxel centre or to the middle between two are taken to be there; float noise is less. */
const snapTolerance = 1e-6;

/** Where the voxels of `target` lie in `source`. Throws `GeometryError` where the source's affine is singular. */
export function latticeMap(source: Grid, target: Grid): LatticeMap {
  const matrix = composeAffines(invertAffine(source.affine, "source grid"), target.affine);
  const from: number[] = [];
  for (let column = 0; column < 3; column++) {
    const rows = [0, 1, 2].filter(
      (row) => Math.abs(matrix[4 * row + column]) * target.size[column] > parallelTolerance,
    );
    if (rows.length > 1) return { kind: "oblique", matrix };
    // A target of one voxel can be shorter than the tolerance along every axis; its largest part decides then.
    from.push(rows[0] ?? largestRow(matrix, column));
  }
  if (new Set(from).size !== 3) return { kind: "oblique", matrix };
  const positions = from.map((row, column) => {
    const list = new Float64Array(target.size[column]);
    for (let k = 0; k < list.length; k++) list[k] = snap(matrix[4 * row + column] * k + matrix[4 * row + 3]);
    return list;
  });
  return {
    kind: "axes",
    order: { from: from as [number, number, number], flip: [false, false, false] },
    positions: positions as [Float64Array, Float64Array, Float64Array],
  };
}

function largestRow(matrix: Affine, column: number): number {
  const sizes = [0, 1, 2].map((row) => Math.abs(matrix[4 * row + column]));
  return sizes.indexOf(Math.max(...sizes));
}

function snap(position: number): number {
  const half = Math.round(2 * position) / 2;
  return Math.abs(position - half) < snapTolerance ? half : position;
}
