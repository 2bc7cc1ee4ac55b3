/**
 * Elastic deformation: a free-form deformation (Rueckert et al. 1999) by random displacements of control points, cubic B-splines
 * between them. It is added to the patch's affine map, so that an image is still resampled once.
 *
 *   source = affine(patch + d(patch)),  d(x) = Σ β(x / step − k + 1) · displacement[k]
 *
 * Displacements stay below 0.4 of the distance between control points, where such a map of three dimensions cannot fold (Choi & Lee
 * 2000): no structure is ever torn or turned inside out. Distances are in millimetres, so that voxels need not be cubes.
 */
import type { Random } from "../../random.ts";
import type { Augmentation } from "../augmentation.ts";
import type { Extent } from "../types.ts";
import type { PatchAffine } from "./geometry.ts";

/** What was drawn for one patch. */
export interface ElasticField {
  /** Voxels of the patch from one control point to the next, along x, y, z. */
  readonly step: readonly [number, number, number];
  /** Control points along x, y, z. The first of an axis lies one step before the first voxel; an axis of one slice has one. */
  readonly points: readonly [number, number, number];
  /** [z, y, x, 3]: of each, along x, y, z, in voxels of the patch. */
  readonly displacements: Float64Array;
}

/** A field at rest for control points so far apart; its displacements may be filled in. @param step along x, y, z, in voxels */
export function elasticField(patch: Extent, step: readonly [number, number, number]): ElasticField {
  const size = [patch.width, patch.height, patch.depth];
  const points = size.map((n, axis) => (n === 1 ? 1 : Math.floor((n - 1) / step[axis]) + 4)) as [
    number,
    number,
    number,
  ];
  return { step, points, displacements: new Float64Array(3 * points[0] * points[1] * points[2]) };
}

/**
 * Draws the deformation. `planar` (2D, or patches one slice deep) leaves z alone.
 * @returns undefined where nothing is deformed
 */
export function drawElastic(
  { elastic }: Augmentation,
  patch: Extent,
  planar: boolean,
  spacingMm: readonly number[] = [1, 1, 1],
  random: Random,
): ElasticField | undefined {
  if (elastic === undefined || !(random.uniform() < elastic.probability)) return undefined;
  const voxel = [spacingMm[0], spacingMm[1], spacingMm[2] ?? 1];
  const size = [patch.width, patch.height, patch.depth];
  const sides = size.map((n, axis) => n * voxel[axis]).slice(0, planar ? 2 : 3);
  const distanceMm = random.between(elastic.spacing[0], elastic.spacing[1]) * Math.max(...sides);
  const reachMm = random.between(elastic.magnitude[0], elastic.magnitude[1]) * distanceMm;
  if (reachMm === 0) return undefined;
  const field = elasticField(patch, [distanceMm / voxel[0], distanceMm / voxel[1], distanceMm / voxel[2]]);
  for (let i = 0; i < field.displacements.length; i++) {
    const axis = i % 3;
    if (axis === 2 && planar) continue;
    field.displacements[i] = random.between(-reachMm, reachMm) / voxel[axis];
  }
  return field;
}

/** Control points that reach a voxel along an axis: from `first` on, with these weights. */
interface Reach {
  readonly first: Int32Array;
  /** Four a voxel; of an axis of one slice, 1 and no others. */
  readonly weights: Float64Array;
}

function reachOf(size: number, step: number): Reach {
  const first = new Int32Array(size);
  const weights = new Float64Array(4 * size);
  for (let x = 0; x < size; x++) {
    if (size === 1) {
      weights[0] = 1;
      break;
    }
    const u = x / step;
    const i = Math.floor(u);
    const f = u - i;
    first[x] = i;
    weights.set(
      [(1 - f) ** 3 / 6, (3 * f ** 3 - 6 * f ** 2 + 4) / 6, (-3 * f ** 3 + 3 * f ** 2 + 3 * f + 1) / 6, f ** 3 / 6],
      4 * x,
    );
  }
  return { first, weights };
}

/** Where the voxels of a patch lie in the source, row by row, through an affine map and a field. */
export class ElasticRows {
  /** Of the row asked for last, [width] each: source coordinates along x, y, z. */
  readonly x: Float64Array;
  readonly y: Float64Array;
  readonly z: Float64Array;
  readonly #map: PatchAffine;
  readonly #points: readonly [number, number, number];
  readonly #reach: readonly Reach[];
  /** The displacements in voxels of the source. */
  readonly #control: Float64Array;
  /** Those of one slice z, [y, x, 3], and of one row, [x, 3]. */
  readonly #slice: Float64Array;
  readonly #row: Float64Array;
  #sliceAt = -1;

  constructor({ step, points, displacements }: ElasticField, map: PatchAffine, { width, height, depth }: Extent) {
    this.#map = map;
    this.#points = points;
    this.#reach = [width, height, depth].map((size, axis) => reachOf(size, step[axis]));
    this.#control = new Float64Array(displacements.length);
    for (let i = 0; i < displacements.length; i += 3) {
      for (let axis = 0; axis < 3; axis++) {
        const at = 4 * axis;
        this.#control[i + axis] =
          map[at] * displacements[i] + map[at + 1] * displacements[i + 1] + map[at + 2] * displacements[i + 2];
      }
    }
    this.#slice = new Float64Array(3 * points[0] * points[1]);
    this.#row = new Float64Array(3 * points[0]);
    [this.x, this.y, this.z] = [0, 1, 2].map(() => new Float64Array(width));
  }

  /** Computes the coordinates of row y of slice z. */
  go(y: number, z: number): void {
    if (z !== this.#sliceAt) {
      weighed(this.#control, this.#points[2], this.#reach[2], z, this.#slice);
      this.#sliceAt = z;
    }
    weighed(this.#slice, this.#points[1], this.#reach[1], y, this.#row);
    const m = this.#map;
    const [bx, by, bz] = [m[1] * y + m[2] * z + m[3], m[5] * y + m[6] * z + m[7], m[9] * y + m[10] * z + m[11]];
    const { first, weights } = this.#reach[0];
    const row = this.#row;
    const taps = Math.min(4, this.#points[0]);
    for (let x = 0; x < this.x.length; x++) {
      let dx = 0;
      let dy = 0;
      let dz = 0;
      for (let k = 0, p = 3 * first[x]; k < taps; k++, p += 3) {
        const weight = weights[4 * x + k];
        dx += weight * row[p];
        dy += weight * row[p + 1];
        dz += weight * row[p + 2];
      }
      // In the order of the affine warp, so that a field at rest gives its very coordinates.
      this.x[x] = bx + m[0] * x + dx;
      this.y[x] = by + m[4] * x + dy;
      this.z[x] = bz + m[8] * x + dz;
    }
  }
}

/** The weighted sum over one axis's control points, whose blocks of `into.length` values follow each other in `from`. */
function weighed(from: Float64Array, points: number, { first, weights }: Reach, at: number, into: Float64Array): void {
  into.fill(0);
  for (let k = 0; k < Math.min(4, points); k++) {
    const weight = weights[4 * at + k];
    const start = (first[at] + k) * into.length;
    for (let i = 0; i < into.length; i++) into[i] += weight * from[start + i];
  }
}
