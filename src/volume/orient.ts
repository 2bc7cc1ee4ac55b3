/**
 * Voxel axes in another order and direction: exact copies, no interpolation. World positions stay where they are,
 * only the affine is written differently. The way back is {@link restoreToGrid}, which restores the affine bit for bit.
 */
import { GeometryError } from "../errors.ts";
import { axisOrientation, shiftAffine } from "./affine.ts";
import type { Vec3, Volume, VoxelArray } from "./types.ts";
import { checkVolume, emptyLike } from "./voxels.ts";

/** Output axis `a` is input axis `from[a]`, run backwards where `flip[a]`. */
export interface AxisOrder {
  readonly from: readonly [number, number, number];
  readonly flip: readonly [boolean, boolean, boolean];
}

/** The same image with its axes along `code`, for example `"RAS"`, `"LPS"` or `"SPL"`; the volume itself if it is so. */
export function reorient<T extends VoxelArray>(volume: Volume<T>, code = "RAS"): Volume<T> {
  return orderAxes(volume, axisOrderTo(volume, code));
}

/** The order of axes that brings `volume` to orientation `code`. Throws `GeometryError` on a code that is none. */
export function axisOrderTo(volume: Pick<Volume, "affine">, code: string): AxisOrder {
  const wanted = [...code.toUpperCase()].map((letter) => {
    const [plus, minus] = ["RAS".indexOf(letter), "LPI".indexOf(letter)];
    return { axis: Math.max(plus, minus), sign: plus >= 0 ? 1 : -1 };
  });
  if (wanted.length !== 3 || new Set(wanted.map((w) => w.axis)).size !== 3 || wanted.some((w) => w.axis < 0)) {
    throw new GeometryError(`orientation "${code}": must be one letter each of L/R, P/A and I/S, for example RAS`);
  }
  const { axis, sign } = axisOrientation(volume.affine);
  const from = wanted.map((w) => axis.indexOf(w.axis)) as [number, number, number];
  const flip = wanted.map((w, a) => sign[from[a]] !== w.sign) as [boolean, boolean, boolean];
  return { from, flip };
}

/** Copies the voxels into another order of axes; the affine follows. */
export function orderAxes<T extends VoxelArray>(volume: Volume<T>, { from, flip }: AxisOrder): Volume<T> {
  if (from.every((axis, a) => axis === a) && !flip.includes(true)) return volume;
  checkVolume(volume);
  const { size, data, affine } = volume;
  const strides = [1, size[0], size[0] * size[1]];
  const outSize = from.map((axis) => size[axis]) as unknown as Vec3;
  const step = from.map((axis, a) => (flip[a] ? -strides[axis] : strides[axis]));
  const origin = from.reduce((sum, axis, a) => sum + (flip[a] ? (size[axis] - 1) * strides[axis] : 0), 0);
  const out = emptyLike(data);
  const perChannel = size[0] * size[1] * size[2];
  let at = 0;
  for (let c = 0; c < volume.channels; c++) {
    for (let z = 0; z < outSize[2]; z++) {
      for (let y = 0; y < outSize[1]; y++) {
        let source = c * perChannel + origin + z * step[2] + y * step[1];
        for (let x = 0; x < outSize[0]; x++, source += step[0]) out[at++] = data[source];
      }
    }
  }
  const first: [number, number, number] = [0, 0, 0];
  from.forEach((axis, a) => {
    if (flip[a]) first[axis] = size[axis] - 1;
  });
  const shifted = shiftAffine(affine, first);
  const turned = [...shifted];
  for (let row = 0; row < 3; row++) {
    for (let a = 0; a < 3; a++) {
      const value = affine[4 * row + from[a]];
      turned[4 * row + a] = flip[a] && value !== 0 ? -value : value;
    }
  }
  return { ...stripHeader(volume), data: out, size: outSize, affine: turned };
}

/** A volume without extra properties (a file's header no longer describes a changed grid). */
export function stripHeader<T extends VoxelArray>({ data, size, channels, affine, name }: Volume<T>): Volume<T> {
  return name === undefined ? { data, size, channels, affine } : { data, size, channels, affine, name };
}
