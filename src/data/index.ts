/** @module medvox/data: data sets: opening, verifying, splitting, planning, preprocessing, and batches from worker threads. */

export { matchClasses } from "./class-match.ts";
export {
  type ClassificationDataset,
  type ClassificationOptions,
  type ClassifiedCase,
  isClassification,
  openClassification,
} from "./classification.ts";
export { type DataCase, type Dataset, type LabelClass, type OpenOptions, openDataset } from "./dataset.ts";
export { type Degenerate, degenerateCases } from "./degenerate.ts";
export {
  type DetectionClass,
  type DetectionDataset,
  type DetectionItem,
  type DetectionProblem,
  type DetectionRule,
  isDetection,
  type OpenDetectionOptions,
  openDetection,
} from "./detection.ts";
export { parseFindings, type WorldFinding } from "./detection-findings.ts";
export {
  createDetectionLoader,
  type DetectionBatch,
  type DetectionLoader,
  type DetectionLoaderOptions,
  type PictureLoaderOptions,
  type VolumeLoaderOptions,
} from "./detection-loader.ts";
export type { DetectionBatchImage } from "./detection-loader-messages.ts";
export { boxesOfMask, detectionFromMasks, type MaskBox, type MaskBoxOptions } from "./detection-masks.ts";
export {
  canvasFor,
  type PreparedBoxVolume,
  preparePictureItem,
  prepareVolumeItem,
  type VolumePreparation,
} from "./detection-prepare.ts";
export { type CocoDetection, cocoResults, type DetectedImage, worldCsv } from "./detection-results.ts";
export {
  type DetectionClassSummary,
  type DetectionVerification,
  type VerifyDetectionOptions,
  verifyDetection,
} from "./detection-verify.ts";
export {
  type CaseFingerprint,
  type Fingerprint,
  type FingerprintOptions,
  fingerprintOf,
  type IntensitySummary,
} from "./fingerprint.ts";
export { affineToleranceMm } from "./label-grid.ts";
export { ignoredClass, labelValue } from "./label-values.ts";
export {
  type GroupedLesion,
  type Lung,
  lesionScenes,
  readLesionCrops,
  readLungs,
  type Scene,
  type SceneOptions,
  writeScenes,
} from "./lesion-scenes.ts";
export { type ListedImages, listImages } from "./list-images.ts";
export { type Batch, createLoader, type Loader, type LoaderOptions } from "./loader.ts";
export type { LabelPick } from "./pick.ts";
export { makePlan, type Plan, type PlanChoices, patchFor } from "./plan.ts";
export {
  checkPlanFits,
  checkPreparationFits,
  type Preparation,
  readPlanFile,
  readPreparationFile,
} from "./plan-file.ts";
export { type PreparedCase, prepareCase, regionOf } from "./prepare.ts";
export {
  type IntensityScheme,
  normalizeIntensity,
  type PreprocessedImage,
  type PreprocessedLabel,
  type Preprocessing,
  preprocess,
  preprocessLabel,
  preprocessSlices,
  restoreClasses,
  restoreScores,
} from "./preprocess.ts";
export {
  countProblems,
  type Problem,
  type ProblemEffect,
  type ProblemRule,
  problemEffects,
  problemsText,
  refuseProblems,
} from "./problem.ts";
export { classOf, med3dNodules, positiveShare, type RatingRule, ratingScale, ruleFor } from "./rating.ts";
export { imageHash, type LabelMap, labelProblems, readCaseSize, readImage, readLabel } from "./read-case.ts";
export { type Selection, select, selectionSchema } from "./selection.ts";
export { type Fold, type HoldOut, holdOut, kFolds, type SplitOptions, sortById } from "./split.ts";
export {
  formatFinding,
  type Verification,
  type VerifiedCase,
  type VerifyOptions,
  verifyClassification,
  verifyDataset,
} from "./verify.ts";
