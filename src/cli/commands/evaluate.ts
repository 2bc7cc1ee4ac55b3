/** `medvox evaluate RUN`: predicts the held-out cases, scores them, writes the report. */
import { matchClasses, openClassification, openDataset } from "../../data/index.ts";
import { ConfigError } from "../../errors.ts";
import { branchRun, evaluateClassificationRun, evaluateRun, type Run, readAnyRun, readRun } from "../../med3d/index.ts";
import { classificationText } from "../classification.ts";
import { ratings } from "../classification-options.ts";
import { type CommandContext, defineCommand, type Outcome } from "../command.ts";
import { detectionEvaluationJson, evaluateDetections, isDetectionRun } from "../detection.ts";
import { evaluationKeys, evaluationText } from "../evaluation.ts";
import { decimal, wholeNumber } from "../values.ts";

interface Options {
  data?: string;
  set?: string;
  split?: "heldOut" | "validation" | "train";
  use?: "last" | "best";
  mirror?: boolean;
  overlap?: number;
  threads?: number;
  positive?: number[];
  negative?: number[];
}

export const command = defineCommand<Options, [string]>({
  configure: (command) =>
    command
      .argument("<run>", "the run's folder")
      .option("--data <path>", "score on all labelled cases of this data set instead of the run's own held-out ones")
      .option("--split <which>", "heldOut, validation or train (default heldOut)")
      .option("--set <name>", "of a pre-training: whose branch")
      .option("--use <which>", "weights: last or best (default: as the run says)")
      .option("--mirror", "average with the prediction of the mirrored image (of a classifier: of all eight)")
      .option(
        "--overlap <share>",
        "what neighbouring windows have in common (default 0.5)",
        decimal({ min: 0, max: 0.95 }),
      )
      .option("--threads <n>", "threads of the engine (default: all cores)", wholeNumber({ min: 1 }))
      .option("--positive <ratings>", "of a classifier of ratings: which are positive, e.g. 4,5", ratings)
      .option("--negative <ratings>", "and which negative, e.g. 1,2; others are left out of the score", ratings),
  details:
    "Scores on --data or another --split go to evaluations/ in the run's folder; the held-out ones to the folder itself.",
  json: {
    ...detectionEvaluationJson,
    ...evaluationKeys,
    classes:
      "of a segmentation: every measure by class; of a detection: by name positives, detections, ap, ap50, ap75 (3D: ap10), ar, voc",
    task: "segmentation, classification or detection",
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
    run: "the run's folder",
    report: "the report's file",
  },
  examples: [
    "medvox evaluate runs/hippocampus",
    "medvox evaluate runs/hippocampus --data other_hospital/ --json",
    "medvox evaluate runs/cells",
    "medvox evaluate runs/nodules --positive 4,5 --negative 1,2 --mirror",
  ],
  async run(context, asked, run) {
    if (await isDetectionRun(run)) {
      const { data, split, use, threads } = asked;
      const wrong = (["set", "mirror", "overlap", "positive", "negative"] as const).find(
        (key) => asked[key] !== undefined,
      );
      if (wrong !== undefined) throw new ConfigError(`--${wrong}: ${run} is a detection run; leave it out`);
      return evaluateDetections(context, { data, split, use, threads }, run);
    }
    const opened = await readAnyRun(run);
    if (opened.task === "classification") return evaluateClassifier(context, asked, run, opened);
    const { signal, progress, style } = context;
    const { data, positive, negative, set, ...options } = asked;
    if (set !== undefined && opened.task !== "pretraining")
      throw new ConfigError(`--set ${set}: ${run} is a ${opened.task} run; only a pre-training has sets`);
    if (positive !== undefined || negative !== undefined)
      throw new ConfigError(`--positive and --negative: ${run} is a ${opened.task} run; they are for classifiers`);
    const target = opened.task === "pretraining" ? await branchRun(run, set) : run;
    const { plan } = await readRun(target);
    const dataset = data === undefined ? undefined : matchClasses(await openDataset(data), plan.labels, run);
    const cases = dataset && [...dataset.cases, ...dataset.test].filter(({ label }) => label !== undefined);
    const evaluation = await evaluateRun(target, {
      ...options,
      cases,
      signal,
      onCase: (done, of, { case: name, meanDice }) =>
        progress.update({
          label: `scoring  ${done}/${of}`,
          fraction: done / of,
          details: [`${name}  dice ${meanDice?.toFixed(3) ?? "undefined"}`],
        }),
    });
    progress.clear();
    return {
      document: { ...evaluation.json, run, report: evaluation.report },
      text: evaluationText(evaluation, style),
    };
  },
});

async function evaluateClassifier(
  { signal, progress, style }: CommandContext,
  { data, overlap: _, ...options }: Options,
  run: string,
  { record, plan }: Run<"classification">,
): Promise<Outcome> {
  const { labelColumn, groupColumn } = record.config;
  const dataset =
    data === undefined
      ? undefined
      : await openClassification(data, {
          ...plan.ratings?.rule,
          classes: plan.classes,
          labelColumn: labelColumn ?? undefined,
          groupColumn: groupColumn ?? undefined,
        });
  const cases =
    dataset &&
    [...dataset.cases, ...dataset.test].filter((item) => item.class !== undefined || item.rating !== undefined);
  const evaluation = await evaluateClassificationRun(run, {
    ...options,
    cases,
    signal,
    onCase: (done, of, name) =>
      progress.update({ label: `scoring  ${done}/${of}`, fraction: done / of, details: [name] }),
  });
  progress.clear();
  return {
    document: { ...evaluation.json, run, report: evaluation.report },
    text: classificationText(evaluation, style),
  };
}
