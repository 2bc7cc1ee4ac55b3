/**
 * From encoder features to class scores.
 *
 * - `convSeg`: the head of the released MedicalNet code; scores at 1/4 of the input.
 * - `upsamplingHead`: the paper's decoder branch, one 1×1×1 convolution and linear up-sampling to the input's size.
 * - `skipDecoder`: a U-Net-like path over the encoder's taps at 1/8, 1/4, 1/2 and 1, which neither has, and which the
 *   users of MedicalNet asked for (issues 30, 56): outlines follow the full-resolution image.
 * - `transposedDecoder`: the paper's for the lungs.
 */
import { ShapeError } from "../../errors.ts";
import { concat, relu, resize, scope as rootScope, type Scope, type Tensor } from "../../graph/index.ts";
import { kaimingNormalFanOut } from "../initializers.ts";
import { batchNormLayer, convLayer, convTransposeLayer } from "../layers.ts";
import type { ResNet3dFeatures } from "./resnet3d.ts";

/** MedicalNet's `conv_seg`: features at 1/8 → scores [N, classes, D/4, H/4, W/4]. */
export function convSeg(features: Tensor, classes: number, scope: Scope = rootScope("conv_seg")): Tensor {
  let y = convTransposeLayer(features, 32, scope.child(0), { kernel: 2, stride: 2 });
  y = relu(batchNormLayer(y, scope.child(1)));
  y = convLayer(y, 32, scope.child(3), { kernel: 3, padding: 1, bias: false, initialize: kaimingNormalFanOut });
  y = relu(batchNormLayer(y, scope.child(4)));
  return convLayer(y, classes, scope.child(6), { bias: false, initialize: kaimingNormalFanOut });
}

/** One 1×1×1 convolution, then linear up-sampling to `size` (D, H, W): scores [N, classes, …size]. */
export function upsamplingHead(
  features: Tensor,
  classes: number,
  size: readonly number[],
  scope: Scope = rootScope("head"),
): Tensor {
  return resize(convLayer(features, classes, scope), { size });
}

/**
 * Med3D's decoder for the lungs (arXiv 1904.00625): groups of a transposed 3×3×3 convolution that doubles the size and a 3×3×3
 * convolution that halves the channels, 256 and 128 first, one group for each halving of the encoder; a 1×1×1 convolution ends
 * it. The paper names neither norm nor activation; here both convolutions have batch norm and ReLU.
 * @param channels of the first group's transposed convolution; half of them for each group after it, down to an eighth
 * @param size that of the input; where it is odd, a group leaves the last position out, so that scores have this very size
 * @throws ShapeError when halving `size` does not lead to the features' size
 */
export function transposedDecoder(
  features: Tensor,
  classes: number,
  size: readonly number[],
  scope: Scope = rootScope("decoder"),
  channels = 256,
): Tensor {
  let y = features;
  let wide = channels;
  for (const [i, wanted] of sizesBetween(features.shape.slice(2), size).entries()) {
    const at = scope.child(`group${i + 1}`);
    const grown = convTransposeLayer(y, wide, at.child("up"), {
      kernel: 3,
      stride: 2,
      padding: 1,
      outputPadding: wanted.map((n, axis) => n - (2 * y.shape[axis + 2] - 1)),
      bias: false,
    });
    y = mixed(relu(batchNormLayer(grown, at.child("bn1"))), wide / 2, at.child("conv"), at.child("bn2"));
    wide = Math.max(channels / 8, wide / 2);
  }
  return convLayer(y, classes, scope.child("classify"));
}

/** What each doubling from the features' size gives on the way to `size`: an encoder halves n to ⌈n/2⌉. */
function sizesBetween(from: readonly number[], size: readonly number[]): number[][] {
  const sizes: number[][] = [];
  for (let now = [...size]; now.some((n, axis) => n !== from[axis]); now = now.map((n) => Math.ceil(n / 2))) {
    if (now.every((n) => n === 1))
      throw new ShapeError(
        `transposedDecoder: features of ${from.join("×")} do not follow by halving ${size.join("×")}`,
      );
    sizes.unshift(now);
  }
  return sizes;
}

