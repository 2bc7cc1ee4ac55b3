/**
 * What the two stages shall learn of an image: anchors and regions matched to ground truth, sampled, and coded. Made beside the step graph,
 * deterministic by their random stream.
 *
 * G ground-truth boxes · P proposals · S sampled anchors, Q sampled regions of an image, both padded to fixed counts
 */
import { type Axes, boxCount, boxProblem, formatBox, isSound, takeBoxes } from "../../boxes/index.ts";
import { DataError, ShapeError } from "../../errors.ts";
import type { Random } from "../../random.ts";
import { columnOf, labelOf } from "../network/columns.ts";
import type { DetectorConfig } from "../network/config.ts";
import { type AnchorSet, anchorsInside } from "./anchors.ts";
import { encodeBoxes } from "./box-coder.ts";
import { matchBoxes, type PassedOver, passOver } from "./matcher.ts";
import { sampleMatches } from "./sampler.ts";

/** Ground truth of one image, in voxels of the network's input; with it what is neither object nor background. */
export interface Truth extends PassedOver {
  /** [G, 2·axes]. */
  readonly boxes: Float32Array;
  /** [G], classes from 0. */
  readonly labels: Int32Array;
}

/**
 * Ground truth of a batch, of each of its images; one that has none gets an empty one. Boxes without extent, as cutting and
 * shrinking leave them, are left away.
 * @throws ShapeError where there is truth for more images, or labels for other boxes; DataError naming image and box (from 0) for
 * corners that are exchanged or no numbers, and for a label that no class has
 */
export function checkedTruth(
  truth: readonly Truth[],
  images: number,
  { axes, classes }: Pick<DetectorConfig, "axes" | "classes">,
): Truth[] {
  if (truth.length > images) throw new ShapeError(`truth: of ${truth.length} images, the batch has ${images}`);
  const last = labelOf(classes - 1);
  return Array.from({ length: images }, (_, n) => {
    const own = truth[n] ?? { boxes: new Float32Array(0), labels: new Int32Array(0) };
    const count = boxCount(own.boxes, axes);
    if (own.labels.length !== count)
      throw new ShapeError(`truth[${n}]: ${own.labels.length} labels for ${count} boxes`);
    for (const [i, label] of own.labels.entries()) {
      const wrong = boxProblem(own.boxes, i, axes);
      if (wrong === "not finite" || wrong === "inverted")
        throw new DataError(`truth[${n}]: box ${i}: ${formatBox(own.boxes, i, axes)} is ${wrong}`);
      if (!(label >= 0 && label <= last))
        throw new DataError(`truth[${n}]: box ${i}: label ${label}; classes are 0 to ${last}, the background is none`);
    }
    return soundTruth(own, axes);
  });
}

/** The sound boxes of an image: those with sides above 0 and finite numbers. Others would make a loss of NaN. */
export function soundTruth({ boxes, labels, difficult, crowds }: Truth, axes: Axes): Truth {
  const sound = (all: Float32Array): number[] =>
    Array.from({ length: boxCount(all, axes) }, (_, i) => i).filter((i) => isSound(all, i, axes));
  const kept = sound(boxes);
  return {
    boxes: takeBoxes(boxes, kept, axes),
    labels: Int32Array.from(kept, (i) => labels[i]),
    ...(difficult && { difficult: takeBoxes(difficult, sound(difficult), axes) }),
    ...(crowds && { crowds: takeBoxes(crowds, sound(crowds), axes) }),
  };
}

/** Which of an image's anchors count, and what they shall say. */
export interface AnchorTargets {
  /** Sampled anchors, positive ones first. */
  readonly index: Int32Array;
  readonly positives: number;
  /** Of the positive ones, [positives, 2·axes]. */
  readonly deltas: Float32Array;
}

/** Targets of the RPN for one image. @param size of the image without padding, x y (z) */
export function anchorTargets(
  anchors: AnchorSet,
  truth: Truth,
  size: readonly number[],
  { rpn, sideClamp }: DetectorConfig,
  random: Random,
): AnchorTargets {
  const { axes, boxes } = anchors;
  const { match } = matchBoxes(
    boxes,
    truth.boxes,
    axes,
    { high: rpn.positiveOverlap, low: rpn.negativeOverlap, lowQuality: true },
    rpn.dropBoundary ? anchorsInside(anchors, size) : undefined,
  );
  passOver(match, boxes, truth, axes, rpn.negativeOverlap);
  const rule = { count: rpn.sampleCount, positiveShare: rpn.positiveShare };
  const { positive, negative } = sampleMatches(match, rule, random);
  const coder = { weights: rpn.coderWeights, clamp: sideClamp };
  const wanted = takeBoxes(
    truth.boxes,
    positive.map((i) => match[i]),
    axes,
  );
  return {
    index: Int32Array.from([...positive, ...negative]),
    positives: positive.length,
    deltas: encodeBoxes(wanted, takeBoxes(boxes, positive, axes), axes, coder),
  };
}

