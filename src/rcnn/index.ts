/** @module medvox/rcnn/internal: all that `rcnn` shows the other parts of medvox. `public.ts` names what `medvox/rcnn` promises to users. */

export {
  createDetector,
  type DetectionTimes,
  type DetectOptions,
  type Detector,
  type DetectorOptions,
  type FoundStages,
  type WatchOptions,
} from "./detect/detector.ts";
export { type DetectionEstimate, estimateDetection } from "./detect/estimate.ts";
export { type EvaluateResultsOptions, evaluateResults, type ResultsEvaluation } from "./detect/evaluate-results.ts";
export type { OpenedImage } from "./detect/images.ts";
export type {
  DetectedObject,
  DetectorOpenOptions,
  DetectorSource,
  LoadedDetector,
  LoadRunOptions,
  ProposedObject,
  TorchvisionOptions,
} from "./detect/load.ts";
export { boxesPng, detectionsJson, type FoundImage, foundImage } from "./detect/output.ts";
export type { DetectionFound } from "./detect/predictor.ts";
export {
  detectInTiles,
  detectWhole,
  mergeTiles,
  TILE_OVERLAP,
  type Tile,
  type TileOptions,
  type TileWatch,
  tilesOf,
  usualTile,
  type WholeOptions,
} from "./detect/tiles.ts";
export * from "./experiments/index.ts";
export type { ImageScore } from "./experiments/scores.ts";
export type { RpnScores } from "./experiments/trial.ts";
export { type ExportDetectorOptions, type ExportedDetector, encodeDetector, exportDetector } from "./export/export.ts";
export { type DetectorGraph, detectorGraph } from "./export/graph.ts";
export { fasterRcnn } from "./faster-rcnn.ts";
export {
  type DetectorChanges,
  type DetectorConfig,
  type DetectorSettings,
  detectorSchema,
  parseDetector,
} from "./network/config.ts";
export type { RegionHead } from "./network/head.ts";
export { type DetectorImage, type InputBatch, inputBatch } from "./network/input.ts";
export { featureMaps, regionOutputs, rpnOutputs } from "./network/network.ts";
export { type PresetName, type PresetOptions, preset } from "./network/presets.ts";
export {
  detectorNames,
  detectorShapes,
  type ImportedDetector,
  importDetector,
  isDetectorArch,
  matchDetector,
  torchvisionDetector,
} from "./network/weights.ts";
export {
  type AnchorSet,
  type AnchorSpec,
  type AnchorStyle,
  anchorsInside,
  anchorsOf,
  baseAnchors,
  levelAnchors,
} from "./parts/anchors.ts";
export { type BoxCoder, decodeBoxes, encodeBoxes, SIDE_CLAMP } from "./parts/box-coder.ts";
export { IGNORED, type Matches, type MatchRule, matchBoxes, NEGATIVE, type PassedOver } from "./parts/matcher.ts";
export { type NmsOptions, nms, type SoftNmsOptions, softNms } from "./parts/nms.ts";
export { type DetectedBoxes, filterDetections, type SelectionRule, selectDetections } from "./parts/post-process.ts";
export { type ProposalRule, type Proposals, selectProposals } from "./parts/proposals.ts";
export { type SampledMatches, type SampleRule, sampleMatches } from "./parts/sampler.ts";
export type { Truth } from "./parts/targets.ts";
export { assignLevels, type LevelRule } from "./pooling/levels.ts";
export {
  type DetectionConfig,
  type DetectionRequest,
  detectionConfigSchema,
  resolveDetectionConfig,
} from "./run/config.ts";
export type {
  DetectionCase,
  DetectionPlan,
  DetectionRun,
} from "./run/data.ts";
export { type DetectionPhase, detectionPhases } from "./run/history.ts";
export { type DetectionScore, detectionLines } from "./run/report.ts";
export { type DetectionTask, detection } from "./run/task.ts";
export { detectorText } from "./run/text.ts";
export {
  type CustomHeadOptions,
  evaluateDetectionRun,
  readDetectionRun,
  resumeDetector,
  trainDetector,
} from "./runs.ts";
export type { ResumeDetectorOptions } from "./trainable/create.ts";
export type { BoxList, ImageInput, ImageTruth } from "./trainable/images.ts";
export type {
  CreateDetectorOptions,
  DetectorSections,
  DetectorStartOptions,
  DetectorTrainingOptions,
} from "./trainable/options.ts";
export type {
  DetectorStep,
  ImageDetections,
  ImageProposals,
  TrainableDetector,
} from "./trainable/trainable.ts";
export {
  type CurrentDetector,
  type ImageSource,
  type PhaseOptions,
  type PhasesOptions,
  type PhasesResult,
  trainPhases,
} from "./training/phases.ts";
export { alternatingSchedule, jointSchedule, type Phase, phaseEpochs } from "./training/schedule.ts";
export {
  type TrainingDefinition,
  type TrainingImages,
  type TrainingOptions,
  type TrainingPart,
  trainingDefinition,
} from "./training/training.ts";
