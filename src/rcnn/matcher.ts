/**
 * Which ground-truth box an anchor or a proposal belongs to (Faster R-CNN §3.1.2, Fast R-CNN §2.3).
 *
 * G ground-truth boxes · R anchors or proposals
 */
import { type Axes, pairwiseIou } from "../boxes/index.ts";

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
