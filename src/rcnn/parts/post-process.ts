/**
 * From class scores and deltas to detections (Fast R-CNN §2.4; torchvision's postprocess_detections): per class decoded,
 * clipped, freed of weak and tiny ones, suppressed; the best of all classes remain.
 *
 * R regions · K classes, 0 is background · a box is 2·axes numbers
 */
import { type Axes, clipBoxes, takeBoxes } from "../../boxes/index.ts";
import type { Detections } from "../../metrics/index.ts";
import { columnOf, labelOf } from "../network/columns.ts";
import { type BoxCoder, decodeBoxes } from "./box-coder.ts";
import { nms, softNms } from "./nms.ts";
import { highestFirst } from "./order.ts";
import { atLeast } from "./proposals.ts";

export interface SelectionRule {
  /** Only scores above this. */
  readonly minimumScore: number;
  /** Overlap above which the weaker of one class goes. */
  readonly threshold: number;
  /** The best so many of an image. */
  readonly limit: number;
  /** Shortest side kept, in voxels of the network's input. */
  readonly minimumSide: number;
  /** Lower scores of overlapping boxes instead of dropping them. */
  readonly soft?: { readonly method: "linear" | "gaussian"; readonly sigma?: number };
}

/** What a detector makes {@link Detections} of one image of: arrays of its own types, best first. */
export interface DetectedBoxes extends Detections {
  readonly axes: Axes;
  /** [D, 2·axes]. */
  readonly boxes: Float32Array;
  readonly scores: Float32Array;
  /** Classes from 0. */
  readonly labels: Int32Array;
}

/**
 * The detections of one image.
 * @param regions [R, 2·axes], what the deltas are relative to
 * @param probabilities [R, K]
 * @param deltas [R, K, 2·axes], or [R, 2·axes] where all classes share them
 * @param size of the image without padding, x y (z)
 */
export function selectDetections(
  regions: Float32Array,
  probabilities: Float32Array,
  deltas: Float32Array,
  size: readonly number[],
  axes: Axes,
  coder: BoxCoder,
  { minimumScore, threshold, limit, minimumSide, soft }: SelectionRule,
): DetectedBoxes {
  const width = 2 * axes;
  const count = regions.length / width;
  const classes = count === 0 ? 0 : probabilities.length / count;
  const shared = deltas.length === regions.length;
  const rows: number[] = [];
  const columns: number[] = [];
  for (let r = 0; r < count; r++) {
    for (let k = columnOf(0); k < classes; k++) {
      if (!(probabilities[r * classes + k] > minimumScore)) continue;
      rows.push(r);
      columns.push(k);
    }
  }
  const deltaRows = rows.map((r, i) => (shared ? r : r * classes + columns[i]));
  const decoded = clipBoxes(
    decodeBoxes(takeBoxes(deltas, deltaRows, axes), takeBoxes(regions, rows, axes), axes, coder),
    size,
    axes,
  );
  const sound = rows.flatMap((_, i) => (atLeast(decoded, i, minimumSide, axes) ? [i] : []));
  const boxes = takeBoxes(decoded, sound, axes);
  const scores = Float32Array.from(sound, (i) => probabilities[rows[i] * classes + columns[i]]);
  const groups = Int32Array.from(sound, (i) => labelOf(columns[i]));
  const options = { axes, threshold, groups, limit };
  const { kept, scores: final } =
    soft === undefined
      ? keepScores(nms(boxes, scores, options), scores)
      : softNms(boxes, scores, { ...options, ...soft, minimumScore });
  return {
    axes,
    boxes: takeBoxes(boxes, kept, axes),
    scores: final,
    labels: Int32Array.from(kept, (i) => groups[i]),
  };
}

const keepScores = (kept: Int32Array, scores: Float32Array): { kept: Int32Array; scores: Float32Array } => ({
  kept,
  scores: Float32Array.from(kept, (i) => scores[i]),
});

/** Detections with at least this score, of these classes if given, the best so many. */
export function filterDetections(
  { axes, boxes, scores, labels }: DetectedBoxes,
  { score = 0, limit = scores.length, classes }: { score?: number; limit?: number; classes?: readonly number[] },
): DetectedBoxes {
  const kept = Array.from(highestFirst(scores))
    .filter((i) => scores[i] >= score && (classes === undefined || classes.includes(labels[i])))
    .slice(0, limit);
  return {
    axes,
    boxes: takeBoxes(boxes, kept, axes),
    scores: Float32Array.from(kept, (i) => scores[i]),
    labels: Int32Array.from(kept, (i) => labels[i]),
  };
}
