/** @module medvox/report/internal: all that `report` shows the other parts of medvox. `public.ts` names what `medvox/report` promises to users. */

export { type OverlayOptions, overlayPng } from "./draw/overlay.ts";
export { type Plane, type PlaneView, planes, planeView } from "./draw/slices.ts";
export {
  type BoxPictureOptions,
  pictureBoxesPng,
  type VolumePictureOptions,
  volumeBoxesPng,
} from "./figures/boxes.ts";
export type { Series } from "./figures/chart.ts";
export type { ClassifiedVolumes } from "./figures/classification-figure.ts";
export { type CurveOptions, curvesSvg } from "./figures/curves.ts";
export type { ForestGroup, ForestRow } from "./figures/forest.ts";
export {
  type ChartsReportInput,
  type CurveChart,
  chartsSvg,
  type ForestPlot,
  type ReportChart,
  type ReportTable,
  renderChartsReport,
  writeChartsReport,
} from "./pages/charts.ts";
export {
  type ClassificationReportInput,
  type ClassifiedLoader,
  hitsAndMistakes,
  renderClassificationReport,
  type TrainedNetwork,
  writeClassificationReport,
} from "./pages/classification.ts";
export {
  type DetectionPainter,
  type DetectionReportInput,
  renderDetectionReport,
  type TrainedPhase,
  worstAndBest,
  writeDetectionReport,
} from "./pages/detection.ts";
export { reportDocument } from "./pages/document.ts";
export type {
  CaseLoader,
  CaseVolumes,
  Convention,
  EpochRecord,
  Json,
  MachineInfo,
  ReportCredit,
  ReportFrame,
  ReportInput,
} from "./pages/input.ts";
export {
  bestEpoch,
  type ReportedRun,
  type RunFacts,
  type RunLead,
  reportMachine,
  runFrame,
  runLead,
  type ScoredPart,
  splitText,
  trainingSeconds,
} from "./pages/run.ts";
export { leftOutText } from "./pages/scores.ts";
export { renderReport, shownCases } from "./pages/segmentation.ts";
export { writeReport } from "./pages/write.ts";
