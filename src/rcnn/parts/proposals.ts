/**
 * From the RPN's output to proposals (Faster R-CNN §3.3; torchvision's filter_proposals): the best of each level are decoded,
 * clipped, freed of tiny ones and of duplicates.
 *
 * L levels · R anchors of all levels · a box is 2·axes numbers
 */
import { type Axes, clipBoxes, isSound, takeBoxes } from "../../boxes/index.ts";
import type { Random } from "../../random.ts";
import type { AnchorSet } from "./anchors.ts";
import { type BoxCoder, decodeBoxes } from "./box-coder.ts";
import { nms } from "./nms.ts";
import { highestFirst } from "./order.ts";

export interface ProposalRule {
  /** The best of each level before suppression. */
  readonly before: number;
  /** The best of all levels after it. */
  readonly after: number;
  /** Overlap above which the weaker goes. */
  readonly threshold: number;
  /** Off for the paper's ablation: the best `after` boxes as they are. */
  readonly suppress?: boolean;
  /** Off for the paper's ablation: proposals are the anchors themselves, clipped. */
  readonly regress?: boolean;
  /** For the paper's ablation: boxes in random order instead of by objectness. */
  readonly shuffledBy?: Random;
  /** Shortest side kept, in voxels of the network's input. */
  readonly minimumSide: number;
  /** Lowest objectness kept, as a probability. */
  readonly minimumScore?: number;
}

export interface Proposals {
  readonly axes: Axes;
  /** [P, 2·axes], best first. */
  readonly boxes: Float32Array;
  /** Objectness, as probabilities. */
  readonly scores: Float32Array;
}

/**
 * The proposals of one image.
 * @param objectness [R], before the sigmoid (of a two-way softmax: the difference of object and background)
 * @param deltas [R, 2·axes]
 * @param size of the image without padding, x y (z)
 */
export function selectProposals(
  { axes, boxes: anchors, counts }: AnchorSet,
  objectness: Float32Array,
  deltas: Float32Array,
  size: readonly number[],
  coder: BoxCoder,
  {
    before,
    after,
    threshold,
    suppress = true,
    regress = true,
    shuffledBy,
    minimumSide,
    minimumScore = 0,
  }: ProposalRule,
): Proposals {
  const ranks = shuffledBy === undefined ? objectness : objectness.map(() => shuffledBy.uniform());
  const chosen: number[] = [];
  const levels: number[] = [];
  let start = 0;
  for (const [level, count] of counts.entries()) {
    for (const i of highestFirst(ranks.subarray(start, start + count), before)) {
      chosen.push(start + i);
      levels.push(level);
    }
    start += count;
  }
  const own = takeBoxes(anchors, chosen, axes);
  const decoded = clipBoxes(regress ? decodeBoxes(takeBoxes(deltas, chosen, axes), own, axes, coder) : own, size, axes);
  const kept: number[] = [];
  const scores = Float32Array.from(chosen, (i) => 1 / (1 + Math.exp(-objectness[i])));
  for (let k = 0; k < chosen.length; k++) {
    if (atLeast(decoded, k, minimumSide, axes) && scores[k] >= minimumScore) kept.push(k);
  }
  const boxes = takeBoxes(decoded, kept, axes);
  const keptScores = Float32Array.from(kept, (k) => scores[k]);
  const keptRanks = shuffledBy === undefined ? keptScores : Float32Array.from(kept, (k) => ranks[chosen[k]]);
  const groups = Int32Array.from(kept, (k) => levels[k]);
  const best = suppress
    ? nms(boxes, keptRanks, { axes, threshold, groups, limit: after })
    : highestFirst(keptRanks, after);
  return { axes, boxes: takeBoxes(boxes, best, axes), scores: Float32Array.from(best, (i) => keptScores[i]) };
}

/** Whether all sides are finite, above 0 and at least `minimum`. */
export function atLeast(boxes: Float32Array, index: number, minimum: number, axes: Axes): boolean {
  if (!isSound(boxes, index, axes)) return false;
  for (let at = 2 * axes * index, axis = 0; axis < axes; axis++) {
    if (boxes[at + axes + axis] - boxes[at + axis] < minimum) return false;
  }
  return true;
}
