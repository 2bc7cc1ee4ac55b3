/**
 * @module medvox/report: reports: one self-contained HTML file for a run, and its parts as pictures. What is not among these names
 * stands behind `medvox/report/internal`, where names may change with any version.
 */
export {
  bestEpoch,
  type ChartsReportInput,
  type ClassificationReportInput,
  chartsSvg,
  curvesSvg,
  type DetectionReportInput,
  type EpochRecord,
  type OverlayOptions,
  overlayPng,
  type Plane,
  pictureBoxesPng,
  planes,
  type ReportFrame,
  type ReportInput,
  reportMachine,
  volumeBoxesPng,
  writeChartsReport,
  writeClassificationReport,
  writeDetectionReport,
  writeReport,
} from "./index.ts";
