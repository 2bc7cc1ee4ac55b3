/**
 * Pictures as networks want them: samples in 0 … 1, three channels, resized, normalised and padded, by torchvision's
 * rules (`GeneralizedRCNNTransform`), so that imported weights see what they were trained on.
 *
 * C channels · H W height, width
 */
import { ConfigError, ShapeError } from "../errors.ts";
import type { Image2d, PlanarImage } from "./types.ts";

/** `[C, H, W]` in 0 … 1; gray is repeated where more channels are wanted. */
export function toPlanar(image: Image2d, channels: 1 | 3 = 3): PlanarImage {
  const { width, height, data } = image;
  const scale = 1 / (data instanceof Uint16Array ? 65535 : 255);
  const pixels = width * height;
  const out = new Float32Array(channels * pixels);
  if (image.channels === 3 && channels === 1) {
    // ITU-R BT.601 luma, as `PIL.Image.convert("L")`.
    for (let i = 0; i < pixels; i++) {
      out[i] = scale * (0.299 * data[3 * i] + 0.587 * data[3 * i + 1] + 0.114 * data[3 * i + 2]);
    }
    return { width, height, channels, data: out };
  }
  for (let c = 0; c < channels; c++) {
    const from = image.channels === 1 ? 0 : c;
    for (let i = 0; i < pixels; i++) out[c * pixels + i] = scale * data[image.channels * i + from];
  }
  return { width, height, channels, data: out };
}

/**
 * The size a picture is brought to: the shorter side to `shortSide`, unless the longer one would then exceed `longSide`.
 * Rounded down, as torchvision does (800 and 1333 there; 600 and 1000 in the paper).
 * @throws ConfigError for sides that are not positive
 */
export function fittedSize(
  width: number,
  height: number,
  shortSide: number,
  longSide: number = Number.POSITIVE_INFINITY,
): { readonly width: number; readonly height: number } {
  if (!(shortSide > 0) || !(longSide > 0)) {
    throw new ConfigError(`resize: short side ${shortSide}, long side ${longSide}: both must be above 0`);
  }
  const factor = Math.min(shortSide / Math.min(width, height), longSide / Math.max(width, height));
  return { width: Math.max(1, Math.floor(width * factor)), height: Math.max(1, Math.floor(height * factor)) };
}

/**
 * Bilinear, half-pixel centres, no filter when shrinking: PyTorch's `interpolate(mode="bilinear", align_corners=False)`,
 * whose 32-bit arithmetic it follows.
 */
export function resizeBilinear(image: PlanarImage, width: number, height: number): PlanarImage {
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0)) {
    throw new ShapeError(`resize: to ${width}×${height}, both must be whole and above 0`);
  }
  if (width === image.width && height === image.height) return image;
  const [columns, rows] = [taps(image.width, width), taps(image.height, height)];
  const out = new Float32Array(image.channels * width * height);
  for (let c = 0, o = 0; c < image.channels; c++) {
    const plane = c * image.width * image.height;
    for (let y = 0; y < height; y++) {
      const upper = plane + rows.low[y] * image.width;
      const lower = plane + rows.high[y] * image.width;
      const down = rows.share[y];
      for (let x = 0; x < width; x++, o++) {
        const [left, right, across] = [columns.low[x], columns.high[x], columns.share[x]];
        const top = image.data[upper + left] * (1 - across) + image.data[upper + right] * across;
        const bottom = image.data[lower + left] * (1 - across) + image.data[lower + right] * across;
        out[o] = top * (1 - down) + bottom * down;
      }
    }
  }
  return { width, height, channels: image.channels, data: out };
}

/** For every new sample, the two old ones it lies between and the second one's share. */
function taps(from: number, to: number): { low: Int32Array; high: Int32Array; share: Float32Array } {
  const low = new Int32Array(to);
  const high = new Int32Array(to);
  const share = new Float32Array(to);
  const step = Math.fround(from / to);
  for (let i = 0; i < to; i++) {
    const at = Math.max(0, Math.fround(Math.fround(step * Math.fround(i + 0.5)) - 0.5));
    low[i] = Math.min(from - 1, Math.floor(at));
    high[i] = Math.min(from - 1, low[i] + 1);
    share[i] = at - low[i];
  }
  return { low, high, share };
}

/** Mean and standard deviation of ImageNet's pixels in 0 … 1, red, green, blue: what torchvision's weights expect. */
export const imageNetStatistics = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;

/** `(v − mean) / std` per channel, in place. @throws ShapeError where the numbers of channels differ */
export function normalizePlanar(
  image: PlanarImage,
  { mean, std }: { readonly mean: readonly number[]; readonly std: readonly number[] },
): void {
  if (mean.length !== image.channels || std.length !== image.channels) {
    throw new ShapeError(
      `normalise: ${mean.length} means and ${std.length} deviations, the image has ${image.channels} channels`,
    );
  }
  const pixels = image.width * image.height;
  for (let c = 0; c < image.channels; c++) {
    for (let i = c * pixels; i < (c + 1) * pixels; i++) image.data[i] = (image.data[i] - mean[c]) / std[c];
  }
}

/** The smallest multiple of `divisor` that holds `length`; 32 is the deepest stride of a feature pyramid's ResNet. */
export function paddedLength(length: number, divisor = 32): number {
  return Math.ceil(length / divisor) * divisor;
}

/** Writes a picture into the top left corner of item `index` of a batch `[N, C, height, width]`; the rest stays. */
export function placeInBatch(
  image: PlanarImage,
  batch: Float32Array,
  index: number,
  width: number,
  height: number,
): void {
  if (image.width > width || image.height > height) {
    throw new ShapeError(`batch: ${image.width}×${image.height} does not fit into ${width}×${height}`);
  }
  const { channels } = image;
  if (batch.length < (index + 1) * channels * width * height) {
    throw new ShapeError(`batch: ${batch.length} values have no room for item ${index}`);
  }
  for (let row = 0; row < channels * image.height; row++) {
    const [c, y] = [Math.floor(row / image.height), row % image.height];
    const to = ((index * channels + c) * height + y) * width;
    batch.set(image.data.subarray(row * image.width, (row + 1) * image.width), to);
  }
}
