/** @module medvox/metrics/internal: all that `metrics` shows the other parts of medvox. `public.ts` names what `medvox/metrics` promises to users. */
export {
  againstRest,
  type CaseProbabilities,
  type ClassificationSummary,
  type ClassResult,
  calledClass,
  evaluateClassification,
  type OperatingPoint,
  operatingPoint,
  type ReliabilityBin,
} from "./classification/classification.ts";
export { normalQuantile, type Proportion, proportion } from "./classification/proportion.ts";
export {
  type AreaUnderCurve,
  averagePrecision,
  compareAucs,
  delong,
  type RocBand,
  type RocPoint,
  rocAuc,
  rocBand,
  rocCurve,
  type TwoClasses,
} from "./classification/roc.ts";
export { classificationCsv, classificationJson } from "./classification/table.ts";
export {
  type CocoOptions,
  type CocoPick,
  type CocoScores,
  cocoAreas,
  cocoFigures,
  cocoScores,
  cocoThresholds,
  volumeThresholds,
} from "./detection/coco.ts";
export type { AreaRange, DetectionImage, Detections, TrueBoxes } from "./detection/detection.ts";
export {
  type ConfidenceInterval,
  type Froc,
  type FrocFinding,
  type FrocMark,
  type FrocOptions,
  type FrocPoint,
  type FrocScan,
  type FrocSize,
  froc,
  frocSizeText,
  lunaRates,
} from "./detection/froc.ts";
export { frocScan } from "./detection/froc-scan.ts";
export {
  DETECTIONS_COUNTED,
  type DetectionClassScores,
  type DetectionImageScores,
  type DetectionSummary,
  type DetectionSummaryOptions,
  detectionCsv,
  detectionJson,
  evaluateDetection,
} from "./detection/summary.ts";
export {
  areaOfMatches,
  type VocClass,
  type VocMatches,
  type VocOptions,
  type VocScores,
  vocMatches,
  vocScores,
} from "./detection/voc.ts";
export {
  type RepeatedScore,
  type Repeats,
  type RepeatsOptions,
  repeatedDifference,
  repeatedScore,
  type Score,
} from "./repeats.ts";
export { distancesAt, distanceTransform } from "./segmentation/distance.ts";
export {
  type CaseScores,
  type ClassScores,
  countOverlap,
  dice,
  type EvaluationGrid,
  evaluateSegmentation,
  type LabelNames,
  listLabels,
  meanOf,
  type OverlapCount,
  type Presence,
  type ScoredLabels,
  usualNsdToleranceMm,
} from "./segmentation/segmentation.ts";
export {
  type ClassSummary,
  type Measure,
  measures,
  rankCases,
  type SegmentationSummary,
  type Statistic,
  type SummaryOptions,
  summarise,
} from "./segmentation/summary.ts";
export {
  averageSurfaceDistance,
  hausdorff,
  hausdorffPercentile,
  type SurfaceDistances,
  surfaceDice,
  surfaceDistances,
  surfaceVoxels,
} from "./segmentation/surface.ts";
export { csv, evaluationJson, scoresCsv, summaryCsv } from "./segmentation/table.ts";
