/**
 * Images as the network gets them: normalised, brought to size, padded, in one batch; torchvision's GeneralizedRCNNTransform in
 * 2D. Volumes keep their voxels.
 */
import { ShapeError } from "../../errors.ts";
import { fittedSize, normalizePlanar, resizeBilinear } from "../../images/index.ts";
import { type DetectorConfig, parseDetector } from "./config.ts";

/** An image or volume of one batch entry. */
export interface DetectorImage {
  /** [channels, (depth,) height, width], x fastest; pictures in 0 … 1. */
  readonly data: Float32Array;
  /** x y (z). */
  readonly size: readonly number[];
  /** Names the image in errors and results. */
  readonly id?: string;
}

/** How errors call an image: its id, or its place in the list. */
export const imageName = ({ id }: Pick<DetectorImage, "id">, index: number): string => id ?? `images[${index}]`;

export interface InputBatch {
  /** [N, channels, …]. */
  readonly data: Float32Array;
  /** Padded, x y (z). */
  readonly size: readonly number[];
  /** Of each image without padding, x y (z). */
  readonly sizes: readonly (readonly number[])[];
}

/**
 * Prepares images for the network.
 * @param minSide short side to bring pictures to; the configuration's last by default
 * @param canvas padded to this as well, where all images fit into it: so that images of many sizes need one program
 * @throws ShapeError for an image of another dimension or number of channels; ConfigError for a configuration that cannot be
 */
export function inputBatch(
  images: readonly DetectorImage[],
  config: DetectorConfig,
  minSide = config.input.minSide?.at(-1),
  canvas?: readonly number[],
): InputBatch {
  const { channels, input } = parseDetector(config);
  const prepared = images.map((image, n) => fitted(normalised(image, n, config), config, minSide));
  const size = paddedTo(
    prepared.map((image) => image.size),
    input.divisor,
    canvas,
  );
  const volume = size.reduce((a, b) => a * b, channels);
  const data = new Float32Array(images.length * volume);
  for (const [n, image] of prepared.entries())
    place(image, data.subarray(n * volume, (n + 1) * volume), size, channels);
  return { data, size, sizes: prepared.map((image) => image.size) };
}

/** What images of these sizes are padded to. */
function paddedTo(
  sizes: readonly (readonly number[])[],
  divisor: number,
  canvas: readonly number[] | undefined,
): readonly number[] {
  const largest = sizes[0].map((_, axis) => Math.max(...sizes.map((size) => size[axis])));
  return largest.every((length, axis) => length <= (canvas?.[axis] ?? 0))
    ? canvas!
    : largest.map((length) => Math.ceil(length / divisor) * divisor);
}

/** The size, x y (z), that an image of this size has at the network: {@link inputBatch} without the values. */
export function paddedSize(
  size: readonly number[],
  { input }: Pick<DetectorConfig, "input">,
  canvas?: readonly number[],
): readonly number[] {
  return paddedTo([fittedTo(size, input, input.minSide?.at(-1))], input.divisor, canvas);
}

function normalised(image: DetectorImage, n: number, { axes, channels, input }: DetectorConfig): DetectorImage {
  const { data, size } = image;
  const voxels = size.reduce((a, b) => a * b, 1);
  if (size.length !== axes || data.length !== channels * voxels) {
    throw new ShapeError(
      `detector: ${imageName(image, n)}: an image of ${size.join("×")} with ${data.length} values; it takes ${axes}D images of ${channels} channels`,
    );
  }
  const { mean, deviation } = input;
  if (mean.length === 0 && deviation.length === 0) return { data, size };
  const copy = data.slice();
  // Planes may be of any dimension here: only how many values a channel has counts.
  normalizePlanar(
    { data: copy, channels, width: voxels, height: 1 },
    {
      mean: mean.length > 0 ? mean : new Array<number>(channels).fill(0),
      std: deviation.length > 0 ? deviation : new Array<number>(channels).fill(1),
    },
  );
  return { data: copy, size };
}

function fitted(image: DetectorImage, { channels, input }: DetectorConfig, minSide: number | undefined): DetectorImage {
  if (minSide === undefined) return image;
  const [width, height] = image.size;
  const size = fittedTo(image.size, input, minSide);
  const { data } = resizeBilinear({ data: image.data, channels, width, height }, size[0], size[1]);
  return { data, size };
}

function fittedTo(
  size: readonly number[],
  { maxSide }: DetectorConfig["input"],
  minSide: number | undefined,
): readonly number[] {
  if (minSide === undefined) return size;
  const to = fittedSize(size[0], size[1], minSide, maxSide ?? undefined);
  return [to.width, to.height];
}

/** Copies an image into the first corner of its place. */
function place({ data, size }: DetectorImage, to: Float32Array, padded: readonly number[], channels: number): void {
  const [width, height, depth = 1] = size;
  const [paddedWidth, paddedHeight, paddedDepth = 1] = padded;
  for (let c = 0; c < channels; c++) {
    for (let z = 0; z < depth; z++) {
      for (let y = 0; y < height; y++) {
        const from = ((c * depth + z) * height + y) * width;
        to.set(data.subarray(from, from + width), ((c * paddedDepth + z) * paddedHeight + y) * paddedWidth);
      }
    }
  }
}
