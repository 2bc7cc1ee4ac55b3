/** The network of a segmentation: MedicalNet's encoder and a decoder, and the loss on its scores. */
import { type DataCase, ignoredClass } from "../../../data/index.ts";
import { ConfigError, ShapeError } from "../../../errors.ts";
import { resize, type Scope, scope, softmax, type Tensor } from "../../../graph/index.ts";
import {
  convSeg,
  crossEntropy,
  denseAspp,
  diceCrossEntropy,
  diceLoss,
  focal,
  RELEASED_WIDTH,
  type ResNet3dFeatures,
  type SkipDecoderOptions,
  skipDecoder,
  supervisedSkipDecoder,
  transposedDecoder,
  upsamplingHead,
} from "../../../nn/index.ts";
import { type EncoderConfig, encoderFeatures } from "../../encoder/config.ts";
import type { SegmentationConfig } from "../config.ts";

/** What a decoder of one's own is built with. */
export interface DecoderContext {
  /** The network's input [N, C, D, H, W]. */
  readonly input: Tensor;
  /** K, the background included. */
  readonly classes: number;
  /** Where its parameters stand: `decoder.`. Names of its own keep apart what stands at the root, the encoder. */
  readonly scope: Scope;
}

/**
 * A decoder of one's own: class scores [N, K, D, H, W] of the encoder's features, as nodes of their graph. It is called again for every
 * graph of the network (training, prediction, export) and must build the same parameters each time, under `scope`.
 */
export type SegmentationDecoder = (features: ResNet3dFeatures, context: DecoderContext) => Tensor;

export type NetworkConfig = EncoderConfig &
  Pick<SegmentationConfig, "decoder" | "decoderChannels"> &
  Partial<Pick<SegmentationConfig, "decoderConvolutions" | "decoderInputChannels" | "asppRates">> &
  CustomDecoder & {
    /** Where the encoder's norms keep running statistics of one data set, beside those of all. */
    readonly statistics?: Scope;
  };

/** Of `decoder: "custom"`. A function is not written down, so whoever opens a run gives it again. */
export interface CustomDecoder {
  readonly customDecoder?: SegmentationDecoder;
}

/** Class scores [N, K, D, H, W] of input [N, C, D, H, W]. @param at where the decoder's parameters stand; the encoder's stand at the root */
export function segmentationScores(input: Tensor, classes: number, config: NetworkConfig, at: Scope = scope()): Tensor {
  return decoded(encoderFeatures(input, config, undefined, config.statistics), input, classes, config, at);
}

/** The same and, with `deepSupervision`, the scores at 1/2, 1/4, … that training alone looks at. */
export function segmentationOutputs(
  input: Tensor,
  classes: number,
  config: NetworkConfig & Partial<Pick<SegmentationConfig, "deepSupervision">>,
  at: Scope = scope(),
): { readonly scores: Tensor; readonly auxiliary: readonly Tensor[] } {
  const features = encoderFeatures(input, config, undefined, config.statistics);
  if (config.deepSupervision && config.decoder === "skip")
    return supervisedSkipDecoder(features, classes, skipOptions(config, at));
  return { scores: decoded(features, input, classes, config, at), auxiliary: [] };
}

function skipOptions(config: NetworkConfig, at: Scope): SkipDecoderOptions {
  return {
    channels: config.decoderChannels ?? undefined,
    convolutions: config.decoderConvolutions,
    inputChannels: config.decoderInputChannels,
    scope: at.child("decoder"),
  };
}

function decoded(features: ResNet3dFeatures, input: Tensor, classes: number, config: NetworkConfig, at: Scope): Tensor {
  const size = input.shape.slice(2);
  const { width = RELEASED_WIDTH } = config;
  switch (config.decoder) {
    case "skip":
      return skipDecoder(features, classes, skipOptions(config, at));
    case "transposed":
      return transposedDecoder(features.out, classes, size, at.child("decoder"), 4 * width);
    case "denseAspp": {
      const context = denseAspp(features.out, {
        rates: config.asppRates,
        inner: 8 * width,
        growth: 2 * width,
        scope: at.child("aspp"),
      });
      return upsamplingHead(context, classes, size, at.child("head"));
    }
    case "upsampling":
      return upsamplingHead(features.out, classes, size, at.child("head"));
    case "convSeg":
      return resize(convSeg(features.out, classes, at.child("conv_seg")), { size });
    case "custom": {
      if (config.customDecoder === undefined)
        throw new ConfigError("decoder: custom stands for a function, which only a program can give");
      const scores = config.customDecoder(features, { input, classes, scope: at.child("decoder") });
      return checkedScores(scores, input, classes, "decoder");
    }
  }
}

/** A network of one's own: class scores [N, K, D, H, W] of an input [N, C, D, H, W]. */
export type SegmentationNetwork = (input: Tensor, classes: number) => Tensor;

/**
 * Class probabilities [N, K, D, H, W].
 * @throws ShapeError where a network of one's own gives scores of another shape
 */
export function segmentationProbabilities(
  input: Tensor,
  classes: number,
  network: NetworkConfig | SegmentationNetwork,
): Tensor {
  if (typeof network !== "function") return softmax(segmentationScores(input, classes, network), 1);
  return softmax(checkedScores(network(input, classes), input, classes, "network"), 1);
}

/** @throws ShapeError where scores are not [N, K, D, H, W] of the input's N, D, H, W */
function checkedScores(scores: Tensor, input: Tensor, classes: number, what: string): Tensor {
  const wanted = [input.shape[0], classes, ...input.shape.slice(2)];
  if (scores.shape.join() !== wanted.join())
    throw new ShapeError(
      `${what}: gives scores [${scores.shape.join(", ")}]; of ${classes} classes they must be [${wanted.join(", ")}]`,
    );
  return scores;
}

/**
 * The loss a configuration asks for. Dice is taken over the whole batch: small classes missing from a patch do not swing it.
 * @param ignores whether targets may be -1, which count nothing
 */
export function segmentationLoss(
  scores: Tensor,
  target: Tensor,
  loss: SegmentationConfig["loss"],
  ignores = false,
): Tensor {
  const left = ignores ? { ignoreIndex: ignoredClass } : {};
  switch (loss) {
    case "diceCrossEntropy":
      return diceCrossEntropy(scores, target, { batch: true, includeBackground: false, ...left });
    case "crossEntropy":
      return crossEntropy(scores, target, left);
    case "dice":
      return diceLoss(scores, target, { batch: true, includeBackground: false, ...left });
    case "focal":
      return focal(scores, target, left);
  }
}

/** Whether some of the cases have voxels that do not count. */
export function ignoresVoxels(cases: readonly Pick<DataCase, "ignoreLabel">[]): boolean {
  return cases.some(({ ignoreLabel }) => ignoreLabel !== undefined);
}
