/** @module medvox/data: data sets: opening, verifying, splitting, planning, preprocessing, and batches from worker threads. */

export {
  createDetectionLoader,
  type DetectionBatch,
  type DetectionBatchImage,
  type DetectionLoader,
  type DetectionLoaderOptions,
  type PictureLoaderOptions,
  type PreparedImagesOptions,
  preparedPictures,
  preparedVolumes,
  type VolumeLoaderOptions,
} from "./batches/boxes.ts";
export { type CaseCache, createCaseCache } from "./batches/cache.ts";
export {
  type Batch,
  createLoader,
  type Loader,
  type LoaderOptions,
  type PreparedCasesOptions,
  preparedCases,
} from "./batches/volumes.ts";
export type { WholeItems } from "./batches/whole.ts";
export { matchClasses } from "./class-match.ts";
export {
  type ClassificationDataset,
  type ClassificationOptions,
  type ClassifiedCase,
  isClassification,
  openClassification,
} from "./classification.ts";
export {
  type CaseHash,
  type CaseHashes,
  caseHashes,
  changedText,
  contentHash,
  fileHash,
  type HashOptions,
} from "./content-hash.ts";
export { type DataCase, type Dataset, type LabelClass, type OpenOptions, openDataset } from "./dataset.ts";
export { type Degenerate, degenerateCases } from "./degenerate.ts";
export { checkDescription, checkedJson } from "./description.ts";
export {
  type DetectionClass,
  type DetectionDataset,
  type DetectionItem,
  type DetectionProblem,
  type DetectionRule,
  isDetection,
  type OpenDetectionOptions,
  openDetection,
  type WorldPlace,
} from "./detection.ts";
export { leftOutText } from "./detection-boxes.ts";
export { requireClasses } from "./detection-classes.ts";
export { parseFindings, type WorldFinding } from "./detection-findings.ts";
export { detectionChanges, fingerprintDetection } from "./detection-fingerprint.ts";
export { type DetectionInputs, detectionInputs } from "./detection-inputs.ts";
export { boxesOfMask, detectionFromMasks, type MaskBox, type MaskBoxOptions } from "./detection-masks.ts";
export {
  canvasFor,
  type PreparedBoxVolume,
  preparePictureItem,
  prepareVolumeItem,
  type VolumePreparation,
} from "./detection-prepare.ts";
export { type CocoDetection, cocoResults, type DetectedImage, imageNames, worldCsv } from "./detection-results.ts";
export { type ReadDetections, readCocoResults } from "./detection-results-read.ts";
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
export type { LabelPick } from "./pick.ts";
export { type ListedPictures, listPictures, unsupportedPicture } from "./pictures.ts";
export { makePlan, type Plan, type PlanChoices, patchFor } from "./plan.ts";
export {
  checkPlanFits,
  checkPreparationFits,
  type Preparation,
  planSchema,
  preparationSchema,
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
