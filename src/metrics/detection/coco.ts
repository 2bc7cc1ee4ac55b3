/**
 * COCO's scores (Lin et al. 2014), equal to pycocotools': precision at 101 recalls, averaged over IoU thresholds, classes,
 * ranges of area and numbers of detections. In 3D the same with IoU of volumes, at the thresholds that nnDetection and
 * MONAI use for lesions.
 *
 * K classes · T IoU thresholds · R recalls
 */
import type { Axes } from "../../boxes/index.ts";
import { ConfigError } from "../../errors.ts";
import { meanOf } from "../segmentation/segmentation.ts";
import { type AreaRange, type ClassMatch, ClassPairs, checkDetectionImages, type DetectionImage } from "./detection.ts";

export interface CocoOptions {
  readonly axes: Axes;
  /** Names of the classes; labels are places in it. */
  readonly classes: readonly string[];
  /** Default: 0.5 to 0.95 by 0.05 in 2D, 0.1 to 0.5 by 0.05 in 3D. */
  readonly iouThresholds?: readonly number[];
  /** Default: everything, and COCO's small, medium and large (32² and 96² pixels) in 2D; everything in 3D. */
  readonly areaRanges?: Readonly<Record<string, AreaRange>>;
  /** Detections of a class that count in an image, ascending; default 1, 10, 100 (3D: 1, 5, 100). */
  readonly maxDetections?: readonly number[];
}

/** Precision and recall of every class. `null`: no true box, so nothing to score. */
export interface CocoScores {
  readonly classes: readonly string[];
  readonly iouThresholds: readonly number[];
  readonly areaRanges: readonly string[];
  readonly maxDetections: readonly number[];
  /** True boxes that count, per class (all areas). */
  readonly positives: readonly number[];
  /** Mean precision over classes and thresholds; one of either where given. */
  averagePrecision(pick?: CocoPick): number | null;
  /** Mean over classes and thresholds of the recall that all allowed detections reach. */
  averageRecall(pick?: CocoPick): number | null;
  /** Precision at recalls 0, 0.01, …, 1 of a class; 0 beyond the recall that was reached. */
  precisionCurve(classIndex: number, iou: number, area?: string): Float64Array | null;
}

export interface CocoPick {
  /** One of the thresholds. */
  readonly iou?: number;
  readonly area?: string;
  readonly maxDetections?: number;
  readonly classIndex?: number;
}

/** `count` numbers from `low` to `high`, rounded as NumPy's `linspace` rounds them. */
function linspace(low: number, high: number, count: number): number[] {
  const step = (high - low) / (count - 1);
  return Array.from({ length: count }, (_, i) => (i === count - 1 ? high : low + i * step));
}

/** IoU from 0.5 to 0.95 in steps of 0.05, COCO's for boxes in pictures. */
export const cocoThresholds: readonly number[] = linspace(0.5, 0.95, 10);
/** IoU from 0.1 to 0.5 in steps of 0.05, for boxes in volumes, where an equal shift costs more overlap. */
export const volumeThresholds: readonly number[] = linspace(0.1, 0.5, 9);
const recalls = linspace(0, 1, 101);
const everything: AreaRange = [0, 1e10];
/** COCO's ranges of a box's area in pixels: all, small, medium, large. */
export const cocoAreas: Readonly<Record<string, AreaRange>> = {
  all: everything,
  small: [0, 32 ** 2],
  medium: [32 ** 2, 96 ** 2],
  large: [96 ** 2, 1e10],
};

/** What is kept of one class, area range and number of detections. */
interface Curves {
  /** `[T, R]`. */
  readonly precision: Float64Array;
  /** `[T]`. */
  readonly recall: Float64Array;
}

/**
 * Scores all images. Of detections with equal scores, those of earlier images count first; pycocotools takes images in the
 * order of their numbers.
 * @throws ShapeError naming the image whose lists do not belong together; DataError naming the image and the box of a label that no class has; ConfigError for bad options
 */
