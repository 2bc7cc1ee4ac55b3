/**
 * @module medvox/metrics: scores of segmentations (overlap, surface distances in mm, volumes), of classifications and of
 * detections (average precision by VOC's and COCO's rules, free-response curves), and their summary over cases. Free of Node APIs.
 * What is not among these names stands behind `medvox/metrics/internal`, where names may change with any version.
 */
export {
  averagePrecision,
  averageSurfaceDistance,
  type CaseScores,
  type ClassificationSummary,
  type CocoOptions,
  cocoFigures,
  cocoScores,
  compareAucs,
  type DetectionSummary,
  type Detections,
  delong,
  dice,
  evaluateClassification,
  evaluateDetection,
  evaluateSegmentation,
  type FrocOptions,
  froc,
  hausdorff,
  hausdorffPercentile,
  proportion,
  rocAuc,
  rocCurve,
  type SegmentationSummary,
  summarise,
  surfaceDice,
  surfaceDistances,
  vocScores,
} from "./index.ts";
