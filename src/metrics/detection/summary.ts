/**
 * All scores of a detector on a set of images, and what `evaluate --json` prints of them: COCO's figures and VOC's in 2D;
 * in 3D average precision by IoU of volumes, and the free-response curve where scans have world coordinates.
 */
import type { Axes } from "../../boxes/index.ts";
import { ConfigError } from "../../errors.ts";
import { csv } from "../segmentation/table.ts";
import { type CocoScores, cocoFigures, cocoScores, detectionLimits } from "./coco.ts";
import type { DetectionImage } from "./detection.ts";
import { type Froc, type FrocOptions, type FrocScan, froc } from "./froc.ts";
import { type VocScores, vocScores } from "./voc.ts";

export interface DetectionClassScores {
  readonly name: string;
  /** True boxes that count. */
  readonly positives: number;
  readonly detections: number;
  readonly ap: number | null;
  readonly ap50: number | null;
  /** In 2D. */
  readonly ap75?: number | null;
  /** In 3D: at IoU 0.1, as nnDetection and MONAI report it. */
  readonly ap10?: number | null;
  readonly ar: number | null;
  /** VOC's area rule at 0.5. */
  readonly voc: number | null;
}

export interface DetectionSummary {
  readonly axes: Axes;
  readonly images: number;
  /** Detections of a class that count in an image. */
  readonly maxDetections: number;
  /** Over 0.5 … 0.95 in 2D, 0.1 … 0.5 in 3D. */
  readonly ap: number | null;
  readonly ap50: number | null;
  readonly ap10?: number | null;
  /** COCO's twelve, in 2D. */
  readonly coco?: ReturnType<typeof cocoFigures>;
  readonly ar: number | null;
  readonly voc: { readonly area: number | null; readonly elevenPoint: number | null };
  readonly classes: readonly DetectionClassScores[];
  readonly froc?: Froc;
  readonly curves: { readonly coco: CocoScores; readonly voc: VocScores };
  readonly perImage: readonly DetectionImageScores[];
}

/** What went right and wrong in one image, of detections with a score of at least `threshold`, at IoU 0.5 (3D: 0.1). */
export interface DetectionImageScores {
  readonly image: string;
  readonly truth: number;
  readonly found: number;
  readonly missed: number;
  readonly falsePositives: number;
}

export interface DetectionSummaryOptions {
  readonly axes: Axes;
  readonly classes: readonly string[];
  /** Scans in world coordinates, for the free-response curve. */
  readonly scans?: readonly FrocScan[];
  readonly froc?: FrocOptions;
  /** Score from which a detection counts in `perImage`. Default 0.5. */
  readonly threshold?: number;
  /** Detections of a class that count in an image, the best ones; COCO's 100 by default. VOC's scores know no limit. */
  readonly max?: number;
}

/** Detections of a class that count in an image, where nothing is asked: COCO's. */
export const DETECTIONS_COUNTED = 100;

