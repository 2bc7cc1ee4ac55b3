/**
 * Boxes of voxels: find one, cut it out, pad to it. The affine follows, so every voxel stays where it was in the
 * world, and {@link restoreToGrid} brings a result back.
 */
import { DataError, GeometryError } from "../errors.ts";
import { shiftAffine } from "./affine.ts";
import { stripHeader } from "./orient.ts";
import { eachAxis, mapAxes, type Vec3, type Volume, type VoxelArray } from "./types.ts";
import { checkVolume, emptyLike, fitsVoxel, voxelTypeOf } from "./voxels.ts";

/** Whole voxels from `start` up to but not including `end`, along x, y, z; may reach beyond the volume. */
export interface VoxelBox {
  readonly start: Vec3;
  readonly end: Vec3;
}

/** Voxels along x, y, z. */
export function boxSize({ start, end }: VoxelBox): Vec3 {
  return [end[0] - start[0], end[1] - start[1], end[2] - start[2]];
}

/** The smallest box around all voxels, of any channel, that `isForeground` takes (default: above 0); none → undefined. */
export function foregroundBox(
  volume: Volume,
  isForeground: (value: number) => boolean = (value) => value > 0,
): VoxelBox | undefined {
  checkVolume(volume);
  const [nx, ny, nz] = volume.size;
  const { data } = volume;
  const start = [nx, ny, nz];
  const last = [-1, -1, -1];
  let at = 0;
  for (let c = 0; c < volume.channels; c++) {
    for (let z = 0; z < nz; z++) {
      for (let y = 0; y < ny; y++, at += nx) {
        let left = 0;
        while (left < nx && !isForeground(Number(data[at + left]))) left++;
        if (left === nx) continue;
        let right = nx - 1;
        while (!isForeground(Number(data[at + right]))) right--;
        start[0] = Math.min(start[0], left);
        last[0] = Math.max(last[0], right);
        start[1] = Math.min(start[1], y);
        last[1] = Math.max(last[1], y);
        start[2] = Math.min(start[2], z);
        last[2] = Math.max(last[2], z);
      }
    }
  }
  if (last[0] < 0) return undefined;
  return { start: eachAxis((a) => start[a]), end: eachAxis((a) => last[a] + 1) };
}

/** The box with `margin` more voxels on every side, cut to a volume of `within` where that is given. */
export function growBox({ start, end }: VoxelBox, margin: number | Vec3, within?: Vec3): VoxelBox {
  const by = typeof margin === "number" ? [margin, margin, margin] : margin;
  return {
    start: mapAxes(start, (n, a) => Math.max(n - by[a], within ? 0 : Number.NEGATIVE_INFINITY)),
    end: mapAxes(end, (n, a) => Math.min(n + by[a], within?.[a] ?? Number.POSITIVE_INFINITY)),
  };
}

/** The box of `size` voxels with the same centre (half a voxel towards the start where it cannot be exact). */
export function boxAround({ start, end }: VoxelBox, size: Vec3): VoxelBox {
  const from = mapAxes(size, (n, a) => Math.floor((start[a] + end[a] - n) / 2));
  return { start: from, end: mapAxes(from, (n, a) => n + size[a]) };
}

/** The box that is a whole volume of `size`. */
export function wholeBox(size: Vec3): VoxelBox {
  return { start: [0, 0, 0], end: size };
}

/**
 * The part of `volume` inside `box`; where the box reaches beyond the volume, `fill` (a value, or `edge` for the
 * nearest voxel). Cropping and padding are this one operation. Throws `GeometryError` on an empty or fractional box.
 */
export function cropOrPad<T extends VoxelArray>(
  volume: Volume<T>,
  box: VoxelBox,
  fill: number | "edge" = 0,
): Volume<T> {
  checkVolume(volume);
  const size = boxSize(box);
  if (![...box.start, ...size].every(Number.isSafeInteger) || size.some((n) => n < 1)) {
    throw new GeometryError(
      `${volume.name ?? "volume"}: box from ${box.start.join(",")} to ${box.end.join(",")} must hold whole voxels`,
    );
  }
  const { data } = volume;
  const type = voxelTypeOf(data);
  // Floats take the nearest value they have.
  if (fill !== "edge" && !type.startsWith("float") && !fitsVoxel(fill, type))
    throw new DataError(`${volume.name ?? "volume"}: value ${fill} to fill with does not fit ${type}`);
  const [nx, ny, nz] = volume.size;
  const out = emptyLike(data, size[0] * size[1] * size[2] * volume.channels);
  const wide = data instanceof BigInt64Array || data instanceof BigUint64Array;
  const constant = (wide ? BigInt(fill === "edge" ? 0 : fill) : fill === "edge" ? 0 : fill) as never;
  // The part of a target row that lies in the volume.
  const inside = Math.min(Math.max(-box.start[0], 0), size[0]);
  const insideEnd = Math.max(Math.min(nx - box.start[0], size[0]), inside);
  let at = 0;
  for (let c = 0; c < volume.channels; c++) {
    for (let k = 0; k < size[2]; k++) {
      for (let j = 0; j < size[1]; j++, at += size[0]) {
        const [y, z] = [clamp(box.start[1] + j, ny), clamp(box.start[2] + k, nz)];
        const beyond = y !== box.start[1] + j || z !== box.start[2] + k;
        if (fill !== "edge" && (beyond || inside === insideEnd)) {
          out.fill(constant, at, at + size[0]);
          continue;
        }
        const row = ((c * nz + z) * ny + y) * nx;
        const first = fill === "edge" ? (data[row + clamp(box.start[0], nx)] as never) : constant;
        const last = fill === "edge" ? (data[row + clamp(box.end[0] - 1, nx)] as never) : constant;
        out.fill(first, at, at + inside);
        for (let i = inside; i < insideEnd; i++) out[at + i] = data[row + box.start[0] + i];
        out.fill(last, at + insideEnd, at + size[0]);
      }
    }
  }
  return { ...stripHeader(volume), data: out, size, affine: shiftAffine(volume.affine, box.start) };
}

/** The volume with `before` and `after` more voxels along x, y, z. */
export function padVolume<T extends VoxelArray>(
  volume: Volume<T>,
  before: Vec3,
  after: Vec3,
  fill: number | "edge" = 0,
): Volume<T> {
  const start = mapAxes(before, (n) => (n === 0 ? 0 : -n));
  const end = mapAxes(volume.size, (n, a) => n + after[a]);
  return cropOrPad(volume, { start, end }, fill);
}

function clamp(index: number, size: number): number {
  return Math.min(Math.max(index, 0), size - 1);
}
