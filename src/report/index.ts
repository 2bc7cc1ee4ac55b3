/** @module medvox/report: reports: one self-contained HTML file for a run, and its parts as pictures. */

export {
  type BoxPictureOptions,
  pictureBoxesPng,
  type VolumePictureOptions,
  volumeBoxesPng,
} from "./boxes.ts";
export {
  type ChartsReportInput,
  chartsSvg,
  type ReportChart,
  type ReportTable,
  renderChartsReport,
  writeChartsReport,
} from "./charts-page.ts";
export type { ClassifiedVolumes } from "./classification-figure.ts";
export {
  type ClassificationReportInput,
  type ClassifiedLoader,
  hitsAndMistakes,
  renderClassificationReport,
  writeClassificationReport,
} from "./classification-page.ts";
export { type CurveOptions, curvesSvg } from "./curves.ts";
export {
  type DetectionPainter,
  type DetectionReportInput,
  renderDetectionReport,
  worstAndBest,
  writeDetectionReport,
} from "./detection-page.ts";
export { reportDocument } from "./document.ts";
export type { ForestGroup, ForestRow } from "./forest.ts";
export type {
  CaseLoader,
  CaseVolumes,
  Convention,
  DataCredit,
  EpochRecord,
  Json,
  MachineInfo,
  ReportFrame,
  ReportInput,
} from "./input.ts";
export { type OverlayOptions, overlayPng } from "./overlay.ts";
export { renderReport, shownCases } from "./page.ts";
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
} from "./run-page.ts";
export { type Plane, type PlaneView, planes, planeView } from "./slices.ts";
export { writeReport } from "./write.ts";
