/**
 * Arithmetic of boxes, the same for 2D and 3D: areas, overlaps, clipping, flips, scaling, quarter turns, soundness.
 *
 * A list of R boxes is one flat array `[R, 2·axes]`: `x1 y1 (z1) x2 y2 (z2)`, all low corners of a box before its high
 * ones. Corners are continuous and half-open, in voxels (pixels) of the grid at hand: voxel i covers `[i, i+1)`, so a
 * box that holds exactly voxels a … b along an axis is `[a, b+1)` there and its side is `b+1−a`, with no "+1" anywhere.
 * Sizes and factors are listed x, y, (z), as a volume's `size`.
 *
 * R boxes of one list · A, B boxes of two lists · axes 2 or 3
 */
import { ShapeError } from "../errors.ts";

/** Number of spatial axes. */
export type Axes = 2 | 3;

/** `[R, 2·axes]` numbers; 32-bit at the network's side, 64-bit where annotations and scores need it. */
export type BoxArray = Float32Array | Float64Array;

/** How many boxes the array holds. Throws `ShapeError` where its length is no multiple of `2·axes`. */
export function boxCount(boxes: BoxArray, axes: Axes): number {
  const count = boxes.length / (2 * axes);
  if (!Number.isInteger(count)) {
    throw new ShapeError(
      `boxes: ${boxes.length} numbers are no whole number of boxes, a ${axes}D box has ${2 * axes} corners`,
    );
  }
  return count;
}

/** Side `axis` of box `index`, 0 where its corners are inverted or not numbers. */
export function boxSide(boxes: BoxArray, index: number, axis: number, axes: Axes): number {
  const at = 2 * axes * index + axis;
  const side = boxes[at + axes] - boxes[at];
  return side > 0 ? side : 0;
}

/** Area of one box (volume in 3D), in the pixels or voxels of its corners; 0 where it is inverted. */
export function areaOf(boxes: BoxArray, index: number, axes: Axes): number {
  let area = 1;
  for (let axis = 0; axis < axes; axis++) area *= boxSide(boxes, index, axis, axes);
  return area;
}

/** Areas (3D: volumes) of all boxes, `[R]`. Inverted boxes have none. */
export function boxArea(boxes: BoxArray, axes: Axes): Float32Array {
  return Float32Array.from({ length: boxCount(boxes, axes) }, (_, index) => areaOf(boxes, index, axes));
}

/** Area shared by box `i` of `a` and box `j` of `b`; 0 where they only touch. */
export function intersectionOf(a: BoxArray, i: number, b: BoxArray, j: number, axes: Axes): number {
  const p = 2 * axes * i;
  const q = 2 * axes * j;
  let area = 1;
  for (let axis = 0; axis < axes; axis++) {
    const side = Math.min(a[p + axes + axis], b[q + axes + axis]) - Math.max(a[p + axis], b[q + axis]);
    // Written so that NaN counts as apart.
    if (!(side > 0)) return 0;
    area *= side;
  }
  return area;
}

/** Intersection over union of two boxes, in 64 bits; 0 where both are empty. */
export function iouOf(a: BoxArray, i: number, b: BoxArray, j: number, axes: Axes): number {
  const shared = intersectionOf(a, i, b, j, axes);
  return shared > 0 ? shared / (areaOf(a, i, axes) + areaOf(b, j, axes) - shared) : 0;
}

/** Intersection over union of every box of `a` with every box of `b`: `[A·B]`, row by row of `a`, each in 0 … 1. */
export function pairwiseIou(a: BoxArray, b: BoxArray, axes: Axes): Float32Array {
  const columns = boxCount(b, axes);
  const out = new Float32Array(boxCount(a, axes) * columns);
  const areasB = Float64Array.from({ length: columns }, (_, j) => areaOf(b, j, axes));
  for (let at = 0, i = 0; at < out.length; i++) {
    const areaA = areaOf(a, i, axes);
    for (let j = 0; j < columns; j++, at++) {
      const shared = intersectionOf(a, i, b, j, axes);
      if (shared > 0) out[at] = shared / (areaA + areasB[j] - shared);
    }
  }
  return out;
}

