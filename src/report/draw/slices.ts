/**
 * Slices of a volume as a reader expects to see them: axial, coronal and sagittal whatever the order of the voxel axes,
 * upright, in radiological or neurological convention, with pixels as wide and high as the voxels are.
 *
 * Oblique volumes are shown along the voxel axes nearest to the body's (nothing is resampled before it is looked at).
 */
import { GeometryError, ShapeError } from "../../errors.ts";
import type { Vec3, Volume, VoxelArray } from "../../volume/index.ts";
import { axisOrientation, spacingOf } from "../../volume/index.ts";
import { eachAxis, mapAxes } from "../../volume/types.ts";
import type { Convention } from "../pages/input.ts";

export type Plane = "axial" | "coronal" | "sagittal";
/** The planes, in the order in which reports show them. */
export const planes: readonly Plane[] = ["axial", "coronal", "sagittal"];

/** How a plane lies in the array: which voxel axis runs to the right and which down, and whether backwards. */
export interface PlaneView {
  readonly plane: Plane;
  /** Voxel axis (0 x, 1 y, 2 z) to the right of the picture, downwards, and through it. */
  readonly axes: Vec3;
  readonly reversed: readonly [right: boolean, down: boolean];
  /** The directions of the patient at the left, right, top and bottom edge. */
  readonly edges: readonly [left: string, right: string, top: string, bottom: string];
}

/** World axes (0 R, 1 A, 2 S) to the right, upwards and through the picture. */
const world: Record<Plane, Vec3> = { axial: [0, 1, 2], coronal: [0, 2, 1], sagittal: [1, 2, 0] };

/** Which voxel axes of a volume with this affine show a plane, the way radiologists (or neurologists) look at it. */
export function planeView(affine: Volume["affine"], plane: Plane, convention: Convention = "radiological"): PlaneView {
  const { axis, sign } = axisOrientation(affine);
  const [right, up, through] = world[plane].map((w) => axis.indexOf(w));
  // Radiological: x runs to the patient's left. In a sagittal slice the face looks to the left in either convention.
  const towardsPositive = plane !== "sagittal" && convention === "neurological";
  const [positive, negative] = right === axis.indexOf(0) ? ["R", "L"] : ["A", "P"];
  return {
    plane,
    axes: [right, up, through],
    reversed: [sign[right] > 0 !== towardsPositive, sign[up] > 0],
    edges: [
      towardsPositive ? negative : positive,
      towardsPositive ? positive : negative,
      plane === "axial" ? "A" : "S",
      plane === "axial" ? "P" : "I",
    ],
  };
}

/** A box of voxels, both ends inside. */
export interface VoxelBox {
  readonly low: Vec3;
  readonly high: Vec3;
}

export interface Slice<T extends ArrayLike<number> = ArrayLike<number>> {
  readonly width: number;
  readonly height: number;
  /** Pixel pitch in mm, to the right and down. */
  readonly pitchMm: readonly [number, number];
  readonly values: T;
}

/**
 * Cuts the slice `index` (along the view's third axis) out of the first channel of a volume, turned as the view says.
 */
export function cutSlice(
  volume: Volume,
  view: PlaneView,
  index: number,
  box: VoxelBox = wholeBox(volume),
): Slice<Float32Array> {
  const { size, data } = volume;
  const [u, v, w] = view.axes;
  if (!Number.isInteger(index) || index < 0 || index >= size[w]) {
    throw new ShapeError(`${volume.name ?? "volume"}: no ${view.plane} slice ${index}; there are 0 to ${size[w] - 1}`);
  }
  const strides = [1, size[0], size[0] * size[1]];
  const width = box.high[u] - box.low[u] + 1;
  const height = box.high[v] - box.low[v] + 1;
  const values = new Float32Array(width * height);
  for (let row = 0, at = 0; row < height; row++) {
    const down = view.reversed[1] ? box.high[v] - row : box.low[v] + row;
    for (let column = 0; column < width; column++, at++) {
      const right = view.reversed[0] ? box.high[u] - column : box.low[u] + column;
      values[at] = Number(data[index * strides[w] + down * strides[v] + right * strides[u]]);
    }
  }
  const spacing = spacingOf(volume.affine);
  return { width, height, pitchMm: [spacing[u], spacing[v]], values };
}

export function wholeBox({ size }: { readonly size: Vec3 }): VoxelBox {
  return { low: [0, 0, 0], high: [size[0] - 1, size[1] - 1, size[2] - 1] };
}

