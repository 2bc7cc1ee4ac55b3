/**
 * A picture with boxes, made ready for a detector: resized by torchvision's rule, and in training scaled, cropped,
 * mirrored and recoloured, its boxes following exactly. The same picture, settings and random stream give the same bits.
 */
import { flipBoxes, scaleBoxes, translateBoxes } from "../../boxes/index.ts";
import { ConfigError } from "../../errors.ts";
import {
  fittedSize,
  type Image2d,
  imageNetStatistics,
  normalizePlanar,
  type PlanarImage,
  resizeBilinear,
  toPlanar,
} from "../../images/index.ts";
import type { Random } from "../../random.ts";
import type { Range } from "../augmentation.ts";
import { keepCentres } from "./boxes.ts";
import { type ColorJitter, jitterColor } from "./color.ts";

/** Plain JSON. An absent entry means "never". */
export interface PictureAugmentation {
  /** Mirroring; each axis with the probability on its own. */
  readonly flip?: { readonly probability: number; readonly axes: readonly ("x" | "y")[] };
  /** Size relative to the fitted one; what then exceeds the canvas is cropped at a random place. */
  readonly scale?: { readonly probability: number; readonly factor: Range };
  readonly color?: ColorJitter & { readonly probability: number };
}

/** `flip`: as in the paper and in torchvision. `slide`: for microscopy, which has no up and down, and stains that vary. */
export const pictureAugmentations: Readonly<Record<"none" | "flip" | "slide", PictureAugmentation>> = {
  none: {},
  flip: { flip: { probability: 0.5, axes: ["x"] } },
  slide: {
    flip: { probability: 0.5, axes: ["x", "y"] },
    scale: { probability: 0.7, factor: [0.8, 1.25] },
    color: { probability: 0.8, brightness: 0.2, contrast: 0.2, saturation: 0.2, hue: 0.02 },
  },
};

/** How pictures come to a network's input. Plain JSON. */
export interface PicturePreparation {
  /** See `fittedSize`; 800 and 1333 in torchvision, 600 and 1000 in the paper. */
  readonly shortSide: number;
  readonly longSide: number;
  /** 1: luma. */
  readonly channels: 1 | 3;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** torchvision's settings. */
export const torchvisionPreparation: PicturePreparation = {
  shortSide: 800,
  longSide: 1333,
  channels: 3,
  ...imageNetStatistics,
};

export interface PreparedPicture {
  /** Normalised, `[C, H, W]`. */
  readonly image: PlanarImage;
  /** In its pixels. */
  readonly boxes: Float64Array;
  /** Which of the given boxes they are. */
  readonly kept: Int32Array;
  /** New pixels per old pixel along x and y. */
  readonly scale: readonly [number, number];
}

/** As in evaluation and prediction: nothing is drawn, no box is lost. */
export function preparePicture(
  picture: Image2d,
  boxes: Float64Array,
  preparation: PicturePreparation,
): PreparedPicture {
  const { width, height } = fittedSize(picture.width, picture.height, preparation.shortSide, preparation.longSide);
  const image = resizeBilinear(toPlanar(picture, preparation.channels), width, height);
  normalizePlanar(image, preparation);
  const scale = [width / picture.width, height / picture.height] as const;
  const kept = Int32Array.from({ length: boxes.length / 4 }, (_, i) => i);
  return { image, boxes: scaleBoxes(boxes, scale, 2), kept, scale };
}

/**
 * As in training.
 * @param canvas width and height that the result may have at most
 */
export function augmentPicture(
  picture: Image2d,
  boxes: Float64Array,
  preparation: PicturePreparation,
  augmentation: PictureAugmentation,
  canvas: readonly [width: number, height: number],
  random: Random,
): PreparedPicture {
  const { flip, scale, color } = augmentation;
  const fitted = fittedSize(picture.width, picture.height, preparation.shortSide, preparation.longSide);
  const hit = (entry: { readonly probability: number } | undefined): boolean =>
    entry !== undefined && random.uniform() < entry.probability;
  const factor = scale && hit(scale) ? random.between(...scale.factor) : 1;
  if (!(factor > 0)) throw new ConfigError(`augmentation.scale.factor: ${factor} must be above 0`);
  const size = [fitted.width, fitted.height].map((n) => Math.max(1, Math.round(n * factor)));
  const crop = size.map((n, axis) => Math.min(n, canvas[axis]));
  const offset = size.map((n, axis) => random.integer(n - crop[axis] + 1));
  const image = cropPlanar(resizeBilinear(toPlanar(picture, preparation.channels), size[0], size[1]), offset, crop);

  const ratio = [size[0] / picture.width, size[1] / picture.height] as const;
  const moved = translateBoxes(
    scaleBoxes(boxes, ratio, 2),
    offset.map((n) => -n),
    2,
  );
  let { boxes: own, kept } = keepCentres(moved, crop, 2);
  for (const [axis, name] of (["x", "y"] as const).entries()) {
    if (!flip?.axes.includes(name) || !(random.uniform() < flip.probability)) continue;
    mirror(image, axis);
    own = flipBoxes(own, axis, crop[axis], 2);
  }
  if (color && hit(color)) jitterColor(image, color, random);
  normalizePlanar(image, preparation);
  return { image, boxes: own, kept, scale: ratio };
}

/** A new picture, so that what follows may change it. */
function cropPlanar(
  image: PlanarImage,
  [left, top]: readonly number[],
  [width, height]: readonly number[],
): PlanarImage {
  const out = new Float32Array(image.channels * width * height);
  for (let row = 0; row < image.channels * height; row++) {
    const [c, y] = [Math.floor(row / height), row % height];
    const from = (c * image.height + top + y) * image.width + left;
    out.set(image.data.subarray(from, from + width), row * width);
  }
  return { width, height, channels: image.channels, data: out };
}

function mirror({ data, width, height, channels }: PlanarImage, axis: number): void {
  for (let row = 0; row < channels * height; row++) {
    const own = data.subarray(row * width, (row + 1) * width);
    if (axis === 0) own.reverse();
    else {
      const [c, y] = [Math.floor(row / height), row % height];
      if (y >= height - 1 - y) continue;
      const twin = data.subarray((c * height + height - 1 - y) * width, (c * height + height - y) * width);
      const copy = own.slice();
      own.set(twin);
      twin.set(copy);
    }
  }
}
