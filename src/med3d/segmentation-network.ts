/** The network of a segmentation: MedicalNet's encoder and a decoder, and the loss on its scores. */
import { resize, softmax, type Tensor } from "../graph/index.ts";
import {
  convSeg,
  crossEntropy,
  dice,
  diceCrossEntropy,
  focal,
  resnet3d,
  skipDecoder,
  upsamplingHead,
} from "../nn/index.ts";
import type { SegmentationConfig } from "./segmentation-config.ts";

export type NetworkConfig = Pick<SegmentationConfig, "depth" | "decoder" | "decoderChannels"> &
  Partial<Pick<SegmentationConfig, "decoderConvolutions" | "decoderInputChannels">>;

/** Class scores [N, K, D, H, W] of input [N, C, D, H, W]. */
export function segmentationScores(input: Tensor, classes: number, config: NetworkConfig): Tensor {
  const features = resnet3d(input, { depth: config.depth });
  const size = input.shape.slice(2);
  switch (config.decoder) {
    case "skip":
      return skipDecoder(features, classes, {
        channels: config.decoderChannels,
        convolutions: config.decoderConvolutions,
        inputChannels: config.decoderInputChannels,
      });
    case "upsampling":
      return upsamplingHead(features.out, classes, size);
    case "convSeg":
      return resize(convSeg(features.out, classes), { size });
  }
}

/** Class probabilities. */
export function segmentationProbabilities(input: Tensor, classes: number, config: NetworkConfig): Tensor {
  return softmax(segmentationScores(input, classes, config), 1);
}

/** The loss a configuration asks for. Dice is taken over the whole batch: small classes missing from a patch do not swing it. */
export function segmentationLoss(scores: Tensor, target: Tensor, loss: SegmentationConfig["loss"]): Tensor {
  switch (loss) {
    case "diceCrossEntropy":
      return diceCrossEntropy(scores, target, { batch: true, includeBackground: false });
    case "crossEntropy":
      return crossEntropy(scores, target);
    case "dice":
      return dice(scores, target, { batch: true, includeBackground: false });
    case "focal":
      return focal(scores, target);
  }
}
