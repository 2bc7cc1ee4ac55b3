/**
 * What the parts of a detector learn, as definitions that `train/` runs: both stages at once (approximate joint training, Faster R-CNN
 * §3.2), the RPN alone, or the region head alone on given proposals. Matching and sampling happen in TypeScript: before the step where nothing of
 * the network is needed, in the middle of it where proposals are.
 *
 * N images · R anchors of an image · Q regions of a batch
 */
import { add, type Tensor } from "../../graph/index.ts";
import { random } from "../../random.ts";
import type { ArrayMessage, Feeds } from "../../runtime/types.ts";
import type { Between } from "../../train/model/executable.ts";
import type { FeedType, Loss, Monitor, Network } from "../../train/model/step.ts";
import { type DetectorConfig, parseDetector } from "../network/config.ts";
import { featureMaps, regionOutputs, rpnOutputs } from "../network/network.ts";
import { type Layout, layouts } from "../parts/layout.ts";
import { selectProposals } from "../parts/proposals.ts";
import { anchorFeeds, anchorTargets, checkedTruth, regionFeeds, regionTargets, type Truth } from "../parts/targets.ts";
import { regionLosses, regionTargetTypes, rpnLosses, rpnTargetTypes, type StageLosses } from "./losses.ts";
import { packTruth, unpackTruth } from "./truth-feeds.ts";

/** What a step trains. */
export type TrainingPart = "joint" | "rpn" | "regions";

/** What a model of `train/` is made from. */
export interface TrainingDefinition {
  readonly network: Network;
  readonly loss: Loss;
  readonly monitor: Monitor;
  readonly between?: Between;
  /** Types of a batch, as `createModel` wants its example. @param size of the padded images, x y (z) */
  example(images: number, size: readonly number[]): Record<string, FeedType>;
  /** Feeds of a batch. @param stream names its random choices */
  feeds(batch: TrainingImages, stream: string): Feeds;
}

/** A batch of prepared images with their ground truth. */
export interface TrainingImages {
  /** [N, channels, …]. */
  readonly data: Float32Array;
  /** Padded, x y (z). */
  readonly size: readonly number[];
  /** Of each image without padding, x y (z). */
  readonly sizes: readonly (readonly number[])[];
  readonly truth: readonly Truth[];
  /** [P, 2·axes] of each image, where only the region head is trained. */
  readonly proposals?: readonly Float32Array[];
}

/** The names of the monitored losses, in torchvision's words. */
const LOSS_NAMES = {
  rpn: ["loss_objectness", "loss_rpn_box_reg"],
  regions: ["loss_classifier", "loss_box_reg"],
} as const;

export interface TrainingOptions {
  readonly seed?: number;
  /** How random choices are made; the seed's streams by default. */
  readonly randomOf?: (stream: string) => ReturnType<typeof random>;
}

