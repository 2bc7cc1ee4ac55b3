/** @module medvox/nn: layers, networks, losses, optimizers. */

export * from "./initializers.ts";
export {
  type BatchNormOptions,
  batchNormLayer,
  type ConvLayerOptions,
  type ConvTransposeLayerOptions,
  channelDropoutLayer,
  convLayer,
  convTransposeLayer,
  dropoutLayer,
  groupNormLayer,
  instanceNormLayer,
  linearLayer,
  type Norm,
  normLayer,
  sharedConvLayer,
} from "./layers.ts";
export * from "./losses.ts";
export {
  architectureName,
  type EncoderArchitecture,
  type EncoderOptions,
  encoder,
  encoderNames,
  encoderPattern,
  encoderShapes,
  parseArchitecture,
} from "./networks/architectures.ts";
export {
  convSeg,
  type SkipDecoderOptions,
  skipDecoder,
  supervisedSkipDecoder,
  transposedDecoder,
  upsamplingHead,
} from "./networks/decoders.ts";
export { type DenseAsppOptions, denseAspp } from "./networks/dense-aspp.ts";
export { type FeaturePyramidOptions, featurePyramid } from "./networks/feature-pyramid.ts";
export { type PreResnet3dOptions, preResnet3d } from "./networks/preresnet3d.ts";
export {
  RELEASED_WIDTH,
  type ResNet3dFeatures,
  type ResNet3dOptions,
  type ResNetDepth,
  residualStage,
  resnet3d,
  type Shortcut,
} from "./networks/resnet3d.ts";
export { vgg16 } from "./networks/vgg.ts";
export {
  type AdamOptions,
  adam,
  adamW,
  clipByNorm,
  groupOf,
  type Optimizer,
  type OptimizerOptions,
  type OptimizerStep,
  type ParameterGroup,
  refuseEmptyGroups,
  type SgdOptions,
  sgd,
  statisticsStay,
} from "./optimizers.ts";
export {
  defaultSchedule,
  type ScheduleFunction,
  type SchedulePoint,
  type ScheduleSpec,
  scheduleFactor,
  type Warmup,
} from "./schedules.ts";
