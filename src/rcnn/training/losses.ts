/**
 * The losses of both stages, as graphs over targets that `targets.ts` makes: Σ weight · term. What the terms are divided by is in the
 * weights, so the presets differ only there. Padding weighs 0.
 *
 * S sampled anchors of a batch · Q regions of a batch · K classes
 */
import { gather, logSoftmax, mul, neg, reshape, sum, type Tensor } from "../../graph/index.ts";
import { binaryCrossEntropyTerms, oneHot, smoothL1Terms } from "../../nn/index.ts";
import type { FeedType } from "../../train/model/step.ts";
import type { DetectorConfig } from "../network/config.ts";

export interface StageLosses {
  readonly classification: Tensor;
  readonly regression: Tensor;
}

/** The inputs {@link rpnLosses} reads, for a batch of `images`. */
export function rpnTargetTypes({ axes, rpn }: DetectorConfig, images: number): Record<string, FeedType> {
  const count = images * rpn.sampleCount;
  return {
    anchorIndex: { shape: [count], dtype: "int32" },
    anchorLabel: { shape: [count], dtype: "float32" },
    anchorWeight: { shape: [count], dtype: "float32" },
    anchorDeltas: { shape: [count, 2 * axes], dtype: "float32" },
    anchorDeltaWeight: { shape: [count, 1], dtype: "float32" },
  };
}

/** Losses of the RPN from its outputs on all anchors. */
export function rpnLosses(
  { objectness, deltas }: { readonly objectness: Tensor; readonly deltas: Tensor },
  { anchorIndex, anchorLabel, anchorWeight, anchorDeltas, anchorDeltaWeight }: Readonly<Record<string, Tensor>>,
  { axes, rpn }: DetectorConfig,
): StageLosses {
  const scores = gather(reshape(objectness, [objectness.size]), anchorIndex, 0);
  const moved = gather(reshape(deltas, [-1, 2 * axes]), anchorIndex, 0);
  return {
    classification: sum(mul(binaryCrossEntropyTerms(scores, anchorLabel), anchorWeight)),
    regression: sum(mul(smoothL1Terms(moved, anchorDeltas, rpn.smoothL1Beta), anchorDeltaWeight)),
  };
}

/** The inputs {@link regionLosses} reads, for a batch of `images`. */
export function regionTargetTypes({ axes, regions }: DetectorConfig, images: number): Record<string, FeedType> {
  const count = images * regions.sampleCount;
  return {
    regionLabel: { shape: [count], dtype: "int32" },
    regionWeight: { shape: [count, 1], dtype: "float32" },
    regionDeltas: { shape: [count, 2 * axes], dtype: "float32" },
    regionDeltaWeight: { shape: [count, 1], dtype: "float32" },
  };
}

/** Losses of the region head from its outputs on all regions. */
export function regionLosses(
  { scores, deltas }: { readonly scores: Tensor; readonly deltas: Tensor },
  { regionLabel, regionWeight, regionDeltas, regionDeltaWeight }: Readonly<Record<string, Tensor>>,
  { axes, classes, regions }: DetectorConfig,
): StageLosses {
  const truth = oneHot(regionLabel, classes);
  const own = regions.classAgnostic
    ? deltas
    : sum(mul(reshape(deltas, [-1, classes, 2 * axes]), reshape(truth, [-1, classes, 1])), { axes: [1] });
  return {
    classification: neg(sum(mul(mul(truth, logSoftmax(scores, 1)), regionWeight))),
    regression: sum(mul(smoothL1Terms(own, regionDeltas, regions.smoothL1Beta), regionDeltaWeight)),
  };
}