/** The definition of training one part, or both. @throws ConfigError for a configuration that cannot be, naming the key */
export function trainingDefinition(
  config: DetectorConfig,
  part: TrainingPart,
  { seed = 0, randomOf = (stream) => random(seed, stream) }: TrainingOptions = {},
): TrainingDefinition {
  // A preset that was changed by hand has not been looked at yet.
  parseDetector(config);
  const layoutFor = layouts(config);
  const layoutOfInput = ({ shape }: { readonly shape: readonly number[] }): Layout =>
    layoutFor(shape[0], shape.slice(2).reverse());
  const withRpn = part !== "regions";
  const withRegions = part !== "rpn";

  const network: Network = (inputs) => {
    const maps = featureMaps(inputs.image, config);
    const outputs: Record<string, Tensor> = {};
    if (withRpn) Object.assign(outputs, rpnOutputs(maps, config));
    // A graph without regions is that of the first stage alone.
    if (withRegions) {
      const pooled = layoutOfInput(inputs.image).pooling.pooled(maps, inputs);
      const { scores, deltas } = regionOutputs(pooled, config);
      Object.assign(outputs, { scores, regionRegression: deltas });
    }
    return outputs;
  };
  const parts = (outputs: Readonly<Record<string, Tensor>>, inputs: Readonly<Record<string, Tensor>>) => {
    const found: [string, Tensor][] = [];
    const put = (names: readonly [string, string], { classification, regression }: StageLosses): void => {
      found.push([names[0], classification], [names[1], regression]);
    };
    const { objectness, deltas, scores, regionRegression } = outputs;
    if (withRpn) put(LOSS_NAMES.rpn, rpnLosses({ objectness, deltas }, inputs, config));
    if (withRegions) put(LOSS_NAMES.regions, regionLosses({ scores, deltas: regionRegression }, inputs, config));
    return found;
  };
  const regionTypes = (layout: Layout, images: number): Record<string, FeedType> => ({
    ...layout.pooling.types(images * config.regions.sampleCount),
    ...regionTargetTypes(config, images),
  });

  /** Region targets of a batch, from each image's proposals. */
  const regionsOf = (layout: Layout, proposals: readonly Float32Array[], truth: readonly Truth[], stream: string) => {
    const targets = proposals.map((own, n) =>
      regionTargets(own, truth[n], config, randomOf(`regions ${stream} image ${n}`)),
    );
    const { boxes, owners, feeds } = regionFeeds(targets, config);
    return { ...layout.pooling.feeds(boxes, owners), ...feeds };
  };

  const between: Between | undefined =
    part !== "joint"
      ? undefined
      : {
          outputs: ["objectness", "deltas"],
          takes: ["truthBoxes", "truthLabels", "truthOwners", "imageSizes"],
          types: ({ image }) => regionTypes(layoutOfInput(image), image.shape[0]),
          decide: (outputs, batch, stream) => {
            const layout = layoutOfInput(batch.image);
            const { truth, sizes } = unpackTruth(batch, config.axes);
            const proposals = proposalsOf(config, layout, outputs, sizes);
            return regionsOf(layout, proposals, truth, stream);
          },
        };

  return {
    network,
    between,
    loss: (outputs, inputs) =>
      parts(outputs, inputs)
        .map(([, value]) => value)
        .reduce(add),
    monitor: (outputs, inputs) => Object.fromEntries(parts(outputs, inputs)),
    example: (images, size) => {
      const layout = layoutFor(images, size);
      return {
        image: { shape: layout.input, dtype: "float32" },
        ...(withRpn ? rpnTargetTypes(config, images) : {}),
        ...(part === "regions" ? regionTypes(layout, images) : {}),
      };
    },
    feeds: ({ data, size, sizes, truth, proposals = [] }, stream) => {
      const images = sizes.length;
      const layout = layoutFor(images, size);
      const sound = checkedTruth(truth, images, config);
      const feeds: Record<string, ArrayMessage> = { image: { data, shape: layout.input } };
      if (withRpn) {
        const targets = sound.map((own, n) =>
          anchorTargets(layout.anchors, own, sizes[n], config, randomOf(`anchors ${stream} image ${n}`)),
        );
        const anchors = layout.anchors.boxes.length / (2 * config.axes);
        Object.assign(feeds, anchorFeeds(targets, anchors, layout.locations, config));
      }
      if (part === "joint") Object.assign(feeds, packTruth(sound, sizes, config.axes));
      if (part === "regions") Object.assign(feeds, regionsOf(layout, proposals, sound, stream));
      return feeds;
    },
  };
}

/** The proposals a training step takes, [P, 2·axes] of each image. */
function proposalsOf(
  { axes, rpn, sideClamp }: DetectorConfig,
  { anchors }: Layout,
  outputs: Readonly<Record<string, ArrayMessage>>,
  sizes: readonly (readonly number[])[],
): Float32Array[] {
  const objectness = outputs.objectness.data as Float32Array;
  const deltas = outputs.deltas.data as Float32Array;
  const count = objectness.length / sizes.length;
  return sizes.map(
    (size, n) =>
      selectProposals(
        anchors,
        objectness.subarray(n * count, (n + 1) * count),
        deltas.subarray(n * count * 2 * axes, (n + 1) * count * 2 * axes),
        size,
        { weights: rpn.coderWeights, clamp: sideClamp },
        {
          ...rpn.training,
          threshold: rpn.suppressionOverlap,
          suppress: rpn.suppress,
          minimumSide: rpn.minimumSide,
          minimumScore: rpn.minimumScore,
        },
      ).boxes,
  );
}
