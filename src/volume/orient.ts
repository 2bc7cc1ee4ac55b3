/**
 * Voxel axes in another order and direction: exact copies, no interpolation. World positions stay where they are,
 * only the affine is written differently. The way back is {@link restoreToGrid}, which restores the affine bit for bit.
 */
import { GeometryError } from "../errors.ts";
import { axisOrientation, shiftAffine } from "./affine.ts";
import { type Grid, mapAxes, type Vec3, type Volume, type VoxelArray } from "./types.ts";
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

/**
 * A volume's voxels read along other axes, without moving them: voxel (x, y, z) of channel c is
 * `data[origin + c·perChannel + x·step[0] + y·step[1] + z·step[2]]`.
 */
export interface VolumeView<T extends VoxelArray = VoxelArray> extends Grid {
  readonly data: T;
  readonly channels: number;
  readonly perChannel: number;
  readonly origin: number;
  readonly step: Vec3;
}

/** A volume as it lies in memory. */
export function viewOf<T extends VoxelArray>({ data, size, channels, affine }: Volume<T>): VolumeView<T> {
  const perChannel = size[0] * size[1] * size[2];
  return { data, size, channels, affine, perChannel, origin: 0, step: [1, size[0], size[0] * size[1]] };
}

/** A view with its axes in another order; the affine follows. */
export function orderView<T extends VoxelArray>(view: VolumeView<T>, { from, flip }: AxisOrder): VolumeView<T> {
  if (from.every((axis, a) => axis === a) && !flip.includes(true)) return view;
  const { size, step, affine } = view;
  const first: [number, number, number] = [0, 0, 0];
  from.forEach((axis, a) => {
    if (flip[a]) first[axis] = size[axis] - 1;
  });
  const turned = [...shiftAffine(affine, first)];
  for (let row = 0; row < 3; row++) {
    for (let a = 0; a < 3; a++) {
      const value = affine[4 * row + from[a]];
      turned[4 * row + a] = flip[a] && value !== 0 ? -value : value;
    }
  }
  return {
    ...view,
    size: mapAxes(from, (axis) => size[axis]),
    step: mapAxes(from, (axis, a) => (flip[a] ? -step[axis] : step[axis])),
    origin: view.origin + first.reduce((sum, n, axis) => sum + n * step[axis], 0),
    affine: turned,
  };
}

/** Copies the voxels into another order of axes; the affine follows. */
export function orderAxes<T extends VoxelArray>(volume: Volume<T>, order: AxisOrder): Volume<T> {
  const whole = viewOf(volume);
  const view = orderView(whole, order);
  if (view === whole) return volume;
  checkVolume(volume);
  const { data, size, step, affine } = view;
  const out = emptyLike(data);
  let at = 0;
  for (let c = 0; c < volume.channels; c++) {
    for (let z = 0; z < size[2]; z++) {
      for (let y = 0; y < size[1]; y++) {
        let source = view.origin + c * view.perChannel + z * step[2] + y * step[1];
        for (let x = 0; x < size[0]; x++, source += step[0]) out[at++] = data[source];
      }
    }
  }
  return { ...stripHeader(volume), data: out, size, affine };
}

/** A volume without extra properties (a file's header no longer describes a changed grid). */
export function stripHeader<T extends VoxelArray>({ data, size, channels, affine, name }: Volume<T>): Volume<T> {
  return name === undefined ? { data, size, channels, affine } : { data, size, channels, affine, name };
}
