/**
 * @module medvox/data: data sets: opening, verifying, splitting, planning, preprocessing, and batches from worker threads. What is
 * not among these names stands behind `medvox/data/internal`, where names may change with any version.
 */
export {
  type Batch,
  type ClassificationDataset,
  createCaseCache,
  createDetectionLoader,
  createLoader,
  type DataCase,
  type Dataset,
  type DetectionDataset,
  type Fingerprint,
  fingerprintOf,
  holdOut,
  kFolds,
  type LabelClass,
  listImages,
  makePlan,
  type OwnAugmentation,
  type OwnPatch,
  openClassification,
  openDataset,
  openDetection,
  type Plan,
  type Problem,
  prepareCase,
  preprocess,
  readCocoResults,
  refuseProblems,
  verifyDataset,
} from "./index.ts";
