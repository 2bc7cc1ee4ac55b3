/**
 * Pascal VOC's average precision (Everingham et al. 2010): the area under the interpolated curve (VOC2010 and after), or the
 * mean precision at 11 recalls (VOC2007).
 *
 * A detection is right where it overlaps the true box it overlaps *most* by the threshold, and nobody with a higher score
 * had that box; unlike COCO it does not go on to the next best. Difficult boxes count neither way.
 */
import { type Axes, iouOf } from "../boxes/index.ts";
import { byScore, checkDetectionImages, type DetectionImage, indicesOf } from "./detection.ts";
import { meanOf } from "./segmentation.ts";

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

/** @throws ShapeError naming the image whose lists do not belong together */
export function vocScores(images: readonly DetectionImage[], options: VocOptions): VocScores {
  const { axes, classes, iou = 0.5, rule = "area" } = options;
  checkDetectionImages(images, axes, classes.length);
  const scored = classes.map((name, k): VocClass => {
    const own = images.map(({ truth }) => indicesOf(truth.labels, k));
    const counts = (image: number, g: number): boolean =>
      !images[image].truth.difficult?.[g] && !images[image].truth.crowd?.[g];
    const positives = own.reduce((sum, list, i) => sum + list.filter((g) => counts(i, g)).length, 0);
    const entries = images.flatMap(({ detections }, image) =>
      byScore(detections, k).map((d) => ({ image, d, score: detections.scores[d] })),
    );
    entries.sort((a, b) => b.score - a.score);
    const taken = images.map(() => new Set<number>());
    const curve: { score: number; recall: number; precision: number }[] = [];
    let [hits, misses] = [0, 0];
    for (const { image, d, score } of entries) {
      const { truth, detections } = images[image];
      let [best, most] = [-1, Number.NEGATIVE_INFINITY];
      for (const g of own[image]) {
        const overlap = iouOf(detections.boxes, d, truth.boxes, g, axes);
        if (overlap > most) [best, most] = [g, overlap];
      }
      if (most >= iou && best >= 0) {
        if (!counts(image, best)) continue;
        if (taken[image].has(best)) misses++;
        else hits++;
        taken[image].add(best);
      } else misses++;
      curve.push({ score, recall: positives === 0 ? 0 : hits / positives, precision: hits / (hits + misses) });
    }
    const ap = positives === 0 ? null : rule === "area" ? areaUnder(curve) : elevenPoints(curve);
    return { name, ap, positives, curve };
  });
  return { map: meanOf(scored.map(({ ap }) => ap)), classes: scored };
}

type Curve = readonly { readonly recall: number; readonly precision: number }[];

/** Each stretch of recall at the best precision from there on. */
function areaUnder(curve: Curve): number {
  let [area, best] = [0, 0];
  for (let i = curve.length - 1; i >= 0; i--) {
    best = Math.max(best, curve[i].precision);
    area += (curve[i].recall - (i > 0 ? curve[i - 1].recall : 0)) * best;
  }
  return area;
}

function elevenPoints(curve: Curve): number {
  let sum = 0;
  for (let tenth = 0; tenth <= 10; tenth++) {
    let best = 0;
    for (const { recall, precision } of curve) if (recall >= tenth / 10) best = Math.max(best, precision);
    sum += best;
  }
  return sum / 11;
}
