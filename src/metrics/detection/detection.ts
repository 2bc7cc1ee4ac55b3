/**
 * Detections against true boxes: what is scored, and the matching that COCO's scores rest on (Lin et al. 2014;
 * `cocoeval`), in 2D and 3D.
 *
 * D detections · G true boxes · K classes · T IoU thresholds
 */
import { type Axes, areaOf, type BoxArray, boxCount, intersectionOf } from "../../boxes/index.ts";
import { ShapeError } from "../../errors.ts";
import { classRule, isClass, refuseLabel } from "../labels.ts";
import type { FrocFinding } from "./froc.ts";

/** The true boxes of one image. Flags are per box, absent where none is set. */
export interface TrueBoxes {
  /** `[G, 2·axes]`. */
  readonly boxes: BoxArray;
  /** `[G]`, classes from 0. */
  readonly labels: ArrayLike<number>;
  /** Neither to be found nor wrong to find. */
  readonly difficult?: ArrayLike<number>;
  /** A region of many objects: any number of detections may lie in it. */
  readonly crowd?: ArrayLike<number>;
  /** What COCO tells small from large by; the box's own area where absent. */
  readonly areas?: ArrayLike<number>;
  /** `[G]`: of findings in volumes, centre and diameter, which the box loses where it is cut at the scan's edge. */
  readonly findings?: readonly FrocFinding[];
}

/** What a detector said about one image. */
export interface Detections {
  /** `[D, 2·axes]`. */
  readonly boxes: BoxArray;
  /** `[D]`, classes from 0. */
  readonly labels: ArrayLike<number>;
  /** `[D]`. */
  readonly scores: ArrayLike<number>;
}

export interface DetectionImage {
  readonly image: string;
  readonly truth: TrueBoxes;
  readonly detections: Detections;
}

/** @throws ShapeError naming the image whose lists do not belong together; DataError naming the image and the box of a label that no class has */
export function checkDetectionImages(images: readonly DetectionImage[], axes: Axes, classes: number): void {
  for (const { image, truth, detections } of images) {
    const [g, d] = [boxCount(truth.boxes, axes), boxCount(detections.boxes, axes)];
    const fail = (what: string, found: number, of: number): never => {
      throw new ShapeError(`${image}: ${found} ${what} for ${of} boxes`);
    };
    if (truth.labels.length !== g) fail("true labels", truth.labels.length, g);
    for (const key of ["difficult", "crowd", "areas", "findings"] as const) {
      const given = truth[key];
      if (given !== undefined && given.length !== g) fail(key, given.length, g);
    }
    if (detections.labels.length !== d) fail("labels", detections.labels.length, d);
    if (detections.scores.length !== d) fail("scores", detections.scores.length, d);
    for (const [what, { labels }] of [["truth", truth] as const, ["detections", detections] as const]) {
      for (let i = 0; i < labels.length; i++)
        if (!isClass(labels[i], classes)) refuseLabel(`${image}: ${what}`, labels[i], `box ${i}`, classRule(classes));
    }
  }
}

/** Indices of the boxes of a class. */
export function indicesOf(labels: ArrayLike<number>, label: number): number[] {
  const found: number[] = [];
  for (let i = 0; i < labels.length; i++) if (labels[i] === label) found.push(i);
  return found;
}

/** Detections of a class, best first; of equals the first one first. */
export function byScore({ labels, scores }: Detections, label: number): number[] {
  return indicesOf(labels, label).sort((a, b) => scores[b] - scores[a] || a - b);
}

/** How the detections of one class in one image met its true boxes, at every threshold. */
export interface ClassMatch {
  /** Best first, as many as count. */
  readonly scores: Float64Array;
  /** `[T, D]`: 1 where a true box was found. */
  readonly matched: Uint8Array;
  /** `[T, D]`: 1 where the detection counts neither way. */
  readonly ignored: Uint8Array;
  /** True boxes that count. */
  readonly positives: number;
}

/** Sizes that count: `[low, high]` of the area (3D: volume), both inside. */
export type AreaRange = readonly [low: number, high: number];

/**
 * The pairs of one class in one image, with their overlaps, ready to be matched for any range of areas. Detections choose
 * in the order of their scores, each the true box it overlaps most that nobody has; boxes that do not count are chosen
 * only where no other fits. In a crowd, overlap is the share of the detection that lies in it.
 */
export class ClassPairs {
  private readonly thresholds: readonly number[];
  private readonly truth: readonly { readonly area: number; readonly crowd: boolean; readonly difficult: boolean }[];
  private readonly areas: Float64Array;
  private readonly scores: Float64Array;
  /** `[D, G]`. */
  private readonly overlaps: Float64Array;

  constructor(
    { truth, detections }: DetectionImage,
    label: number,
    axes: Axes,
    thresholds: readonly number[],
    maxDetections: number,
  ) {
    const own = indicesOf(truth.labels, label);
    const found = byScore(detections, label).slice(0, maxDetections);
    this.thresholds = thresholds;
    this.truth = own.map((g) => ({
      area: truth.areas?.[g] ?? areaOf(truth.boxes, g, axes),
      crowd: Boolean(truth.crowd?.[g]),
      difficult: Boolean(truth.difficult?.[g]),
    }));
    this.areas = Float64Array.from(found, (d) => areaOf(detections.boxes, d, axes));
    this.scores = Float64Array.from(found, (d) => detections.scores[d]);
    this.overlaps = new Float64Array(found.length * own.length);
    found.forEach((d, i) => {
      own.forEach((g, j) => {
        const shared = intersectionOf(detections.boxes, d, truth.boxes, g, axes);
        if (shared === 0) return;
        const area = areaOf(truth.boxes, g, axes);
        this.overlaps[i * own.length + j] =
          shared / (this.truth[j].crowd ? this.areas[i] : this.areas[i] + area - shared);
      });
    });
  }

  get isEmpty(): boolean {
    return this.truth.length === 0 && this.scores.length === 0;
  }

  match([low, high]: AreaRange): ClassMatch {
    const { truth, areas, scores, thresholds, overlaps } = this;
    const [D, G] = [scores.length, truth.length];
    const counts = truth.map(({ area, crowd, difficult }) => !crowd && !difficult && area >= low && area <= high);
    // What counts comes first; otherwise their order stays.
    const order = truth.map((_, g) => g).sort((a, b) => Number(counts[b]) - Number(counts[a]) || a - b);
    const matched = new Uint8Array(thresholds.length * D);
    const ignored = new Uint8Array(thresholds.length * D);
    for (const [t, threshold] of thresholds.entries()) {
      const taken = new Uint8Array(G);
      for (let d = 0; d < D; d++) {
        let best = -1;
        // A whole overlap may be rounded to a little below 1.
        let most = Math.min(threshold, 1 - 1e-10);
        for (const g of order) {
          if (taken[g] === 1 && !truth[g].crowd) continue;
          if (best >= 0 && counts[best] && !counts[g]) break;
          const overlap = overlaps[d * G + g];
          if (overlap < most) continue;
          most = overlap;
          best = g;
        }
        const at = t * D + d;
        if (best >= 0) {
          taken[best] = 1;
          matched[at] = 1;
          ignored[at] = counts[best] ? 0 : 1;
        } else if (areas[d] < low || areas[d] > high) {
          ignored[at] = 1;
        }
      }
    }
    return { scores, matched, ignored, positives: counts.filter(Boolean).length };
  }
}
