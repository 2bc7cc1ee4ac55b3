/**
 * Anchors: boxes of fixed sizes and shapes at every cell of a feature map (Faster R-CNN §3.1.1). The number of spatial axes
 * comes from the specification, so 2D and 3D are one implementation.
 *
 * L levels · A anchors a cell · boxes are corners x y (z), half-open, in voxels of the network's input
 */
import type { Axes } from "../../boxes/index.ts";
import { ConfigError } from "../../errors.ts";

/**
 * How an anchor's sides are rounded and where it lies in its cell.
 * - `paper`: py-faster-rcnn's. Sides of the smallest anchor (as wide as the stride) are rounded, then multiplied; the middle
 *   is the middle of the cell.
 * - `torchvision`: corners rounded to whole voxels around the cell's first corner.
 * - `exact`: no rounding, around the middle of the cell.
 */
export type AnchorStyle = "paper" | "torchvision" | "exact";

export interface AnchorSpec {
  readonly axes: Axes;
  readonly style: AnchorStyle;
  /** Per level, sides of the square (in 3D: of the square in plane), in voxels of the input. */
  readonly sizes: readonly (readonly number[])[];
  /** Height over width, at the same area. */
  readonly ratios: readonly number[];
  /** 3D only: depth over the side of the square. */
  readonly depthRatios?: readonly number[];
}

/** How many anchors a cell of `level` has. */
export function anchorsPerCell({ axes, sizes, ratios, depthRatios = [1] }: AnchorSpec, level: number): number {
  return sizes[level].length * ratios.length * (axes === 3 ? depthRatios.length : 1);
}

/** Half to even, as NumPy and PyTorch round. */
function roundEven(value: number): number {
  const low = Math.floor(value);
  const rest = value - low;
  return rest < 0.5 || (rest === 0.5 && low % 2 === 0) ? low : low + 1;
}

/**
 * The anchors of one cell, [A, 2·axes], relative to the cell's first corner: by depth ratio, then ratio, then size, the size
 * running fastest.
 * @param stride voxels of the input per cell, x y (z)
 */
export function baseAnchors(spec: AnchorSpec, level: number, stride: readonly number[]): Float32Array {
  const { axes, style, sizes, ratios, depthRatios = [1] } = spec;
  if (level < 0 || level >= sizes.length)
    throw new ConfigError(`anchors: level ${level}; sizes are given for ${sizes.length} levels`);
  const out = new Float32Array(anchorsPerCell(spec, level) * 2 * axes);
  let at = 0;
  for (const depthRatio of axes === 3 ? depthRatios : [1]) {
    for (const ratio of ratios) {
      for (const size of sizes[level]) {
        const sides = sidesOf(style, size, ratio, depthRatio, stride[0]);
        for (let axis = 0; axis < axes; axis++) {
          const half = sides[axis] / 2;
          const middle = style === "torchvision" ? 0 : stride[axis] / 2;
          out[at + axis] = style === "torchvision" ? roundEven(-half) : middle - half;
          out[at + axes + axis] = style === "torchvision" ? roundEven(half) : middle + half;
        }
        at += 2 * axes;
      }
    }
  }
  return out;
}

/** Width, height, depth. */
function sidesOf(style: AnchorStyle, size: number, ratio: number, depthRatio: number, base: number): number[] {
  if (style !== "paper") {
    const root = Math.sqrt(ratio);
    return [size / root, size * root, size * depthRatio];
  }
  const width = roundEven(base / Math.sqrt(ratio));
  return [width, roundEven(width * ratio), roundEven(base * depthRatio)].map((side) => (side * size) / base);
}

/**
 * All anchors of one level, [cells·A, 2·axes]: cells in the order of the feature map (x fastest), a cell's anchors together.
 * @param grid cells of the map, x y (z)
 * @param stride voxels per cell, x y (z)
 */
export function levelAnchors(
  spec: AnchorSpec,
  level: number,
  grid: readonly number[],
  stride: readonly number[],
): Float32Array {
  const { axes } = spec;
  const base = baseAnchors(spec, level, stride);
  const [width, height, depth = 1] = grid;
  const out = new Float32Array(base.length * width * height * depth);
  let at = 0;
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const corner = [x * stride[0], y * stride[1], z * (stride[2] ?? 0)];
        for (let i = 0; i < base.length; i++, at++) out[at] = base[i] + corner[i % axes];
      }
    }
  }
  return out;
}

export interface AnchorSet {
  readonly axes: Axes;
  /** [R, 2·axes], level after level. */
  readonly boxes: Float32Array;
  /** How many anchors each level has. */
  readonly counts: readonly number[];
}

/**
 * The anchors of all levels of an image.
 * @param size of the padded image the network gets, x y (z)
 * @param grids per level, cells x y (z); strides follow as ⌊size / cells⌋
 */
export function anchorsOf(spec: AnchorSpec, size: readonly number[], grids: readonly (readonly number[])[]): AnchorSet {
  if (grids.length !== spec.sizes.length)
    throw new ConfigError(`anchors: sizes for ${spec.sizes.length} levels, the backbone has ${grids.length}`);
  const levels = grids.map((grid, level) =>
    levelAnchors(
      spec,
      level,
      grid,
      grid.map((cells, axis) => Math.floor(size[axis] / cells)),
    ),
  );
  const boxes = new Float32Array(levels.reduce((sum, level) => sum + level.length, 0));
  let at = 0;
  for (const level of levels) {
    boxes.set(level, at);
    at += level.length;
  }
  return { axes: spec.axes, boxes, counts: levels.map((level) => level.length / (2 * spec.axes)) };
}

/** 1 for anchors that lie in the image (paper §3.1.3: others are left out of training), 0 for those that cross its edge. */
export function anchorsInside({ axes, boxes }: Pick<AnchorSet, "axes" | "boxes">, size: readonly number[]): Uint8Array {
  const out = new Uint8Array(boxes.length / (2 * axes)).fill(1);
  for (let i = 0, at = 0; i < out.length; i++, at += 2 * axes) {
    for (let axis = 0; axis < axes; axis++) {
      if (boxes[at + axis] < 0 || boxes[at + axes + axis] > size[axis]) out[i] = 0;
    }
  }
  return out;
}