/**
 * Generalised IoU (Rezatofighi et al. 2019): IoU less the share of the smallest box around both that neither covers;
 * −1 … 1, above 0 only where they overlap well. `[A·B]`, row by row of `a`.
 */
export function pairwiseGeneralizedIou(a: BoxArray, b: BoxArray, axes: Axes): Float32Array {
  const columns = boxCount(b, axes);
  const out = new Float32Array(boxCount(a, axes) * columns);
  for (let at = 0, i = 0; at < out.length; i++) {
    for (let j = 0; j < columns; j++, at++) {
      const shared = intersectionOf(a, i, b, j, axes);
      const union = areaOf(a, i, axes) + areaOf(b, j, axes) - shared;
      let hull = 1;
      for (let axis = 0; axis < axes; axis++) {
        const [p, q] = [2 * axes * i + axis, 2 * axes * j + axis];
        hull *= Math.max(a[p + axes], b[q + axes]) - Math.min(a[p], b[q]);
      }
      out[at] = hull > 0 && union > 0 ? shared / union - (hull - union) / hull : 0;
    }
  }
  return out;
}

/** The smallest box around all boxes, `[2·axes]`; `undefined` for an empty list. */
export function boundingBoxOf(boxes: BoxArray, axes: Axes): Float64Array | undefined {
  const count = boxCount(boxes, axes);
  if (count === 0) return undefined;
  const out = Float64Array.from(boxes.subarray(0, 2 * axes));
  for (let at = 2 * axes; at < boxes.length; at++) {
    const place = at % (2 * axes);
    out[place] = place < axes ? Math.min(out[place], boxes[at]) : Math.max(out[place], boxes[at]);
  }
  return out;
}

/** Boxes cut to the image `[0, size]`. One that lies outside becomes empty at the edge: see {@link boxProblem}. */
export function clipBoxes<T extends BoxArray>(boxes: T, size: readonly number[], axes: Axes): T {
  checkVector("clipBoxes", "size", size, axes);
  return mapCorners(boxes, axes, (value, axis) => Math.min(Math.max(value, 0), size[axis]));
}

/** Boxes moved by `offset` (x, y, (z)). */
export function translateBoxes<T extends BoxArray>(boxes: T, offset: readonly number[], axes: Axes): T {
  checkVector("translateBoxes", "offset", offset, axes);
  return mapCorners(boxes, axes, (value, axis) => value + offset[axis]);
}

/** Boxes of an image whose sides were multiplied by `factors` (x, y, (z)), each above 0. */
export function scaleBoxes<T extends BoxArray>(boxes: T, factors: readonly number[], axes: Axes): T {
  checkVector("scaleBoxes", "factors", factors, axes);
  if (!factors.every((factor) => factor > 0)) {
    throw new ShapeError(`scaleBoxes: factors ${factors.join(", ")}, each must be above 0`);
  }
  return mapCorners(boxes, axes, (value, axis) => value * factors[axis]);
}

/** Boxes of the image mirrored along `axis` (0 x, 1 y, 2 z), whose side there is `length`: low and high corner change. */
export function flipBoxes<T extends BoxArray>(boxes: T, axis: number, length: number, axes: Axes): T {
  boxCount(boxes, axes);
  if (!(axis >= 0 && axis < axes)) throw new ShapeError(`flipBoxes: axis ${axis}, a ${axes}D box has 0 to ${axes - 1}`);
  const out = boxes.slice() as T;
  for (let at = axis; at < boxes.length; at += 2 * axes) {
    out[at] = length - boxes[at + axes];
    out[at + axes] = length - boxes[at];
  }
  return out;
}

/**
 * Boxes of the image after `turns` quarter turns about z, each from +x towards +y: (x, y) goes to (height − y, x), and
 * width and height change places. `turns` may be negative; `size` is the size before.
 */
