/** Scores of a detection's run on images it did not learn from: figures, table, detections and the report. */
import { join } from "node:path";
import type { DetectionItem } from "../data/index.ts";
import { ConfigError } from "../errors.ts";
import { makeFolder, writeFileAtomic } from "../files/index.ts";
import {
  type DetectionSummary,
  detectionCsv,
  detectionJson,
  evaluateDetection,
  type FrocScan,
  frocScan,
} from "../metrics/index.ts";
import { type Json, writeDetectionReport } from "../report/index.ts";
import { reportMachine } from "../train/index.ts";
import { detectionHistory } from "./detector-history.ts";
import { openImage } from "./detector-images.ts";
import { boxesPng, type FoundImage, foundImage, writeDetections } from "./detector-output.ts";
import { fasterRcnn } from "./detector-predict.ts";
import { type DetectionRun, itemsOfRun, openDetectionFor, readDetectionRun } from "./detector-run.ts";
import { scoredImage } from "./detector-scores.ts";
import type { Detections } from "./post-process.ts";

export interface EvaluateDetectionOptions {
  /** Which of the run's own images; `heldOut` by default. */
  readonly split?: "heldOut" | "validation" | "train";
  /** Another data set, all its images. */
  readonly data?: string;
  /** Default: as the run says. */
  readonly use?: "last" | "best";
  readonly threads?: number;
  /** Of volumes: most voxels along x, y, z that go through at once; default twice the windows of training. */
  readonly tile?: readonly number[];
  /** Share of a tile that neighbours have in common; default a quarter. */
  readonly overlap?: number;
  readonly signal?: AbortSignal;
  readonly onImage?: (done: number, of: number, id: string) => void;
}

export interface DetectionEvaluation {
  readonly task: "detection";
  readonly summary: DetectionSummary;
  /** What `--json` prints. */
  readonly json: ReturnType<typeof detectionJson>;
  readonly report: string;
  readonly predictions: string;
  readonly seconds: number;
}

/**
 * Detects in every image, scores, and writes `evaluation.json`, `scores.csv`, `predictions/` and `report.html`: into the run's folder for
 * its held-out images, else into `evaluations/`.
 * @throws ConfigError where there is nothing to be scored on
 */
export async function evaluateDetectionRun(
  folder: string,
  options: EvaluateDetectionOptions = {},
): Promise<DetectionEvaluation> {
  const began = performance.now();
  const { split = "heldOut", data, use, threads, tile, overlap, signal, onImage } = options;
  const run = await readDetectionRun(folder);
  const { plan, record } = run;
  const { axes } = plan;
  const classes = plan.classes.map(({ name }) => name);
  const items =
    data === undefined
      ? await itemsOfRun(run, record.splits[split], signal)
      : (await openDetectionFor(record.config, { path: data, classes, signal })).items;
  if (items.length === 0)
    throw new ConfigError(`${folder}: has no ${split} image to be scored on; name a data set with --data`);
  const detector = await fasterRcnn.load(folder, { use, threads, tile, overlap });
  const found = new Map<string, Detections>();
  const written: FoundImage[] = [];
  const scans: FrocScan[] = [];
  try {
    for (const [i, item] of items.entries()) {
      signal?.throwIfAborted();
      const { found: own, opened } = await detector.detectFile(item);
      found.set(item.id, own);
      written.push(foundImage(item, own, opened));
      if (opened.affine !== undefined) {
        const { truth, detections } = scoredImage(item, own);
        scans.push(frocScan(item.id, truth, detections, opened.affine));
      }
      onImage?.(i + 1, items.length, item.id);
    }
  } finally {
    await detector.close();
  }
  const summary = evaluateDetection(
    items.map((item) => scoredImage(item, found.get(item.id)!)),
    { axes, classes, scans: axes === 3 ? scans : undefined },
  );
  const json = detectionJson(summary);
  const name = data === undefined ? split : "data";
  const out = name === "heldOut" ? folder : join(folder, "evaluations", name);
  const predictions = join(out, "predictions");
  await makeFolder(out);
  await writeDetections(predictions, written, plan.classes, axes, true);
  await writeFileAtomic(join(out, "evaluation.json"), `${JSON.stringify(json, null, 2)}\n`, { force: true });
  await writeFileAtomic(join(out, "scores.csv"), detectionCsv(summary), { force: true });
  const seconds = (performance.now() - began) / 1000;
  const report = join(out, "report.html");
  await writeRunReport(report, folder, run, { summary, items, found, seconds, options });
  return { task: "detection", summary, json, report, predictions, seconds };
}

async function writeRunReport(
  path: string,
  folder: string,
  { record, plan }: DetectionRun,
  made: {
    readonly summary: DetectionSummary;
    readonly items: readonly DetectionItem[];
    readonly found: ReadonlyMap<string, Detections>;
    readonly seconds: number;
    readonly options: EvaluateDetectionOptions;
  },
): Promise<void> {
  const { config, splits, credit } = record;
  const { split = "heldOut", data, use = config.use } = made.options;
  const phases = await detectionHistory(folder, config);
  const trained = phases.flatMap(({ history }) => history).reduce((sum, { seconds }) => sum + seconds, 0);
  const byId = new Map(made.items.map((item) => [item.id, item]));
  const images = plan.axes === 2 ? "pictures" : "volumes";
  const seen =
    data !== undefined
      ? "of another data set"
      : split === "train"
        ? "it was trained on"
        : split === "validation"
          ? "watched in training"
          : "it never saw";
  await writeDetectionReport(
    path,
    {
      title: `${plan.dataset} detection`,
      lead: `${detectorText({ record, plan })}, from ${config.from ?? config.backbone ?? "random weights"}. Trained on ${splits.train.length} ${images}, scored on ${made.summary.images} ${seen}.`,
      summary: made.summary,
      phases: phases.map(({ part, title, history, best }) => ({
        title: phases.length > 1 ? title : undefined,
        history,
        bestEpoch: use === "best" ? best : undefined,
        ofProposals: part === "rpn",
      })),
      asked: { ...(config as unknown as Record<string, Json>), plan: plan as unknown as Json },
      machine: reportMachine(record, config.device, trained + made.seconds),
      command: record.command || `medvox detect train --data ${config.data} --out ${folder}`,
      data: [
        {
          name: credit.name,
          licence: credit.licence,
          source: credit.source,
          split: `${splits.train.length} train · ${splits.validation.length} watched · ${splits.heldOut.length} held out`,
        },
      ],
    },
    async (id) => {
      const item = byId.get(id)!;
      return boxesPng(await openImage(item, plan), made.found.get(id)!, { classes: plan.classes, truth: item });
    },
    { force: true },
  );
}

/** `Faster R-CNN (modern), ResNet-18 with a feature pyramid, batch norm`. */
export function detectorText({ record, plan }: DetectionRun): string {
  const { kind, depth, pyramidChannels, norm } = plan.detector.backbone;
  const network =
    kind === "vgg16"
      ? "VGG-16"
      : `${kind === "medicalnet" ? "MedicalNet " : ""}ResNet-${depth}${pyramidChannels === null ? "" : " with a feature pyramid"}, ${norm} norm`;
  return `Faster R-CNN (${record.config.preset}), ${network}`;
}