export function cocoScores(images: readonly DetectionImage[], options: CocoOptions): CocoScores {
  const { axes, classes } = options;
  const { iouThresholds = axes === 2 ? cocoThresholds : volumeThresholds } = options;
  const { areaRanges = axes === 2 ? cocoAreas : { all: everything } } = options;
  const { maxDetections = detectionLimits(axes) } = options;
  if (!iouThresholds.every((iou) => iou > 0 && iou <= 1)) {
    throw new ConfigError(`iouThresholds: ${iouThresholds.join(", ")}: each must lie above 0, up to 1`);
  }
  checkDetectionImages(images, axes, classes.length);
  const areas = Object.keys(areaRanges);
  const most = Math.max(...maxDetections);
  const curves = classes.map((_, k) => {
    const pairs = images.map((image) => new ClassPairs(image, k, axes, iouThresholds, most)).filter((p) => !p.isEmpty);
    return areas.map((area) => {
      const matches = pairs.map((pair) => pair.match(areaRanges[area]));
      return maxDetections.map((limit) => accumulate(matches, limit, iouThresholds.length));
    });
  });
  const positives = classes.map((_, k) =>
    images.reduce((sum, image) => sum + new ClassPairs(image, k, axes, [], 0).match(everything).positives, 0),
  );
  const placeOf = (list: readonly unknown[], value: unknown, what: string): number => {
    const at = list.findIndex((other) =>
      typeof other === "number" ? Math.abs(other - (value as number)) < 1e-9 : other === value,
    );
    if (at < 0) throw new ConfigError(`${what} ${value} was not scored; there are ${list.join(", ")}`);
    return at;
  };
  const picked = ({ iou, area = areas[0], maxDetections: limit = most, classIndex }: CocoPick = {}) => {
    const [a, m] = [placeOf(areas, area, "area"), placeOf(maxDetections, limit, "number of detections")];
    const chosen = classIndex === undefined ? curves : [curves[classIndex]];
    const ts = iou === undefined ? iouThresholds.map((_, t) => t) : [placeOf(iouThresholds, iou, "IoU")];
    return { own: chosen.flatMap((byArea) => byArea[a][m] ?? []), ts };
  };
  return {
    classes,
    iouThresholds,
    areaRanges: areas,
    maxDetections,
    positives,
    averagePrecision: (pick) => {
      const { own, ts } = picked(pick);
      return meanOf(own.flatMap(({ precision }) => ts.flatMap((t) => [...row(precision, t)])));
    },
    averageRecall: (pick) => {
      const { own, ts } = picked(pick);
      return meanOf(own.flatMap(({ recall }) => ts.map((t) => recall[t])));
    },
    precisionCurve: (classIndex, iou, area) => {
      const { own, ts } = picked({ classIndex, iou, area });
      return own.length === 0 ? null : row(own[0].precision, ts[0]);
    },
  };
}

function row(precision: Float64Array, t: number): Float64Array {
  return precision.subarray(t * recalls.length, (t + 1) * recalls.length);
}

/** Precision and recall over all images, of at most `limit` detections in each; `null` without true boxes. */
function accumulate(matches: readonly ClassMatch[], limit: number, T: number): Curves | null {
  const positives = matches.reduce((sum, match) => sum + match.positives, 0);
  if (positives === 0) return null;
  const entries = matches.flatMap(({ scores }, image) =>
    Array.from(scores.subarray(0, limit), (score, d) => ({ score, image, d })),
  );
  // Array.prototype.sort is stable, as the merge sort of the original.
  entries.sort((a, b) => b.score - a.score);
  const precision = new Float64Array(T * recalls.length);
  const recall = new Float64Array(T);
  for (let t = 0; t < T; t++) {
    const points: { recall: number; precision: number }[] = [];
    let [hits, misses] = [0, 0];
    for (const { image, d } of entries) {
      const { matched, ignored, scores } = matches[image];
      const at = t * scores.length + d;
      if (ignored[at] === 0) {
        if (matched[at] === 1) hits++;
        else misses++;
      }
      points.push({ recall: hits / positives, precision: hits / (hits + misses + Number.EPSILON) });
    }
    recall[t] = points.at(-1)?.recall ?? 0;
    // Precision never rises with recall: each point takes the best of all behind it.
    for (let i = points.length - 1; i > 0; i--) {
      if (points[i].precision > points[i - 1].precision) points[i - 1].precision = points[i].precision;
    }
    let point = 0;
    for (const [r, wanted] of recalls.entries()) {
      while (point < points.length && points[point].recall < wanted) point++;
      if (point === points.length) break;
      precision[t * recalls.length + r] = points[point].precision;
    }
  }
  return { precision, recall };
}

/** How many detections of a class COCO counts in an image: a few, some, all that are allowed. */
export function detectionLimits(axes: Axes, most = 100): number[] {
  return [...(axes === 2 ? [1, 10, 100] : [1, 5, 100]).filter((limit) => limit < most), most];
}

/** COCO's table of twelve, in its order: AP, AP50, AP75, small, medium, large; AR with 1, 10, 100; small, medium, large. */
export function cocoFigures(scores: CocoScores) {
  const limits = scores.maxDetections;
  const most = Math.max(...limits);
  // Where fewer are allowed, no more than those can be recalled; of other limits the first, second and last stand there.
  const [few, some, all] = [1, 10, 100].map((limit, i) =>
    limits.includes(Math.min(limit, most))
      ? Math.min(limit, most)
      : i === 2
        ? most
        : limits[Math.min(i, limits.length - 1)],
  );
  return {
    ap: scores.averagePrecision(),
    ap50: scores.averagePrecision({ iou: 0.5 }),
    ap75: scores.averagePrecision({ iou: 0.75 }),
    apSmall: scores.averagePrecision({ area: "small" }),
    apMedium: scores.averagePrecision({ area: "medium" }),
    apLarge: scores.averagePrecision({ area: "large" }),
    ar1: scores.averageRecall({ maxDetections: few }),
    ar10: scores.averageRecall({ maxDetections: some }),
    ar100: scores.averageRecall({ maxDetections: all }),
    arSmall: scores.averageRecall({ area: "small" }),
    arMedium: scores.averageRecall({ area: "medium" }),
    arLarge: scores.averageRecall({ area: "large" }),
  };
}
