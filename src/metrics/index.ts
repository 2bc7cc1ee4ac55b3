/**
 * Scores of segmentations: overlap, surface distances in mm, volumes, and their summary over cases. Free of Node APIs.
 */
export { rocAuc } from "./roc.ts";
export { distancesAt, distanceTransform } from "./distance.ts";
export {
  type CaseScores,
  type ClassScores,
  countOverlap,
  dice,
  type EvaluationGrid,
  evaluateSegmentation,
  type LabelArray,
  type LabelNames,
  listLabels,
  meanOf,
  type OverlapCount,
  type Presence,
} from "./segmentation.ts";
export {
  type ClassSummary,
  type Measure,
  measures,
  rankCases,
  type SegmentationSummary,
  type Statistic,
  type SummaryOptions,
  summarise,
} from "./summary.ts";
export {
  averageSurfaceDistance,
  hausdorff,
  hausdorffPercentile,
  type SurfaceDistances,
  surfaceDistances,
  surfaceVoxels,
} from "./surface.ts";
export { evaluationJson, scoresCsv, summaryCsv } from "./table.ts";
