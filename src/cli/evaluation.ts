/** Scoring a run from the command line, whatever its task. */
import { openRun } from "../tasks.ts";
import { type EvaluateOptions, evaluateRun } from "../train/index.ts";
import type { CommandContext, Outcome } from "./command.ts";
import { noteProblems } from "./training.ts";

/** Scores and says where the report is. */
export async function evaluate(context: CommandContext, options: EvaluateOptions, run: string): Promise<Outcome> {
  const { signal, progress, style, force } = context;
  const opened = await openRun(run);
  const { scoring = "scoring" } = opened.task.progressWords ?? {};
  const evaluation = await evaluateRun(opened, {
    ...options,
    force,
    signal,
    onNote: (text) => progress.note(text),
    onProblems: (problems) => noteProblems(progress, problems),
    onCase: (done, of, id, text) =>
      progress.update({ label: `${scoring}  ${done}/${of}`, fraction: done / of, details: [`${id}  ${text}`] }),
  });
  progress.clear();
  const { json, lines, report, predictions } = evaluation;
  return {
    document: { ...json, run, report, predictions },
    text: [
      // The figure that counts is what the eye looks for.
      ...lines.map((line) => line.replace(/(mean (?:AP50|AP10)? ?[\d.]+|AUC [\d.]+)/, (figure) => style.bold(figure))),
      `predictions  ${predictions}`,
      `report       ${report}`,
    ].join("\n"),
  };
}

/** The keys of what `--json` prints of a segmentation's scores. */
const segmentationKeys = {
  cases: "how many were scored",
  "dice.mean": "of a segmentation: mean over classes of the mean over cases; absent from both masks is left out",
  "dice.median": "of each case's own mean over its classes: the median over cases",
  "dice.interval": "its 95 % bootstrap interval over cases, [low, high] or null",
  "dice.classes": "mean Dice by class",
  hd95Mm: "95th percentile of the symmetric surface distance, mm, mean over classes",
  leftOutOfDistances:
    "what HD95 and ASSD leave out, counted over cases and classes: missed (in the truth, not predicted) and spurious (predicted, not in the truth)",
  "nsd.mean":
    "surface Dice: share of both surfaces within nsd.toleranceMm of the other, mean over classes; missed and spurious count 0",
  "nsd.toleranceMm": "its tolerance, mm",
  "nsd.median": "of each case's own mean over its classes: the median over cases",
  "nsd.interval": "the mean's 95 % bootstrap interval over cases, [low, high] or null",
  "nsd.classes": "mean surface Dice by class",
  assdMm: "average symmetric surface distance, mm",
  perCase:
    "per case: of a segmentation case, dice, meanDice, hd95Mm, assdMm, nsd, volumeDifferenceMl by class, absent classes, unlistedVoxels and ignoredVoxels where there are any, and in a run of folds the fold that scored it; of a classifier case, truth, score",
  overall: "every measure: mean, interval, median, std, min, max, n, leftOut",
  bootstrap: "resamples, confidence and seed of the intervals",
};

const classificationKeys = {
  auc: "of a classifier: area under the ROC curve; with more classes their mean, each against the rest",
  aucInterval: "DeLong's 95 % interval, or null",
  accuracy: "at 0.5, with accuracyInterval (Wilson)",
  accuracyInterval: "[low, high]",
  sensitivity: "at 0.5; with more than two classes the mean recall",
  specificity: "at 0.5; with more than two classes null",
  balancedAccuracy: "mean recall over classes",
  atHalf: "threshold, sensitivity, specificity, accuracy and their intervals at 0.5",
  youden: "the same at the threshold that maximises sensitivity + specificity on these very cases",
  averagePrecision: "of class 1",
  brier: "mean squared difference of probability and truth",
  calibrationError: "expected calibration error, ten bins",
  reliability: "the bins",
  confusion: "cases by true class (rows) and called class (columns)",
  level: "confidence of the intervals",
  folds: "number of folds, where there are any",
  rule: "which ratings are positive and negative, of a classifier of ratings",
};

/** Those of a detection's scores. */
const detectionKeys = {
  axes: "of a detection: 2 for pictures, 3 for volumes",
  images: "how many were scored",
  maxDetections: "detections of a class that count in an image",
  ap50: "average precision at IoU 0.5, mean over classes",
  ap: "COCO's average precision, IoU 0.5 to 0.95; in 3D 0.1 to 0.5",
  ap10: "in 3D: average precision at IoU 0.1",
  ar: "average recall of all detections",
  cpm: "in 3D: mean sensitivity at 1/8 to 8 false positives a scan (LUNA16)",
  cpmInterval: "its 95 % bootstrap interval over scans",
  sensitivityAt: "in 3D: sensitivity by false positives a scan",
  sensitivityIntervals: "their 95 % bootstrap intervals",
  findings: "in 3D: total, found, scans, irrelevantMarks",
  coco: "in 2D: COCO's twelve figures",
  voc: "Pascal VOC's average precision at IoU 0.5: area, elevenPoint",
  perImage: "per image: image, truth, found, missed, falsePositives at score 0.5",
};

const commonKeys = {
  "evaluation.name": "the evaluation's name: heldOut, or that of its folder below evaluations/",
  "evaluation.on": "heldOut, validation, train, or data for another data set",
  "evaluation.options": "what it was told beside",
  "evaluation.line": "its figures in one line; with --data or --use, data and use stand there, too",
  classes:
    "of a segmentation: every measure by class; of a detection: by name positives, detections, ap, ap50, ap75 (3D: ap10), ar, voc",
  "problems.count": "what is wrong with the data that were trained and scored on; of another data set, with that",
  "problems.rules": "how often each rule was broken",
  "problems.list": "each of them: severity, case, rule, message",
  run: "the run's folder",
  report: "the report's file",
  predictions: "the folder of what was predicted",
};

/** The keys of what `--json` prints of any run's scores. */
export const evaluationJson = {
  task: "segmentation, classification or detection; the keys below follow it",
  ...segmentationKeys,
  ...classificationKeys,
  ...detectionKeys,
  ...commonKeys,
};

/** The keys of what `--json` prints of a detection's scores. */
export const detectionEvaluationJson = { task: "detection", ...detectionKeys, ...commonKeys };
