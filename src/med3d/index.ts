/** @module medvox/med3d/internal: all that `med3d` shows the other parts of medvox. `public.ts` names what `medvox/med3d` promises to users. */

export type {
  Experiment,
  ExperimentOptions,
  Findings,
  Trial,
  TrialEvents,
  TrialResult,
  TrialScores,
} from "../experiments/index.ts";
export { findOverlap, type Overlap, type UsedCase, usedCases } from "../train/index.ts";
export type { AuxiliaryTarget } from "./classification/auxiliary-targets.ts";
export {
  type ClassificationConfig,
  type ClassificationRequest,
  classificationConfigSchema,
  resolveClassificationConfig,
} from "./classification/config.ts";
export type { ClassificationCase } from "./classification/data.ts";
export { openFor as openClassificationFor } from "./classification/data.ts";
export {
  type ClassifierNetwork,
  classificationProbabilities,
  classificationScores,
  classShares,
} from "./classification/network.ts";
export { type ClassificationPlan, type PlanningConfig, planClassification, usualBatch } from "./classification/plan.ts";
export type { Classifier, ClassifierOptions } from "./classification/prediction/classifier.ts";
export type { ClassifierConfig } from "./classification/prediction/export.ts";
export type { ClassificationFound } from "./classification/prediction/predictor.ts";
export { type ClassificationScore, ruleText, type ScoredCase } from "./classification/scores.ts";
export type { ClassificationRun } from "./classification/session.ts";
export { type ClassificationTask, classification } from "./classification/task.ts";
export { type EncoderConfig, encoderFeatures, encoderName } from "./encoder/config.ts";
export {
  type FeatureExtractor,
  type FeatureLayer,
  type FeatureOptions,
  type Features,
  featureLayers,
  openFeatures,
} from "./encoder/features.ts";
export { type ImportedWeights, type ImportOptions, importWeights } from "./encoder/import.ts";
export { readStart, type Start, startFrom, startText } from "./encoder/start-from.ts";
export { encoderParameters, segmentationParameters, stepMemoryBytes, voxelsFor } from "./encoder/step-memory.ts";
export type { ExperimentKind } from "./experiments/config.ts";
export * from "./experiments/index.ts";
export type { CaseScore, TrialCaseScores } from "./experiments/trial.ts";
export { branchRecord, branchRun } from "./pretraining/branch.ts";
export {
  type PretrainingConfig,
  type PretrainingRequest,
  pretrainingConfigSchema,
  resolvePretrainingConfig,
} from "./pretraining/config.ts";
export { setOf } from "./pretraining/report.ts";
export type { SetEpoch } from "./pretraining/scores.ts";
export type { PretrainingRun } from "./pretraining/session.ts";
export type { PretrainingCase, PretrainingPlan } from "./pretraining/sets.ts";
export { type PretrainingTask, pretraining } from "./pretraining/task.ts";
export {
  type CheckpointChoice,
  type CustomDecoderOptions,
  evaluateBranch,
  evaluateClassificationRun,
  evaluateSegmentationRun,
  openClassifier,
  openSegmenter,
  pretrain,
  resumeClassification,
  resumePretraining,
  resumeSegmentation,
  trainClassification,
  trainSegmentation,
} from "./runs.ts";
export {
  planChoicesOf,
  resolveSegmentationConfig,
  type SegmentationConfig,
  type SegmentationRequest,
  segmentationConfigSchema,
} from "./segmentation/config.ts";
export { splitCases, type VolumeCase } from "./segmentation/data.ts";
export { inferenceMemory, networkOf } from "./segmentation/export.ts";
export type { KeepLargest } from "./segmentation/keep-largest.ts";
export {
  type CustomDecoder,
  type DecoderContext,
  type NetworkConfig,
  type SegmentationDecoder,
  type SegmentationNetwork,
  segmentationProbabilities,
  segmentationScores,
} from "./segmentation/network/network.ts";
export {
  fitMemory,
  type ImageSize,
  type PredictionMemory,
  type PredictionRequest,
  predictionMemory,
} from "./segmentation/prediction/memory.ts";
export type { SegmenterParts } from "./segmentation/prediction/models.ts";
export { predictionPath, type SegmentationFound } from "./segmentation/prediction/predictor.ts";
export type {
  PredictionEstimate,
  PredictOptions,
  Segmentation,
  SegmentationProgress,
  Segmenter,
  SegmenterOptions,
  SizeOfImage,
} from "./segmentation/prediction/segmenter.ts";
export {
  type CutWindow,
  gaussianWindow,
  predictByWindows,
  type Span,
  slicedImage,
  WINDOW_OVERLAP,
  type WindowedImage,
  type Windows,
  wholeImage,
} from "./segmentation/prediction/sliding-window.ts";
export { type Mirror, mirrorNote } from "./segmentation/prediction/window-runner.ts";
export type { SegmentationRun } from "./segmentation/session.ts";
export { type SegmentationTask, segmentation, segmentationTask } from "./segmentation/task.ts";
