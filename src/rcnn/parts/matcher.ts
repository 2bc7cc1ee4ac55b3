/**
 * Which ground-truth box an anchor or a proposal belongs to (Faster R-CNN §3.1.2, Fast R-CNN §2.3).
 *
 * G ground-truth boxes · R anchors or proposals
 */
import { type Axes, areaOf, boxCount, intersectionOf, pairwiseIou } from "../../boxes/index.ts";

export interface MatchRule {
  /** At least this overlap: positive. */
  readonly high: number;
  /** Below this overlap: negative; between the two: ignored. */
  readonly low: number;
  /** At least this overlap for a negative (the paper's detector: 0.1); less is ignored. 0 by default. */
  readonly lowest?: number;
  /** Each ground-truth box also takes the boxes that overlap it most, ties included, however little that is. */
  readonly lowQuality: boolean;
}

/** Values of a match that are no ground-truth box. */
export const NEGATIVE = -1;
/** Neither near enough to a box nor far enough from all: counts in no loss. */
export const IGNORED = -2;

export interface Matches {
  /** Per box: its ground-truth box, or {@link NEGATIVE} or {@link IGNORED}. */
  readonly match: Int32Array;
  /** Per box: its best overlap. */
  readonly overlap: Float32Array;
}

/**
 * Matches boxes [R] to ground truth [G]. Without ground truth all are negative.
 * @param eligible where given, boxes with 0 are ignored and win no ground truth
 */
export function matchBoxes(
  boxes: Float32Array,
  truth: Float32Array,
  axes: Axes,
  { high, low, lowest = 0, lowQuality }: MatchRule,
  eligible?: Uint8Array,
): Matches {
  const count = boxes.length / (2 * axes);
  const truths = truth.length / (2 * axes);
  const overlap = new Float32Array(count);
  const match = new Int32Array(count);
  const iou = pairwiseIou(truth, boxes, axes);
  const best = new Float32Array(truths);
  for (let g = 0, at = 0; g < truths; g++) {
    for (let i = 0; i < count; i++, at++) {
      const value = iou[at];
      if (value > overlap[i]) {
        overlap[i] = value;
        match[i] = g;
      }
      if (value > best[g] && (eligible === undefined || eligible[i] === 1)) best[g] = value;
    }
  }
  const nearest = lowQuality ? match.slice() : match;
  for (let i = 0; i < count; i++) {
    if (truths > 0 && overlap[i] >= high && overlap[i] > 0) continue;
    match[i] = overlap[i] < low && overlap[i] >= lowest ? NEGATIVE : IGNORED;
  }
  if (lowQuality) {
    for (let g = 0, at = 0; g < truths; g++) {
      for (let i = 0; i < count; i++, at++) {
        // A ground-truth box that nothing touches has no best box; every one would tie at 0.
        if (best[g] > 0 && iou[at] === best[g]) match[i] = nearest[i];
      }
    }
  }
  if (eligible !== undefined) for (let i = 0; i < count; i++) if (eligible[i] === 0) match[i] = IGNORED;
  return { match, overlap };
}

/**
 * A box with at least this share inside a crowd is no background: some of the crowd's objects may well be what it shows. Detectron's
 * `CROWD_FILTER_THRESH`.
 */
const CROWD_SHARE = 0.7;

/** What is neither object nor background. */
export interface PassedOver {
  /** [D, 2·axes]: objects that are too difficult to be asked for (Pascal VOC). */
  readonly difficult?: Float32Array;
  /** [C, 2·axes]: regions of many objects in one box (COCO's `iscrowd`). */
  readonly crowds?: Float32Array;
}

/**
 * Takes negatives back that lie on what is neither object nor background: those with an overlap of at least `low` with a difficult object, as
 * with any other object, or at least {@link CROWD_SHARE} of their own area in a crowd. What has matched an object keeps it.
 */
export function passOver(
  match: Int32Array,
  boxes: Float32Array,
  { difficult = new Float32Array(0), crowds = new Float32Array(0) }: PassedOver,
  axes: Axes,
  low: number,
): void {
  const iou = pairwiseIou(difficult, boxes, axes);
  for (const [at, value] of iou.entries()) {
    const i = at % match.length;
    if (match[i] === NEGATIVE && value >= low && value > 0) match[i] = IGNORED;
  }
  for (let c = 0; c < boxCount(crowds, axes); c++) {
    for (let i = 0; i < match.length; i++) {
      if (match[i] !== NEGATIVE) continue;
      const shared = intersectionOf(boxes, i, crowds, c, axes);
      if (shared > 0 && shared >= CROWD_SHARE * areaOf(boxes, i, axes)) match[i] = IGNORED;
    }
  }
}
