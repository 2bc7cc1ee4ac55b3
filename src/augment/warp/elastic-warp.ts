/**
 * Resampling a patch through an affine map and an elastic field at once: linear for images, per-class linear or nearest for labels, as
 * `warp.ts` does through the affine map alone, and bit for bit the same where the field is at rest.
 */

import type { Extent, LabelArray } from "../types.ts";
import { type ElasticField, ElasticRows } from "./elastic.ts";
import type { PatchAffine } from "./geometry.ts";
import { likeliestAt, linearAt, nearestAt, type WarpTarget } from "./warp.ts";

/** One channel of an image, trilinear. `source` holds the channel `[D, H, W]` from `sourceOffset` on. */
export function warpImageElastic(
  source: Float32Array,
  sourceOffset: number,
  from: Extent,
  m: PatchAffine,
  field: ElasticField,
  target: WarpTarget<Float32Array>,
  to: Extent,
  fill = 0,
): void {
  const { depth: D, height: H, width: W } = from;
  const planar = D === 1 && to.depth === 1;
  const rows = new ElasticRows(field, m, to);
  const out = target.data;
  const rowStep = W;
  const sliceStep = W * H;
  let o = target.offset;
  for (let z = 0; z < to.depth; z++) {
    for (let y = 0; y < to.height; y++) {
      rows.go(y, z);
      for (let x = 0; x < to.width; x++) {
        const sx = rows.x[x];
        const sy = rows.y[x];
        const sz = rows.z[x];
        const inside = sx >= 0 && sx < W - 1 && sy >= 0 && sy < H - 1 && (planar || (sz >= 0 && sz < D - 1));
        if (!inside) {
          out[o++] = linearAt(source, sourceOffset, from, sx, sy, sz, fill);
          continue;
        }
        const ix = sx | 0;
        const iy = sy | 0;
        const iz = planar ? 0 : sz | 0;
        const fx = sx - ix;
        const fy = sy - iy;
        let p = sourceOffset + iz * sliceStep + iy * rowStep + ix;
        let low = source[p];
        const a = low + fx * (source[p + 1] - low);
        p += rowStep;
        low = source[p];
        const b = low + fx * (source[p + 1] - low);
        const near = a + fy * (b - a);
        if (planar) {
          out[o++] = near;
          continue;
        }
        p += sliceStep;
        low = source[p];
        const d = low + fx * (source[p + 1] - low);
        p -= rowStep;
        low = source[p];
        const c = low + fx * (source[p + 1] - low);
        out[o++] = near + (sz - iz) * (c + fy * (d - c) - near);
      }
    }
  }
}

/** A label map; every voxel has a class of the source, or 0. */
export function warpLabelElastic(
  source: LabelArray,
  from: Extent,
  m: PatchAffine,
  field: ElasticField,
  target: WarpTarget<Float32Array | Int32Array>,
  to: Extent,
  interpolation: "linear" | "nearest",
): void {
  const planar = from.depth === 1 && to.depth === 1;
  const at = interpolation === "nearest" ? nearestAt : likeliestAt;
  const rows = new ElasticRows(field, m, to);
  let o = target.offset;
  for (let z = 0; z < to.depth; z++) {
    for (let y = 0; y < to.height; y++) {
      rows.go(y, z);
      for (let x = 0; x < to.width; x++) {
        const sz = planar ? 0 : rows.z[x];
        target.data[o++] = isUniform(source, from, planar, rows.x[x], rows.y[x], sz)
          ? source[((sz | 0) * from.height + (rows.y[x] | 0)) * from.width + (rows.x[x] | 0)]
          : at(source, from, rows.x[x], rows.y[x], sz);
      }
    }
  }
}

/** Whether all neighbours lie inside and are of one class, as most are: then there is nothing to weigh. */
function isUniform(
  source: LabelArray,
  { depth, height, width }: Extent,
  planar: boolean,
  sx: number,
  sy: number,
  sz: number,
): boolean {
  if (!(sx >= 0 && sx < width - 1 && sy >= 0 && sy < height - 1 && sz >= 0 && (planar || sz < depth - 1))) return false;
  const p = ((sz | 0) * height + (sy | 0)) * width + (sx | 0);
  const q = p + (planar ? 0 : width * height);
  const label = source[p];
  return (
    label === source[p + 1] &&
    label === source[p + width] &&
    label === source[p + width + 1] &&
    label === source[q] &&
    label === source[q + 1] &&
    label === source[q + width] &&
    label === source[q + width + 1]
  );
}