/** Which regions of an image the head sees, and what it shall say of them. */
export interface RegionTargets {
  /** [Q', 2·axes], positive ones first. */
  readonly regions: Float32Array;
  /** [Q'], columns of the network: 0 is the background. */
  readonly columns: Int32Array;
  readonly positives: number;
  /** Of the positive ones, [positives, 2·axes]. */
  readonly deltas: Float32Array;
}

/** Targets of the region head for one image. @param proposals [P, 2·axes] */
export function regionTargets(
  proposals: Float32Array,
  truth: Truth,
  { axes, regions, sideClamp }: DetectorConfig,
  random: Random,
): RegionTargets {
  const candidates = regions.appendTruth ? joined(proposals, truth.boxes) : proposals;
  const { match } = matchBoxes(candidates, truth.boxes, axes, {
    high: regions.positiveOverlap,
    low: regions.negativeOverlap,
    lowest: regions.lowestOverlap,
    lowQuality: false,
  });
  passOver(match, candidates, truth, axes, regions.negativeOverlap);
  const rule = { count: regions.sampleCount, positiveShare: regions.positiveShare };
  const { positive, negative } = sampleMatches(match, rule, random);
  const chosen = takeBoxes(candidates, [...positive, ...negative], axes);
  const wanted = takeBoxes(
    truth.boxes,
    positive.map((i) => match[i]),
    axes,
  );
  const coder = { weights: regions.coderWeights, clamp: sideClamp };
  const columns = new Int32Array(positive.length + negative.length);
  for (const [row, i] of positive.entries()) columns[row] = columnOf(truth.labels[match[i]]);
  return {
    regions: chosen,
    columns,
    positives: positive.length,
    deltas: encodeBoxes(wanted, chosen.subarray(0, wanted.length), axes, coder),
  };
}

function joined(a: Float32Array, b: Float32Array): Float32Array {
  const out = new Float32Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
}

/**
 * Anchor targets of a batch as arrays of fixed length, with the weights that the losses are normalised by.
 * @param anchors of one image
 * @param locations anchor positions of one image (cells of all levels)
 */
export function anchorFeeds(
  targets: readonly AnchorTargets[],
  anchors: number,
  locations: number,
  { axes, rpn }: DetectorConfig,
) {
  const images = targets.length;
  const count = images * rpn.sampleCount;
  const anchorIndex = new Int32Array(count);
  const anchorLabel = new Float32Array(count);
  const anchorWeight = new Float32Array(count);
  const anchorDeltas = new Float32Array(count * 2 * axes);
  const anchorDeltaWeight = new Float32Array(count);
  const sampled = Math.max(
    targets.reduce((sum, { index }) => sum + index.length, 0),
    1,
  );
  const paper = rpn.lossNormalisation === "paper";
  const weight = paper ? 1 / (rpn.sampleCount * images) : 1 / sampled;
  const deltaWeight = paper ? rpn.lambda / (locations * images) : rpn.lambda / sampled;
  for (const [image, { index, positives, deltas }] of targets.entries()) {
    const start = image * rpn.sampleCount;
    for (const [i, anchor] of index.entries()) anchorIndex[start + i] = image * anchors + anchor;
    anchorLabel.fill(1, start, start + positives);
    anchorWeight.fill(weight, start, start + index.length);
    anchorDeltas.set(deltas, start * 2 * axes);
    anchorDeltaWeight.fill(deltaWeight, start, start + positives);
  }
  return {
    anchorIndex: { data: anchorIndex, shape: [count] },
    anchorLabel: { data: anchorLabel, shape: [count] },
    anchorWeight: { data: anchorWeight, shape: [count] },
    anchorDeltas: { data: anchorDeltas, shape: [count, 2 * axes] },
    anchorDeltaWeight: { data: anchorDeltaWeight, shape: [count, 1] },
  };
}

/** Region targets of a batch as arrays of fixed length; padding has label 0, weight 0 and an empty region. */
export function regionFeeds(targets: readonly RegionTargets[], { axes, regions }: DetectorConfig) {
  const count = targets.length * regions.sampleCount;
  const regionLabel = new Int32Array(count);
  const regionWeight = new Float32Array(count);
  const regionDeltas = new Float32Array(count * 2 * axes);
  const regionDeltaWeight = new Float32Array(count);
  const boxes = new Float32Array(count * 2 * axes);
  const owners = new Int32Array(count);
  const sampled = Math.max(
    targets.reduce((sum, { columns }) => sum + columns.length, 0),
    1,
  );
  for (const [image, { regions: own, columns, positives, deltas }] of targets.entries()) {
    const start = image * regions.sampleCount;
    boxes.set(own, start * 2 * axes);
    owners.fill(image, start, start + regions.sampleCount);
    regionLabel.set(columns, start);
    regionWeight.fill(1 / sampled, start, start + columns.length);
    regionDeltas.set(deltas, start * 2 * axes);
    regionDeltaWeight.fill(1 / sampled, start, start + positives);
  }
  return {
    boxes,
    owners,
    feeds: {
      regionLabel: { data: regionLabel, shape: [count] },
      regionWeight: { data: regionWeight, shape: [count, 1] },
      regionDeltas: { data: regionDeltas, shape: [count, 2 * axes] },
      regionDeltaWeight: { data: regionDeltaWeight, shape: [count, 1] },
    },
  };
}
