/** What a caller has in memory, as the network takes it: pictures, volumes or plain arrays; boxes as numbers or lists of numbers. */
import { type Axes, boxProblem, formatBox } from "../../boxes/index.ts";
import { ConfigError, DataError, ShapeError } from "../../errors.ts";
import { type Image2d, toPlanar } from "../../images/index.ts";
import type { Volume } from "../../volume/index.ts";
import { labelOf } from "../network/columns.ts";
import type { DetectorConfig } from "../network/config.ts";
import { type DetectorImage, imageName } from "../network/input.ts";
import type { Truth } from "../parts/targets.ts";

/** A picture as `readImage2d` gives it, a volume as `readVolume` does, or `{ data, size }` in the units that the network takes. */
export type ImageInput = DetectorImage | Image2d | Volume;

/** Boxes in pixels or voxels of the image as given: one flat array `x1 y1 (z1) x2 y2 (z2) …`, or a list of such boxes. */
export type BoxList = readonly number[] | readonly (readonly number[])[] | Float32Array | Float64Array;

/** What there is to be found in an image: the fields of the metrics' `TrueBoxes`, so one object serves training and scores. */
export interface ImageTruth {
  /** Low corner and high corner of each box, half-open, in pixels or voxels of the image as given. */
  readonly boxes: BoxList;
  /** For each box its class, a place in the detector's `classes`: from 0, the background is none. */
  readonly labels: ArrayLike<number>;
  /** For each box, 1 where it is too difficult to be asked for: it is neither object nor background. */
  readonly difficult?: ArrayLike<number>;
  /** For each box, 1 where it holds a crowd of objects: it is neither object nor background. */
  readonly crowd?: ArrayLike<number>;
}

/** An image in memory as arrays. @throws ConfigError for a volume where pictures are wanted, and the reverse */
export function asDetectorImage(image: ImageInput, index: number, { axes, channels }: DetectorConfig): DetectorImage {
  const isPicture = "width" in image;
  const given = isPicture ? 2 : image.size.length;
  const name = "id" in image ? image.id : "name" in image ? image.name : undefined;
  if (given !== axes)
    throw new ConfigError(
      `detector: ${imageName({ id: name }, index)}: is ${given}D; the detector takes ${axes === 2 ? "pictures" : "volumes"}`,
    );
  if (isPicture) {
    const { data, width, height } = toPlanar(image, channels === 1 ? 1 : 3);
    return { data, size: [width, height], id: name };
  }
  const { data, size } = image;
  return { data: data instanceof Float32Array ? data : Float32Array.from(data as ArrayLike<number>), size, id: name };
}

/**
 * Ground truth as the training takes it, still in pixels of the images.
 * @param images as many as there are, or more: the last ones have no objects then
 * @throws ShapeError where lists do not belong together; DataError naming image and box for a box or label that cannot be
 */
export function checkedBoxes(
  truth: readonly ImageTruth[],
  images: readonly DetectorImage[],
  { axes, classes }: DetectorConfig,
): Truth[] {
  if (truth.length > images.length)
    throw new ShapeError(`truth: of ${truth.length} images, and ${images.length} are given`);
  return images.map((image, n) => {
    const own = truth[n];
    if (own === undefined) return { boxes: new Float32Array(0), labels: new Int32Array(0) };
    const place = image.id === undefined ? `truth[${n}]` : `truth[${n}] (${image.id})`;
    const boxes = flatBoxes(own.boxes, axes, place);
    const count = boxes.length / (2 * axes);
    for (const key of ["labels", "difficult", "crowd"] as const)
      if (own[key] !== undefined && own[key].length !== count)
        throw new ShapeError(`${place}: ${own[key].length} ${key} for ${count} boxes`);
    const rows = Array.from({ length: count }, (_, i) => i);
    const last = labelOf(classes - 1);
    for (const i of rows) {
      const wrong = boxProblem(boxes, i, axes, image.size);
      if (wrong === "not finite" || wrong === "inverted")
        throw new DataError(`${place}: box ${i}: ${formatBox(boxes, i, axes)} is ${wrong}`);
      if (wrong === "outside")
        throw new DataError(
          `${place}: box ${i}: ${formatBox(boxes, i, axes)} lies outside the image of ${image.size.join("×")}`,
        );
      const label = own.labels[i];
      if (!(Number.isInteger(label) && label >= 0 && label <= last))
        throw new DataError(`${place}: box ${i}: label ${label}; classes are 0 to ${last}, the background is none`);
    }
    const crowds = rows.filter((i) => own.crowd?.[i]);
    const difficult = rows.filter((i) => own.difficult?.[i] && !own.crowd?.[i]);
    const objects = rows.filter((i) => !own.difficult?.[i] && !own.crowd?.[i]);
    const boxesOf = (some: readonly number[]): Float32Array =>
      Float32Array.from(some.flatMap((i) => [...boxes.subarray(2 * axes * i, 2 * axes * (i + 1))]));
    return {
      boxes: boxesOf(objects),
      labels: Int32Array.from(objects, (i) => own.labels[i]),
      difficult: boxesOf(difficult),
      crowds: boxesOf(crowds),
    };
  });
}

/** One flat array, whichever form the boxes have. @throws ShapeError naming the box */
function flatBoxes(boxes: BoxList, axes: Axes, place: string): Float64Array {
  const width = 2 * axes;
  const corners = axes === 2 ? "x1 y1 x2 y2" : "x1 y1 z1 x2 y2 z2";
  if (Array.isArray(boxes) && boxes.some((box) => typeof box !== "number")) {
    for (const [i, box] of (boxes as readonly (readonly number[])[]).entries())
      if (box?.length !== width)
        throw new ShapeError(
          `${place}: box ${i}: has ${box?.length ?? 0} numbers; a ${axes}D box has ${width}: ${corners}`,
        );
    return Float64Array.from((boxes as readonly (readonly number[])[]).flat());
  }
  if (boxes.length % width !== 0)
    throw new ShapeError(`${place}: boxes: ${boxes.length} numbers; a ${axes}D box has ${width}: ${corners}`);
  return Float64Array.from(boxes as ArrayLike<number>);
}
