/** @module medvox/rcnn: Faster R-CNN in 2D and 3D: parts, networks, training, detection. */
export {
  type AnchorSet,
  type AnchorSpec,
  type AnchorStyle,
  anchorsInside,
  anchorsOf,
  baseAnchors,
  levelAnchors,
} from "./anchors.ts";
export { type BoxCoder, decodeBoxes, encodeBoxes, SIDE_CLAMP } from "./box-coder.ts";
export { type DetectorConfig, type DetectorSettings, detectorSchema, parseDetector } from "./config.ts";
export {
  createDetector,
  type DetectionTimes,
  type Detector,
  type DetectorOptions,
  type FoundStages,
} from "./detector.ts";
export {
  type DetectionConfig,
  type DetectionRequest,
  detectionConfigSchema,
  resolveDetectionConfig,
} from "./detector-config.ts";
export { type DetectionPhase, detectionPhases } from "./detector-history.ts";
export type { OpenedImage } from "./detector-images.ts";
export { boxesPng, detectionsJson, type FoundImage, foundImage } from "./detector-output.ts";
export {
  type DetectedObject,
  type DetectorSource,
  fasterRcnn,
  type LoadedDetector,
  type LoadOptions,
  type LoadRunOptions,
  type TorchvisionOptions,
} from "./detector-predict.ts";
export { type DetectionScore, detectionLines } from "./detector-report.ts";
export type {
  DetectionCase,
  DetectionPlan,
  DetectionRun,
} from "./detector-run.ts";
export { type DetectionTask, detection } from "./detector-task.ts";
export { detectorText } from "./detector-text.ts";
export {
  detectorNames,
  detectorShapes,
  type ImportedDetector,
  importDetector,
  isDetectorArch,
  matchDetector,
  torchvisionDetector,
} from "./detector-weights.ts";
export { type EvaluateResultsOptions, evaluateResults, type ResultsEvaluation } from "./evaluate-results.ts";
export * from "./experiments/index.ts";
export { type ExportDetectorOptions, type ExportedDetector, encodeDetector, exportDetector } from "./export.ts";
export { type DetectorGraph, detectorGraph } from "./export-graph.ts";
export { type DetectorImage, type InputBatch, inputBatch } from "./input.ts";
export { IGNORED, type Matches, type MatchRule, matchBoxes, NEGATIVE } from "./matcher.ts";
export { featureMaps, regionOutputs, rpnOutputs } from "./network.ts";
export { type NmsOptions, nms, type SoftNmsOptions, softNms } from "./nms.ts";
export { type DetectionRule, type Detections, filterDetections, selectDetections } from "./post-process.ts";
export { type PresetName, type PresetOptions, preset } from "./presets.ts";
export { type ProposalRule, type Proposals, selectProposals } from "./proposals.ts";
export { assignLevels, type LevelRule } from "./roi-levels.ts";
export { evaluateDetectionRun, readDetectionRun, resumeDetector, trainDetector } from "./runs.ts";
export { type Sample, type SampleRule, sampleMatches } from "./sampler.ts";
export { alternatingSchedule, jointSchedule, type Phase, phaseEpochs } from "./schedule.ts";
export type { Truth } from "./targets.ts";
export {
  detectInTiles,
  detectWhole,
  mergeTiles,
  type Tile,
  type TileOptions,
  tilesOf,
  usualTile,
} from "./tiles.ts";
export {
  type CurrentDetector,
  type ImageSource,
  type PhasesOptions,
  type PhasesResult,
  trainPhases,
} from "./train-phases.ts";
export {
  type TrainingDefinition,
  type TrainingImages,
  type TrainingPart,
  trainingDefinition,
} from "./training.ts";
