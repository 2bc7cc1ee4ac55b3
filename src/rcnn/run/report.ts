/** The figures of a detection's images as `--json`, tables, lines for a terminal and the report. */
import { counted } from "../../data/counted.ts";
import type { DetectionItem } from "../../data/index.ts";
import {
  type DetectionSummary,
  detectionCsv,
  detectionJson,
  evaluateDetection,
  type FrocScan,
  frocScan,
  frocSizeText,
} from "../../metrics/index.ts";
import { bestEpoch, runFrame, splitText, trainingSeconds, writeDetectionReport } from "../../report/index.ts";
import type { EvaluationFrame, Options, Scored, Summary } from "../../train/index.ts";
import { openImage } from "../detect/images.ts";
import { boxesPng } from "../detect/output.ts";
import type { DetectionFound } from "../detect/predictor.ts";
import { scoredImage } from "../detect/scores.ts";
import type { DetectedBoxes } from "../parts/post-process.ts";
import type { DetectionRun } from "./data.ts";
import { detectionHistory } from "./history.ts";
import { detectorText } from "./text.ts";

/** What was found in an image, beside what there is. */
export interface DetectionScore {
  readonly found: DetectedBoxes;
  /** Of a volume: its marks and findings. */
  readonly scan?: FrocScan;
}

export async function scoreDetection(
  _run: DetectionRun,
  item: DetectionItem,
  { found, opened: { affine } }: DetectionFound,
): Promise<DetectionScore> {
  if (affine === undefined) return { found };
  const { truth, detections } = scoredImage(item, found);
  return { found, scan: frocScan(item.id, truth, detections, affine) };
}

export function summariseDetection(
  run: DetectionRun,
  scored: readonly Scored<DetectionItem, DetectionScore>[],
  options: Options,
): Summary {
  const { axes, classes } = run.plan;
  const summary = evaluateDetection(
    scored.map(({ item, score }) => scoredImage(item, score.found)),
    {
      axes,
      classes: classes.map(({ name }) => name),
      max: options.max as number | undefined,
      scans: axes === 3 ? scored.flatMap(({ score }) => score.scan ?? []) : undefined,
    },
  );
  return {
    figures: summary,
    json: detectionJson(summary),
    tables: { "scores.csv": detectionCsv(summary) },
    lines: detectionLines(summary),
    report: (path, frame) => writeRunReport(path, run, scored, summary, frame),
  };
}

/** The figures in a few lines for a terminal. */
export function detectionLines(summary: DetectionSummary): string[] {
  const { axes, ap, ap50, ap10, classes, images, voc, froc } = summary;
  const number = (value: number | null | undefined): string => value?.toFixed(3) ?? "undefined";
  const [name, mean, at] = axes === 2 ? ["AP50", ap50, "ap50" as const] : ["AP10", ap10, "ap10" as const];
  return [
    `scored       ${classes.map((one) => `${one.name} ${number(one[at])}`).join(" · ")} · mean ${name} ${number(mean)}   ${counted(images, axes === 2 ? "picture" : "volume")}`,
    `             AP ${number(ap)} (IoU ${axes === 2 ? "0.5 to 0.95" : "0.1 to 0.5"}) · VOC ${number(voc.area)}`,
    ...(froc === undefined ? [] : [`CPM          ${number(froc.cpm)}   ${counted(froc.findings, "finding")}`]),
    ...(froc === undefined || froc.bySize.length === 0
      ? []
      : [
          `found        ${froc.bySize.map((size) => `${size.found} of ${size.findings} ${frocSizeText(size)}`).join(" · ")}   at 1 false positive a scan`,
        ]),
  ];
}

async function writeRunReport(
  path: string,
  run: DetectionRun,
  scored: readonly Scored<DetectionItem, DetectionScore>[],
  summary: DetectionSummary,
  frame: EvaluationFrame,
): Promise<void> {
  const { record, plan, store } = run;
  const { config, splits } = record;
  const phases = await detectionHistory(store, config);
  const byId = new Map(scored.map(({ item, score }) => [item.id, { item, score }]));
  await writeDetectionReport(
    path,
    {
      ...runFrame({
        title: `${plan.dataset} detection`,
        lead: {
          network: `${detectorText(run)}, from ${config.from ?? config.backbone ?? "random weights"}`,
          trained: splits.train.length,
          scored: summary.images,
          noun: plan.axes === 2 ? "picture" : "volume",
          part: frame.part,
        },
        record,
        plan,
        device: config.device,
        seconds: trainingSeconds(...phases.map(({ history }) => history)) + frame.seconds,
        instead: ["medvox", "detect", "train", "--data", config.data, "--out", store.place],
        split: splitText(splits),
        problems: frame.problems,
        evaluations: frame.evaluations,
      }),
      summary,
      phases: phases.map(({ part, title, history }) => ({
        title: phases.length > 1 ? title : undefined,
        history,
        bestEpoch: bestEpoch(history, frame.use ?? config.use),
        ofProposals: part === "rpn",
      })),
    },
    async (id) => {
      const { item, score } = byId.get(id)!;
      return boxesPng(await openImage(item, plan), score.found, { classes: plan.classes, truth: item });
    },
    { force: true },
  );
}
