/** @module medvox/data/internal: all that `data` shows the other parts of medvox. `public.ts` names what `medvox/data` promises to users. */

export {
  createDetectionLoader,
  type DetectionBatch,
  type DetectionBatchImage,
  type DetectionLoader,
  type DetectionLoaderBaseOptions,
  type DetectionLoaderOptions,
  type PictureLoaderOptions,
  type PreparedImagesOptions,
  preparedPictures,
  preparedVolumes,
  type VolumeLoaderOptions,
} from "./batches/boxes.ts";
export { type CaseCache, createCaseCache, type ReadVolume } from "./batches/cache.ts";
export type { Loader } from "./batches/loader.ts";
export type { BatchArrays } from "./batches/mapper.ts";
export {
  type Batch,
  createLoader,
  type LoaderOptions,
  type OwnAugmentation,
  type OwnPatch,
  type PreparedCasesOptions,
  preparedCases,
  type VolumeLoader,
} from "./batches/volumes.ts";
export type { WholeItems } from "./batches/whole.ts";
export { requireClasses } from "./boxes/classes.ts";
export { type CocoDetection, cocoResults, type DetectedImage, imageNames, worldCsv } from "./boxes/coco/results.ts";
export { type ReadDetections, readCocoResults } from "./boxes/coco/results-read.ts";
export { leftOutText } from "./boxes/collect.ts";
export {
  type DetectionClass,
  type DetectionDataset,
  type DetectionItem,
  type DetectionProblem,
  isDetection,
  type OpenDetectionOptions,
  openDetection,
  type WorldPlace,
} from "./boxes/detection.ts";
export { detectionChanges, fingerprintDetection } from "./boxes/fingerprint.ts";
export { parseFindings, type WorldFinding } from "./boxes/formats/findings.ts";
export { boxesOfMask, detectionFromMasks, type MaskBox, type MaskBoxOptions } from "./boxes/formats/masks.ts";
export { type DetectionInputs, detectionInputs } from "./boxes/inputs.ts";
export {
  canvasFor,
  type PreparedBoxVolume,
  preparePictureItem,
  prepareVolumeItem,
  type VolumePreparation,
} from "./boxes/prepare.ts";
export {
  type DetectionClassSummary,
  type DetectionVerification,
  type VerifyDetectionOptions,
  verifyDetection,
} from "./boxes/verify.ts";
export {
  type CaseHash,
  type CaseHashes,
  caseHashes,
  changedText,
  contentHash,
  fileHash,
  type HashOptions,
} from "./content-hash.ts";
export {
  type ClassificationDataset,
  type ClassificationOptions,
  type ClassifiedCase,
  isClassification,
  openClassification,
} from "./labels/classification.ts";
export { classOf, med3dNodules, positiveShare, type RatingRule, ratingScale, ruleFor } from "./labels/rating.ts";
export { type OpenOptions, openDataset } from "./lists/dataset.ts";
export { checkDescription, checkedJson } from "./lists/description.ts";
export { type ListedImages, listImages } from "./lists/list-images.ts";
export { type Selection, select, selectionSchema } from "./lists/selection.ts";
export { matchClasses } from "./masks/classes.ts";
export { affineToleranceMm } from "./masks/grid.ts";
export { ignoredClass, labelValue } from "./masks/values.ts";
export { type ListedPictures, listPictures, unsupportedPicture } from "./pictures.ts";
export {
  type CaseFingerprint,
  type Fingerprint,
  type FingerprintOptions,
  fingerprintOf,
  type IntensitySummary,
  readableOf,
} from "./plan/fingerprint.ts";
export { type NamedFold, readSplitsFile, scoredIn } from "./plan/nnunet-splits.ts";
export { makePlan, type Plan, type PlanChoices, patchFor } from "./plan/plan.ts";
export {
  checkPlanFits,
  checkPreparationFits,
  type Preparation,
  planSchema,
  preparationSchema,
  readPlanFile,
  readPreparationFile,
} from "./plan/plan-file.ts";
export { type Fold, type HoldOut, holdOut, kFolds, type SplitOptions, sortById } from "./plan/split.ts";
export {
  formatFinding,
  type Verification,
  type VerifiedCase,
  type VerifyOptions,
  verifyClassification,
  verifyDataset,
} from "./plan/verify.ts";
export { type Degenerate, degenerateCases } from "./prepare/degenerate.ts";
export {
  type GroupedLesion,
  type Lung,
  lesionScenes,
  readLesionCrops,
  readLungs,
  type Scene,
  type SceneOptions,
  writeScenes,
} from "./prepare/lesion-scenes.ts";
export { type PreparedCase, prepareCase, regionOf } from "./prepare/prepare.ts";
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
} from "./prepare/preprocess.ts";
export { imageHash, type LabelMap, labelProblems, readCaseSize, readImage, readLabel } from "./prepare/read-case.ts";
export {
  countProblems,
  type Problem,
  type ProblemEffect,
  type ProblemRule,
  problemEffects,
  problemsText,
  refuseProblems,
} from "./problem.ts";
export type { DataCase, Dataset, LabelClass, LabelPick } from "./types.ts";
