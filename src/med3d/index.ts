/** @module medvox/med3d: MedicalNet's encoder: pre-training on many sets, segmentation and classification; train, evaluate, predict. */
export {
  type ClassificationConfig,
  type ClassificationRequest,
  classificationConfigSchema,
  resolveClassificationConfig,
} from "./classification-config.ts";
export { openFor as openClassificationFor } from "./classification-data.ts";
export {
  type ClassificationEvaluation,
  type EvaluateClassificationOptions,
  evaluateClassificationRun,
  ruleText,
} from "./classification-evaluate.ts";
export { isTrained, type Member, membersOf } from "./classification-members.ts";
export { classificationProbabilities, classificationScores, classShares } from "./classification-network.ts";
export { type ClassificationPlan, type PlanningConfig, planClassification } from "./classification-plan.ts";
export { type Classifier, type ClassifierOptions, openClassifier } from "./classification-predict.ts";
export {
  type ClassificationEvents,
  resumeClassification,
  type TrainClassificationOptions,
  trainClassification,
} from "./classification-train.ts";
export { type EncoderConfig, encoderFeatures, encoderName } from "./encoder-config.ts";
export * from "./experiments/index.ts";
export {
  type FeatureExtractor,
  type FeatureLayer,
  type FeatureOptions,
  type Features,
  featureLayers,
  openFeatures,
} from "./features.ts";
export { modelTask } from "./model-task.ts";
export {
  fitMemory,
  type ImageSize,
  type PredictionMemory,
  type PredictionRequest,
  predictionMemory,
} from "./prediction-memory.ts";
export { branchRun } from "./pretraining-branch.ts";
export {
  type PretrainingConfig,
  type PretrainingRequest,
  pretrainingConfigSchema,
  resolvePretrainingConfig,
} from "./pretraining-config.ts";
export { setOf } from "./pretraining-report.ts";
export type { SetEpoch } from "./pretraining-scores.ts";
export type { PretrainingCase, PretrainingPlan } from "./pretraining-sets.ts";
export {
  type PretrainingEvents,
  type PretrainingRun,
  type PretrainOptions,
  pretrain,
  resumePretraining,
} from "./pretraining-train.ts";
export {
  type AnyRun,
  type ClassificationCase,
  type DataCredit,
  type Run,
  type RunCase,
  type RunRecord,
  type RunTasks,
  readAnyRun,
  readRun,
  type Task,
  writeRun,
} from "./run-folder.ts";
export {
  planChoicesOf,
  resolveSegmentationConfig,
  type SegmentationConfig,
  type SegmentationRequest,
  segmentationConfigSchema,
} from "./segmentation-config.ts";
export { type EvaluateOptions, type Evaluation, evaluateRun, predictionPath } from "./segmentation-evaluate.ts";
export { inferenceMemory, modelFile, networkOf } from "./segmentation-export.ts";
export { segmentationProbabilities, segmentationScores } from "./segmentation-network.ts";
export { openSegmenter, type PredictOptions, type Segmenter, type SegmenterOptions } from "./segmentation-predict.ts";
export {
  resumeSegmentation,
  type SegmentationEvents,
  splitCases,
  type TrainSegmentationOptions,
  trainSegmentation,
} from "./segmentation-train.ts";
export {
  gaussianWindow,
  predictByWindows,
  slicedImage,
  type WindowedImage,
  type Windows,
  wholeImage,
} from "./sliding-window.ts";
export { readStart, type Start, startFrom, startText } from "./start-from.ts";
export { encoderParameters, segmentationParameters, stepMemoryBytes, voxelsFor } from "./step-memory.ts";
export { findOverlap, type Overlap, type UsedCase, usedCases } from "./used-cases.ts";
export {
  type ExportedWeights,
  type ExportFormat,
  type ExportOptions,
  exportRun,
  type ImportedWeights,
  type ImportOptions,
  importWeights,
} from "./weights-exchange.ts";
