/** Scoring a run on its held-out cases: predictions as NIfTI files, scores as JSON and CSV, the report. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type DataCase, labelProblems, type Plan, type Problem, readImage, readLabel } from "../data/index.ts";
import { ConfigError } from "../errors.ts";
import { readVolume, writeFileAtomic, writeVolume } from "../files/index.ts";
import {
  type CaseScores,
  evaluateSegmentation,
  evaluationJson,
  type LabelNames,
  type SegmentationSummary,
  scoresCsv,
  summarise,
  summaryCsv,
} from "../metrics/index.ts";
import { type EpochRecord, type Json, writeReport } from "../report/index.ts";
import { epochRecordsOf, reportMachine } from "../train/index.ts";
import { spacingOf } from "../volume/index.ts";
import { type RunRecord, readRun } from "./run-folder.ts";
import { openSegmenter, type PredictOptions, type SegmenterOptions } from "./segmentation-predict.ts";

export interface EvaluateOptions extends SegmenterOptions, Pick<PredictOptions, "overlap" | "mirror" | "signal"> {
  /** Which cases; the held-out ones by default. */
  readonly split?: "heldOut" | "validation" | "train";
  /** Other labelled cases instead. */
  readonly cases?: readonly DataCase[];
  /** Folder for what is written; the run's own for its held-out cases, else `evaluations/NAME` in it. */
  readonly out?: string;
  readonly onCase?: (done: number, of: number, scores: CaseScores) => void;
}

export interface Evaluation {
  readonly summary: SegmentationSummary;
  readonly cases: readonly CaseScores[];
  /** What was found in the label maps: values that no class of the run has. */
  readonly problems: readonly Problem[];
  /** As `medvox evaluate --json` prints it. */
  readonly json: object;
  readonly predictions: string;
  readonly report: string;
  readonly seconds: number;
}

/**
 * Predicts and scores; writes `predictions/`, `evaluation.json`, `scores.csv`, `summary.csv` and `report.html`. Scores on other
 * cases than the held-out ones get a folder of their own, so that they never replace the run's.
 */
export async function evaluateRun(folder: string, options: EvaluateOptions = {}): Promise<Evaluation> {
  const began = performance.now();
  const { record, plan } = await readRun(folder);
  const cases: readonly DataCase[] = options.cases ?? record.splits[options.split ?? "heldOut"];
  if (cases.length === 0)
    throw new ConfigError(`${folder}: the run held no case out to be scored on; name labelled cases with --data`);
  const other = options.cases === undefined ? (options.split ?? "heldOut") : "data";
  const out = options.out ?? (other === "heldOut" ? folder : join(folder, "evaluations", other));
  const predictions = join(out, "predictions");
  await mkdir(predictions, { recursive: true });
  const labels: LabelNames = Object.fromEntries(plan.labels.map(({ index, name }) => [index, name]));
  const segmenter = await openSegmenter(folder, options);
  const classes = plan.labels.map(({ index }) => index);
  const scores: CaseScores[] = [];
  const problems: Problem[] = [];
  try {
    for (const item of cases) {
      const { volume, image } = await segmenter.segment(item, options);
      const truth = await readLabel(item, image);
      await writeVolume(predictionPath(predictions, item), volume, { like: image.header, force: true });
      problems.push(...labelProblems(item, truth, classes, "the run"));
      scores.push(
        evaluateSegmentation(truth.data, volume.data, {
          size: image.size,
          spacingMm: spacingOf(image.affine),
          labels,
          ignore: item.ignoreLabel,
          case: item.id,
        }),
      );
      options.onCase?.(scores.length, cases.length, scores[scores.length - 1]);
    }
  } finally {
    await segmenter.close();
  }
  const summary = summarise(scores, { seed: record.config.seed });
  const json = { ...evaluationJson(summary, scores), problems };
  const write = (name: string, text: string): Promise<void> => writeFileAtomic(join(out, name), text, { force: true });
  await write("evaluation.json", `${JSON.stringify(json, null, 2)}\n`);
  await write("scores.csv", scoresCsv(scores));
  await write("summary.csv", summaryCsv(summary));
  const seconds = (performance.now() - began) / 1000;
  const report = join(out, "report.html");
  await writeRunReport(report, folder, record, plan, { summary, scores, cases, seconds, predictions });
  return { summary, cases: scores, problems, json, predictions, report, seconds };
}

/** The file of a case's predicted label map. */
export function predictionPath(folder: string, { id }: Pick<DataCase, "id">): string {
  return join(folder, `${id}.nii.gz`);
}

/** Curves from the log, scores, three cases in pictures, what was asked and where it was done. */
async function writeRunReport(
  path: string,
  folder: string,
  record: RunRecord,
  plan: Plan,
  made: {
    summary: SegmentationSummary;
    scores: readonly CaseScores[];
    cases: readonly DataCase[];
    seconds: number;
    predictions: string;
  },
): Promise<void> {
  const { config, splits, credit } = record;
  const history = await epochRecordsOf(folder);
  const trainedSeconds = history.reduce((sum, { seconds }) => sum + (seconds ?? 0), 0);
  const byId = new Map(made.cases.map((item) => [item.id, item]));
  await writeReport(
    path,
    {
      title: `${plan.dataset} segmentation`,
      lead: `MedicalNet ResNet-${config.depth} with ${decoderText(config.decoder)}, trained from ${config.from ?? "random weights"} on ${splits.train.length} cases, scored on ${made.scores.length} cases it never saw.`,
      summary: made.summary,
      cases: made.scores,
      history,
      bestEpoch: config.use === "best" && splits.validation.length > 0 ? bestEpochOf(history) : undefined,
      asked: { ...(config as unknown as Record<string, Json>), plan: plan as unknown as Json },
      machine: reportMachine(record, config.device, trainedSeconds + made.seconds),
      command: record.command || `medvox train segmentation --data ${config.data} --out ${folder}`,
      data: [
        {
          name: credit.name,
          licence: credit.licence,
          source: credit.source,
          split: [
            `${splits.train.length} train`,
            `${splits.validation.length} validation`,
            `${splits.heldOut.length} held out`,
          ].join(" · "),
        },
      ],
    },
    async (name) => {
      const item = byId.get(name)!;
      const image = await readImage(item);
      const truth = await readLabel(item);
      return { image, truth, prediction: await readVolume(predictionPath(made.predictions, item)) };
    },
    { force: true },
  );
}

function decoderText(decoder: RunRecord["config"]["decoder"]): string {
  return {
    skip: "a skip decoder",
    upsampling: "the paper's up-sampling head",
    convSeg: "MedicalNet's conv_seg head",
    transposed: "the paper's transposed convolutions",
    denseAspp: "DenseASPP",
  }[decoder];
}

function bestEpochOf(history: readonly EpochRecord[]): number | undefined {
  const score = ({ scores }: EpochRecord): number => {
    const values = Object.values(scores ?? {}).filter((value) => value !== null);
    return values.length === 0 ? Number.NEGATIVE_INFINITY : values.reduce((a, b) => a + b, 0) / values.length;
  };
  return history.length === 0
    ? undefined
    : history.reduce((best, record) => (score(record) > score(best) ? record : best)).epoch;
}