/** Where foreground (anything but 0) is, in one or two label maps of one grid. */
export interface Foreground {
  /** Voxels per slice along x, y and z. */
  readonly perSlice: readonly [Uint32Array, Uint32Array, Uint32Array];
  /** Smallest box around it; `undefined` where there is none. */
  readonly box: VoxelBox | undefined;
}

export function findForeground(map: Volume): Foreground {
  const [nx, ny, nz] = map.size;
  const perSlice = [new Uint32Array(nx), new Uint32Array(ny), new Uint32Array(nz)] as const;
  const { data } = map;
  const zero = data instanceof BigInt64Array || data instanceof BigUint64Array ? 0n : 0;
  for (let z = 0, at = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      for (let x = 0; x < nx; x++, at++) {
        if (data[at] === zero) continue;
        perSlice[0][x]++;
        perSlice[1][y]++;
        perSlice[2][z]++;
      }
    }
  }
  if (perSlice[0].every((n) => n === 0)) return { perSlice, box: undefined };
  const low = eachAxis((axis) => perSlice[axis].findIndex((n) => n > 0));
  const high = eachAxis((axis) => perSlice[axis].findLastIndex((n) => n > 0));
  return { perSlice, box: { low, high } };
}

/**
 * The slice with the most foreground along a voxel axis; the middle one where there is none. Of equals the one nearest
 * to the middle.
 */
export function fullestSlice(foreground: Foreground, axis: number): number {
  const counts = foreground.perSlice[axis];
  const middle = (counts.length - 1) / 2;
  let best = Math.floor(middle);
  for (let i = 0; i < counts.length; i++) {
    const nearer = Math.abs(i - middle) < Math.abs(best - middle);
    if (counts[i] > counts[best] || (counts[i] === counts[best] && nearer)) best = i;
  }
  return best;
}

/**
 * What part of a volume to show: the foreground with a margin of 20 mm or three quarters of its own extent, whichever
 * is more, so that a small lesion is not a dot in a chest and a small crop is shown whole.
 */
export function boxToShow(volume: Volume, foregrounds: readonly Foreground[]): VoxelBox {
  const boxes = foregrounds.flatMap(({ box }) => (box ? [box] : []));
  if (boxes.length === 0) return wholeBox(volume);
  const spacing = spacingOf(volume.affine);
  const sides = eachAxis((a) => {
    const from = Math.min(...boxes.map((box) => box.low[a]));
    const to = Math.max(...boxes.map((box) => box.high[a]));
    const margin = Math.ceil(Math.max(20 / spacing[a], 0.75 * (to - from + 1)));
    return { low: Math.max(0, from - margin), high: Math.min(volume.size[a] - 1, to + margin) };
  });
  return { low: mapAxes(sides, ({ low }) => low), high: mapAxes(sides, ({ high }) => high) };
}

/**
 * Black and white for a picture: the 0.5th and 99.5th percentile of the finite values in the box (of at most about
 * 200,000 of them).
 */
export function windowOf(volume: Volume, box: VoxelBox = wholeBox(volume)): [low: number, high: number] {
  const [nx, ny] = volume.size;
  const total = [0, 1, 2].reduce((n, a) => n * (box.high[a] - box.low[a] + 1), 1);
  const step = Math.max(1, Math.floor(total / 200_000));
  const sample: number[] = [];
  let count = 0;
  for (let z = box.low[2]; z <= box.high[2]; z++) {
    for (let y = box.low[1]; y <= box.high[1]; y++) {
      for (let x = box.low[0]; x <= box.high[0]; x++) {
        if (count++ % step !== 0) continue;
        const value = Number(volume.data[x + nx * (y + ny * z)]);
        if (Number.isFinite(value)) sample.push(value);
      }
    }
  }
  if (sample.length === 0) return [0, 1];
  const ascending = Float64Array.from(sample).sort();
  const at = (share: number) => ascending[Math.round(share * (ascending.length - 1))];
  const [low, high] = [at(0.005), at(0.995)];
  return high > low ? [low, high] : [low, low + 1];
}

/** @throws GeometryError where a label map does not lie voxel for voxel on the image */
export function checkSameSize(image: Volume, map: Volume<VoxelArray>, what: string, name: string): void {
  if (map.size.some((n, a) => n !== image.size[a])) {
    throw new GeometryError(`${name}: ${what} is ${map.size.join("×")}, the image is ${image.size.join("×")}`);
  }
}
