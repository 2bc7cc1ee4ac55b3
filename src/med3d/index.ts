/** @module medvox/med3d: segmentation with MedicalNet's encoder: train, evaluate, predict. */
export {
  type AnyRun,
  type DataCredit,
  type Run,
  type RunCase,
  type RunRecord,
  type RunTasks,
  readAnyRun,
  readRun,
  type Task,
} from "./run-folder.ts";
export {
  resolveSegmentationConfig,
  type SegmentationConfig,
  type SegmentationRequest,
  segmentationConfigSchema,
} from "./segmentation-config.ts";
export { type EvaluateOptions, type Evaluation, evaluateRun, predictionPath } from "./segmentation-evaluate.ts";
export { modelFile } from "./segmentation-export.ts";
export { segmentationProbabilities, segmentationScores } from "./segmentation-network.ts";
export { openSegmenter, type PredictOptions, type Segmenter, type SegmenterOptions } from "./segmentation-predict.ts";
export {
  resumeSegmentation,
  type SegmentationEvents,
  type TrainSegmentationOptions,
  trainSegmentation,
} from "./segmentation-train.ts";
export { gaussianWindow, predictByWindows, type Windows, windowStarts } from "./sliding-window.ts";