export function quarterTurnBoxes<T extends BoxArray>(
  boxes: T,
  turns: number,
  size: readonly number[],
  axes: Axes,
): { boxes: T; size: number[] } {
  checkVector("quarterTurnBoxes", "size", size, axes);
  boxCount(boxes, axes);
  if (!Number.isInteger(turns)) throw new ShapeError(`quarterTurnBoxes: ${turns} turns, must be a whole number`);
  const out = boxes.slice() as T;
  const turned = [...size];
  for (let turn = ((turns % 4) + 4) % 4; turn > 0; turn--) {
    for (let at = 0; at < out.length; at += 2 * axes) {
      const [x1, y1, x2, y2] = [out[at], out[at + 1], out[at + axes], out[at + axes + 1]];
      out[at] = turned[1] - y2;
      out[at + axes] = turned[1] - y1;
      out[at + 1] = x1;
      out[at + axes + 1] = x2;
    }
    [turned[0], turned[1]] = [turned[1], turned[0]];
  }
  return { boxes: out, size: turned };
}

/** The boxes with these indices, in their order. */
export function takeBoxes<T extends BoxArray>(boxes: T, indices: ArrayLike<number>, axes: Axes): T {
  const out = new (boxes.constructor as new (length: number) => T)(indices.length * 2 * axes);
  for (let i = 0; i < indices.length; i++) {
    out.set(boxes.subarray(2 * axes * indices[i], 2 * axes * (indices[i] + 1)), 2 * axes * i);
  }
  return out;
}

/** What can be wrong with a box. `outside` and `beyond` need the image's size. */
export type BoxProblem = "not finite" | "inverted" | "degenerate" | "outside" | "beyond";

/**
 * What is wrong with box `index`, the gravest first, or `undefined`: a corner that is NaN or infinite; high corner
 * below low; a side of no length (log of it is −∞, the usual cause of NaN losses); wholly outside the image; partly
 * beyond it by more than `tolerance`.
 */
export function boxProblem(
  boxes: BoxArray,
  index: number,
  axes: Axes,
  size?: readonly number[],
  tolerance = 0,
): BoxProblem | undefined {
  const low = boxes.subarray(2 * axes * index, 2 * axes * index + axes);
  const high = boxes.subarray(2 * axes * index + axes, 2 * axes * (index + 1));
  const some = (test: (low: number, high: number, length: number) => boolean): boolean =>
    low.some((value, axis) => test(value, high[axis], size?.[axis] ?? Number.POSITIVE_INFINITY));
  if (some((a, b) => !Number.isFinite(a) || !Number.isFinite(b))) return "not finite";
  if (some((a, b) => b < a)) return "inverted";
  if (some((a, b) => a === b)) return "degenerate";
  if (size === undefined) return undefined;
  if (some((a, b, length) => b <= 0 || a >= length)) return "outside";
  return some((a, b, length) => a < -tolerance || b > length + tolerance) ? "beyond" : undefined;
}

/** Whether every side of box `index` is finite and longer than `minimum`. */
export function isSound(boxes: BoxArray, index: number, axes: Axes, minimum = 0): boolean {
  for (let axis = 0; axis < axes; axis++) {
    const at = 2 * axes * index + axis;
    if (!(boxes[at + axes] - boxes[at] > minimum) || !Number.isFinite(boxes[at + axes] - boxes[at])) return false;
  }
  return true;
}

/** `12,30–45.5,60`, as messages show a box: low corner, en dash, high corner. */
export function formatBox(boxes: BoxArray, index: number, axes: Axes): string {
  const text = [...boxes.subarray(2 * axes * index, 2 * axes * (index + 1))].map((value) => String(+value.toFixed(2)));
  return `${text.slice(0, axes).join(",")}–${text.slice(axes).join(",")}`;
}

function mapCorners<T extends BoxArray>(boxes: T, axes: Axes, change: (value: number, axis: number) => number): T {
  boxCount(boxes, axes);
  return boxes.map((value, at) => change(value, at % axes)) as T;
}

function checkVector(name: string, what: string, vector: readonly number[], axes: Axes): void {
  if (vector.length !== axes) {
    throw new ShapeError(`${name}: ${what} has ${vector.length} numbers, ${axes}D boxes need ${axes}`);
  }
}