export interface SkipDecoderOptions {
  /**
   * Channels at 1/4, 1/2 and 1; left out: 1, 1/2 and 1/4 of the stem's, which are 64, 32 and 16 as released. Of an encoder of output
   * stride 32, 4 and 2 times the stem's (256 and 128) go before.
   */
  channels?: readonly [number, number, number];
  /** 3×3×3 convolutions after each join, at 1/4, 1/2 and 1. */
  convolutions?: readonly [number, number, number];
  /** Channels of a 3×3×3 convolution over the input itself before it is joined at 1; 0 joins the bare input. */
  inputChannels?: number;
  scope?: Scope;
}

/**
 * Up-sampling path over the taps: scores [N, classes, D, H, W] at the input's size. At each level the coarser map is
 * reduced by a 1×1×1 convolution, up-sampled linearly, joined with the tap, and mixed by a 3×3×3 convolution.
 * Reducing before up-sampling costs an eighth of the other order.
 */
export function skipDecoder(
  features: Pick<ResNet3dFeatures, "taps">,
  classes: number,
  options: SkipDecoderOptions = {},
): Tensor {
  const { scope = rootScope("decoder") } = options;
  return convLayer(skipLevels(features, options).at(-1)!, classes, scope.child("classify"));
}

/**
 * The same with scores at each coarser level, for deep supervision: `auxiliary` at 1/2, 1/4, …, from parameters `auxiliary1.…`,
 * `auxiliary2.…` beside those that {@link skipDecoder} has.
 */
export function supervisedSkipDecoder(
  features: Pick<ResNet3dFeatures, "taps">,
  classes: number,
  options: SkipDecoderOptions = {},
): { readonly scores: Tensor; readonly auxiliary: readonly Tensor[] } {
  const { scope = rootScope("decoder") } = options;
  const [finest, ...coarser] = skipLevels(features, options).reverse();
  return {
    scores: convLayer(finest, classes, scope.child("classify")),
    auxiliary: coarser.map((level, i) => convLayer(level, classes, scope.child(`auxiliary${i + 1}`))),
  };
}

/** The path's map at each level, from coarse to fine. */
function skipLevels(
  { taps }: Pick<ResNet3dFeatures, "taps">,
  { channels, convolutions = [1, 1, 1], inputChannels = 0, scope = rootScope("decoder") }: SkipDecoderOptions,
): Tensor[] {
  const full =
    inputChannels === 0 ? taps.full : mixed(taps.full, inputChannels, scope.child("input"), scope.child("bn"));
  // At output stride 32 two more levels come first.
  const deeper = [taps.sixteenth, taps.eighth].filter((tap) => tap !== undefined && taps.thirtySecond !== undefined);
  const levels = [...(deeper as Tensor[]), taps.quarter, taps.half, full];
  const stem = taps.half.shape[1];
  const widths = [...[4 * stem, 2 * stem].slice(0, deeper.length), ...(channels ?? [stem, stem / 2, stem / 4])];
  const counts = [...[1, 1].slice(0, deeper.length), ...convolutions];
  const made: Tensor[] = [];
  let y = taps.thirtySecond ?? taps.eighth;
  for (const [i, tap] of levels.entries()) {
    const level = scope.child(`up${i + 1}`);
    y = relu(
      batchNormLayer(
        convLayer(y, widths[i], level.child("reduce"), { bias: false, initialize: kaimingNormalFanOut }),
        level.child("bn1"),
      ),
    );
    y = concat([resize(y, { size: tap.shape.slice(2) }), tap], 1);
    for (let j = 0; j < counts[i]; j++) {
      const number = j === 0 ? "" : j + 1;
      y = mixed(y, widths[i], level.child(`mix${number}`), level.child(`bn${j + 2}`));
    }
    made.push(y);
  }
  return made;
}

function mixed(x: Tensor, channels: number, weights: Scope, norm: Scope): Tensor {
  const y = convLayer(x, channels, weights, { kernel: 3, padding: 1, bias: false, initialize: kaimingNormalFanOut });
  return relu(batchNormLayer(y, norm));
}