/** @throws ShapeError naming the image whose lists do not belong together; DataError naming the image and the box of a label that no class has, ConfigError for bad options */
export function evaluateDetection(
  images: readonly DetectionImage[],
  options: DetectionSummaryOptions,
): DetectionSummary {
  const { axes, classes, scans, threshold = 0.5, max = DETECTIONS_COUNTED } = options;
  if (!Number.isInteger(max) || max < 1) throw new ConfigError(`max: ${max}; expected a whole number from 1`);
  const coco = cocoScores(images, { axes, classes, maxDetections: detectionLimits(axes, max) });
  const voc = vocScores(images, { axes, classes });
  const byClass = (k: number): DetectionClassScores => ({
    name: classes[k],
    positives: coco.positives[k],
    detections: images.reduce(
      (sum, { detections }) => sum + Array.from(detections.labels).filter((l) => l === k).length,
      0,
    ),
    ap: coco.averagePrecision({ classIndex: k }),
    ap50: coco.averagePrecision({ classIndex: k, iou: 0.5 }),
    ...(axes === 2
      ? { ap75: coco.averagePrecision({ classIndex: k, iou: 0.75 }) }
      : { ap10: coco.averagePrecision({ classIndex: k, iou: 0.1 }) }),
    ar: coco.averageRecall({ classIndex: k }),
    voc: voc.classes[k].ap,
  });
  return {
    axes,
    images: images.length,
    maxDetections: max,
    ap: coco.averagePrecision(),
    ap50: coco.averagePrecision({ iou: 0.5 }),
    ...(axes === 2 ? { coco: cocoFigures(coco) } : { ap10: coco.averagePrecision({ iou: 0.1 }) }),
    ar: coco.averageRecall(),
    voc: { area: voc.map, elevenPoint: vocScores(images, { axes, classes, rule: "11-point" }).map },
    classes: classes.map((_, k) => byClass(k)),
    ...(scans === undefined ? {} : { froc: froc(scans, options.froc) }),
    curves: { coco, voc },
    perImage: images.map((image) => imageScores(image, options, threshold)),
  };
}

/** Matched as VOC does, class by class. */
function imageScores(
  image: DetectionImage,
  { axes, classes }: DetectionSummaryOptions,
  threshold: number,
): DetectionImageScores {
  let [truth, found, falsePositives] = [0, 0, 0];
  for (const { curve, positives } of vocScores([image], { axes, classes, iou: axes === 2 ? 0.5 : 0.1 }).classes) {
    truth += positives;
    const counted = curve.filter(({ score }) => score >= threshold);
    const hits = Math.round((counted.at(-1)?.recall ?? 0) * positives);
    found += hits;
    falsePositives += counted.length - hits;
  }
  return { image: image.image, truth, found, missed: truth - found, falsePositives };
}

/**
 * What `evaluate --json` prints for a detection. The stable keys are `task`, `images`, `ap50`, `ap`, `classes` by name with
 * their `ap50`, and in 3D `cpm` and `sensitivityAt`; the rest says the same in full.
 */
export function detectionJson(summary: DetectionSummary) {
  const { axes, images, maxDetections, ap, ap50, ap10, ar, coco, voc, classes, froc: free, perImage } = summary;
  return {
    task: "detection" as const,
    axes,
    images,
    maxDetections,
    ap50,
    ap,
    ...(axes === 3 ? { ap10 } : {}),
    ar,
    ...(free === undefined
      ? {}
      : {
          cpm: free.cpm,
          cpmInterval: free.cpmInterval,
          sensitivityAt: byRate(free, ({ sensitivity }) => sensitivity),
          sensitivityIntervals: byRate(free, ({ interval }) => interval),
          findings: { total: free.findings, found: free.found, scans: free.scans, irrelevantMarks: free.irrelevant },
        }),
    classes: Object.fromEntries(classes.map(({ name, ...rest }) => [name, rest])),
    ...(coco === undefined ? {} : { coco }),
    voc,
    perImage,
  };
}

function byRate<T>(free: Froc, pick: (entry: Froc["sensitivityAt"][number]) => T): Record<string, T> {
  return Object.fromEntries(free.sensitivityAt.map((entry) => [String(entry.falsePositives), pick(entry)]));
}

/** One row per class, and one over classes (`all`). */
export function detectionCsv({ classes, ap, ap50, ar, voc }: DetectionSummary): string {
  const rows = classes.map((c) => [c.name, c.positives, c.detections, c.ap, c.ap50, c.ar, c.voc]);
  const sum = (pick: (c: DetectionClassScores) => number): number => classes.reduce((total, c) => total + pick(c), 0);
  const all = ["all", sum((c) => c.positives), sum((c) => c.detections), ap, ap50, ar, voc.area];
  return csv(["class", "positives", "detections", "ap", "ap50", "ar", "voc"], [...rows, all]);
}
