/** The scores of a segmentation: a case at a time, and all of them as figures, tables and the report. */
import { type DataCase, labelProblems, type Plan, type Problem, readImage, readLabel } from "../../data/index.ts";
import { readVolume } from "../../files/index.ts";
import {
  type CaseScores,
  evaluateSegmentation,
  evaluationJson,
  type LabelNames,
  scoresCsv,
  summarise,
  summaryCsv,
} from "../../metrics/index.ts";
import { bestEpoch, leftOutText, runFrame, splitText, trainingSeconds, writeReport } from "../../report/index.ts";
import { epochRecordsOf, type Options, type Scored, type Summary } from "../../train/index.ts";
import { spacingOf } from "../../volume/index.ts";
import { encoderName } from "../encoder/config.ts";
import type { SegmentationConfig } from "./config.ts";
import { usedWeights } from "./export.ts";
import { type KeepLargest, keepLargestText, keepLargestWord } from "./keep-largest.ts";
import { predictionPath, type SegmentationFound } from "./prediction/predictor.ts";
import type { SegmentationRun } from "./session.ts";

/** Overlap and distances of a prediction and its truth, on the image's own grid. */
export async function scoreSegmentation(
  { plan }: Pick<SegmentationRun, "plan">,
  item: DataCase,
  { volume, image }: SegmentationFound,
  options: Options,
  report: (problem: Problem) => void,
): Promise<CaseScores> {
  const truth = await readLabel(item, image);
  const classes = plan.labels.map(({ index }) => index);
  for (const problem of labelProblems(item, truth, classes, "the run")) report(problem);
  return evaluateSegmentation(truth.data, volume.data, {
    size: image.size,
    spacingMm: spacingOf(image.affine),
    labels: labelNames(plan),
    case: item.id,
    ignore: item.ignoreLabel,
    // They are said above, and stand in the evaluation.
    unlisted: "count",
    nsdToleranceMm: options.nsdToleranceMm as number | undefined,
  });
}

export function segmentationScoreText({ meanDice }: CaseScores): string {
  return `dice ${meanDice?.toFixed(3) ?? "undefined"}`;
}

/** Tells scores of other components than the run's own apart; empty where predictions are made as the run says. */
export function segmentationEvaluationName({ keepLargest }: Options): string {
  return keepLargest === undefined ? "" : keepLargestWord(keepLargest as KeepLargest | null);
}

function labelNames({ labels }: Plan): LabelNames {
  return Object.fromEntries(labels.map(({ index, name }) => [index, name]));
}

export function summariseSegmentation(run: SegmentationRun, scored: readonly Scored<DataCase, CaseScores>[]): Summary {
  const { config } = run.record;
  const scores = scored.map(({ score }) => score);
  const summary = summarise(scores, { seed: config.seed });
  const folds = new Map(
    scored.flatMap(({ item, scoredBy = [] }) => (scoredBy.length === 0 ? [] : [[item.id, scoredBy.join(" ")]])),
  );
  const { overall, classes } = summary;
  const number = (value: number | null, digits: number): string => value?.toFixed(digits) ?? "undefined";
  const perClass = classes.map(({ name, dice }) => `${name.toLowerCase()} ${number(dice.mean, 3)}`).join(" · ");
  const interval =
    overall.dice.interval === null ? "" : `  (95 % ${overall.dice.interval.map((v) => v.toFixed(3)).join("–")})`;
  const leftOut = leftOutText(summary);
  const beside = leftOut === null ? "" : ` (${leftOut})`;
  return {
    figures: summary,
    json: { ...evaluationJson(summary, scores, folds), ...(folds.size > 0 && { folds: config.folds }) },
    tables: { "scores.csv": scoresCsv(scores, folds), "summary.csv": summaryCsv(summary) },
    lines: [
      `held out     ${perClass} · mean ${number(overall.dice.mean, 3)}${interval} · median ${number(overall.dice.median, 3)}   HD95 ${number(overall.hd95Mm.mean, 2)} mm${beside} · NSD ${number(overall.nsd.mean, 3)} at ${summary.nsdToleranceMm} mm   ${summary.cases} cases`,
    ],
    report: async (path, frame) => {
      const { splits } = run.record;
      const history = config.folds === null ? await epochRecordsOf(run.store) : [];
      const byId = new Map(scored.map(({ item }) => [item.id, item]));
      const { keepLargest = config.keepLargest } = frame.options as { readonly keepLargest?: KeepLargest | null };
      const kept = keepLargestText(keepLargest);
      await writeReport(
        path,
        {
          ...runFrame({
            title: `${run.plan.dataset} segmentation`,
            lead: {
              network: `${networkText(config)}, from ${config.from ?? "random weights"}`,
              trained: splits.train.length,
              scored: scores.length,
              noun: "case",
              part: frame.part,
              folds: config.folds,
              ways: kept === undefined ? [] : [`${kept} of each prediction kept`],
            },
            record: run.record,
            plan: run.plan,
            device: config.device,
            seconds: trainingSeconds(history) + frame.seconds,
            instead: ["medvox", "train", "segmentation", "--data", config.data, "--out", run.store.place],
            split: splitText(splits, config.folds),
            problems: frame.problems,
            evaluations: frame.evaluations,
          }),
          summary,
          cases: scores,
          history,
          bestEpoch: bestEpoch(history, frame.use ?? usedWeights(run.record)),
        },
        async (name) => {
          const item = byId.get(name)!;
          const prediction = await readVolume(predictionPath(frame.predictions, item));
          return { image: await readImage(item), truth: await readLabel(item), prediction };
        },
        { force: true },
      );
    },
  };
}

/** `MedicalNet ResNet-10 with a skip decoder`. */
function networkText(config: SegmentationConfig): string {
  const decoder = {
    skip: "a skip decoder",
    upsampling: "the paper's up-sampling head",
    convSeg: "MedicalNet's conv_seg head",
    transposed: "the paper's transposed convolutions",
    denseAspp: "DenseASPP",
    custom: "a decoder of its own",
  }[config.decoder];
  return `MedicalNet ${encoderName(config).replace(/^resnet/, "ResNet-")} with ${decoder}`;
}
