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
}

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
  const prepared = images.map((image) => fitted(normalised(image, config), config, minSide));
  const largest = prepared[0].size.map((_, axis) => Math.max(...prepared.map((image) => image.size[axis])));
  const size = largest.every((length, axis) => length <= (canvas?.[axis] ?? 0))
    ? canvas!
    : largest.map((length) => Math.ceil(length / input.divisor) * input.divisor);
  const volume = size.reduce((a, b) => a * b, channels);
  const data = new Float32Array(images.length * volume);
  for (const [n, image] of prepared.entries())
    place(image, data.subarray(n * volume, (n + 1) * volume), size, channels);
  return { data, size, sizes: prepared.map((image) => image.size) };
}

function normalised({ data, size }: DetectorImage, { axes, channels, input }: DetectorConfig): DetectorImage {
  const voxels = size.reduce((a, b) => a * b, 1);
  if (size.length !== axes || data.length !== channels * voxels) {
    throw new ShapeError(
      `detector: an image of ${size.join("×")} with ${data.length} values; it takes ${axes}D images of ${channels} channels`,
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
  const to = fittedSize(width, height, minSide, input.maxSide ?? undefined);
  const { data } = resizeBilinear({ data: image.data, channels, width, height }, to.width, to.height);
  return { data, size: [to.width, to.height] };
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
