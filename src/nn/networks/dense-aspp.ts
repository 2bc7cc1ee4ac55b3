/**
 * DenseASPP (Yang et al., CVPR 2018, "DenseASPP for Semantic Segmentation in Street Scenes") with 3D kernels, as Med3D's fine stage
 * for the liver has it (arXiv 1904.00625). Dilated convolutions, each of which sees the encoder's features and what all
 * branches before it gave, so that the fields of view add up; rates and widths are those of the original's code, since
 * Med3D gives none. Its dropout of whole channels is kept, too; its momentum of 0.0003 in the norms is not: running statistics
 * would need thousands of steps to forget where they start.
 */
import { concat, relu, scope as rootScope, type Scope, type Tensor } from "../../graph/index.ts";
import { batchNormLayer, channelDropoutLayer, convLayer } from "../layers.ts";

export interface DenseAsppOptions {
  /** Dilation of each branch. */
  readonly rates?: readonly number[];
  /** Channels of a branch's 1×1×1 and of its dilated 3×3×3 convolution. */
  readonly inner?: number;
  readonly growth?: number;
  /** Share of a branch's channels that is dropped in training. */
  readonly dropout?: number;
  readonly scope?: Scope;
}

/** x [N, C, D, H, W] → [N, C + rates × growth, D, H, W]. Parameters `1.norm1.…`, `1.conv1.…`, `1.norm2.…`, `1.conv2.…`, `2.…` */
export function denseAspp(
  x: Tensor,
  {
    rates = [3, 6, 12, 18, 24],
    inner = 512,
    growth = 128,
    dropout: share = 0.1,
    scope = rootScope("aspp"),
  }: DenseAsppOptions = {},
): Tensor {
  // Nothing changes what ends in a ReLU; in the original, too, all branches see rectified features (its first ReLU is in place).
  return rates.reduce((features, rate, i) => {
    const at = scope.child(i + 1);
    const seen = i === 0 ? features : relu(batchNormLayer(features, at.child("norm1")));
    const narrow = convLayer(seen, inner, at.child("conv1"), { kernel: 1 });
    const wide = convLayer(relu(batchNormLayer(narrow, at.child("norm2"))), growth, at.child("conv2"), {
      kernel: 3,
      dilation: rate,
      padding: rate,
    });
    return concat([channelDropoutLayer(wide, share), features], 1);
  }, relu(x));
}
