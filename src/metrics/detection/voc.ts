/**
 * Pascal VOC's average precision (Everingham et al. 2010): the area under the interpolated curve (VOC2010 and after), or the
 * mean precision at 11 recalls (VOC2007).
 *
 * A detection is right where it overlaps the true box it overlaps *most* by the threshold, and nobody with a higher score
 * had that box; unlike COCO it does not go on to the next best. Difficult boxes count neither way.
 */
import { type Axes, iouOf } from "../../boxes/index.ts";
import { meanOf } from "../segmentation/segmentation.ts";
import { byScore, checkDetectionImages, type DetectionImage, indicesOf } from "./detection.ts";

export interface VocOptions {
  readonly axes: Axes;
  readonly classes: readonly string[];
  /** Default 0.5. */
  readonly iou?: number;
  /** Default `"area"`. */
  readonly rule?: "area" | "11-point";
}

export interface VocClass {
  readonly name: string;
  /** `null` without true boxes. */
  readonly ap: number | null;
  /** True boxes that count. */
  readonly positives: number;
  /** One point per detection that counts, best first. */
  readonly curve: readonly { readonly score: number; readonly recall: number; readonly precision: number }[];
}

export interface VocScores {
  /** Mean over classes that have true boxes. */
  readonly map: number | null;
  readonly classes: readonly VocClass[];
}

/** How the detections of one class in one image met its true boxes. */
export interface VocMatches {
  /** True boxes that count. */
  readonly positives: number;
  /** Of the detections that count, best first. */
  readonly scores: readonly number[];
  /** Whether each of them was right. */
  readonly hits: readonly boolean[];
}

/** @throws ShapeError naming the image whose lists do not belong together; DataError naming the image and the box of a label that no class has */
export function vocScores(images: readonly DetectionImage[], options: VocOptions): VocScores {
  const { axes, classes, rule = "area" } = options;
  checkDetectionImages(images, axes, classes.length);
  const scored = classes.map((name, k): VocClass => {
    const matches = images.map((image) => vocMatches(image, k, options));
    const positives = matches.reduce((sum, own) => sum + own.positives, 0);
    const entries = matches.flatMap(({ scores, hits }) => scores.map((score, i) => ({ score, hit: hits[i] })));
    entries.sort((a, b) => b.score - a.score);
    let hits = 0;
    const curve = entries.map(({ score, hit }, i) => {
      if (hit) hits++;
      return { score, recall: positives === 0 ? 0 : hits / positives, precision: hits / (i + 1) };
    });
    const ap =
      rule === "area"
        ? areaOfMatches(entries.map(hitsOf), entries.map(missesOf), positives)
        : elevenPoints(curve, positives);
    return { name, ap, positives, curve };
  });
  return { map: meanOf(scored.map(({ ap }) => ap)), classes: scored };
}

/** The detections of class `k` in one image against its true boxes, whatever other images hold. */
export function vocMatches(
  { truth, detections }: DetectionImage,
  k: number,
  { axes, iou = 0.5 }: Pick<VocOptions, "axes" | "iou">,
): VocMatches {
  const own = indicesOf(truth.labels, k);
  const counts = (g: number): boolean => !truth.difficult?.[g] && !truth.crowd?.[g];
  const taken = new Set<number>();
  const scores: number[] = [];
  const hits: boolean[] = [];
  for (const d of byScore(detections, k)) {
    let [best, most] = [-1, Number.NEGATIVE_INFINITY];
    for (const g of own) {
      const overlap = iouOf(detections.boxes, d, truth.boxes, g, axes);
      if (overlap > most) [best, most] = [g, overlap];
    }
    const met = most >= iou && best >= 0;
    if (met && !counts(best)) continue;
    scores.push(detections.scores[d]);
    hits.push(met && !taken.has(best));
    if (met) taken.add(best);
  }
  return { positives: own.filter(counts).length, scores, hits };
}

const hitsOf = ({ hit }: { readonly hit: boolean }): number => (hit ? 1 : 0);
const missesOf = ({ hit }: { readonly hit: boolean }): number => (hit ? 0 : 1);

/**
 * The area rule: each stretch of recall at the best precision from there on. Hits and misses come best first and may be counts, as where
 * images are drawn with replacement: a detection that counts twice is two equal ones.
 * @returns null without true boxes
 */
export function areaOfMatches(hits: ArrayLike<number>, misses: ArrayLike<number>, positives: number): number | null {
  if (positives === 0) return null;
  let [right, wrong] = [0, 0];
  for (let i = 0; i < hits.length; i++) {
    right += hits[i];
    wrong += misses[i];
  }
  let [area, best] = [0, 0];
  for (let i = hits.length - 1; i >= 0; i--) {
    if (right > 0) best = Math.max(best, right / (right + wrong));
    area += (hits[i] / positives) * best;
    right -= hits[i];
    wrong -= misses[i];
  }
  return area;
}

function elevenPoints(curve: VocClass["curve"], positives: number): number | null {
  if (positives === 0) return null;
  let sum = 0;
  for (let tenth = 0; tenth <= 10; tenth++) {
    let best = 0;
    for (const { recall, precision } of curve) if (recall >= tenth / 10) best = Math.max(best, precision);
    sum += best;
  }
  return sum / 11;
}
