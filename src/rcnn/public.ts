/**
 * @module medvox/rcnn: Faster R-CNN in 2D and 3D: parts, networks, training, detection. What is not among these names stands
 * behind `medvox/rcnn/internal`, where names may change with any version.
 */
export {
  alternatingSchedule,
  anchorsOf,
  type BoxCoder,
  createDetector,
  type DetectedObject,
  type DetectionRequest,
  type Detector,
  type DetectorConfig,
  detectInTiles,
  detection,
  evaluateDetectionRun,
  evaluateResults,
  exportDetector,
  fasterRcnn,
  importDetector,
  jointSchedule,
  matchBoxes,
  nms,
  preset,
  resumeDetector,
  runRpnExperiment,
  selectProposals,
  softNms,
  trainDetector,
  trainPhases,
} from "./index.ts";
