/**
 * A whole detector as one graph, for other engines: a picture of any size in; boxes in its own pixels, scores and labels out. What
 * `detector.ts` does between and after its two programs is computed here by the same rules (`proposals.ts`, `post-process.ts`).
 *
 * R anchors · M candidates of a level · Q regions · K classes, 0 is background · D detections · a box is 2·axes numbers
 */
import { ConfigError } from "../../errors.ts";
import {
  add,
  and,
  type BuildingGraph,
  cast,
  concat,
  div,
  exp,
  expand,
  fitToCanvas,
  gather,
  graph,
  greater,
  greaterOrEqual,
  highest,
  maximum,
  minimum,
  mul,
  type OnnxOptions,
  reshape,
  slice,
  softmax,
  sub,
  sum,
  suppressOverlaps,
  type Tensor,
  transpose,
  where,
} from "../../graph/index.ts";
import { columnOf } from "../network/columns.ts";
import type { DetectorConfig } from "../network/config.ts";
import { featureMaps, regionOutputs, rpnOutputs } from "../network/network.ts";
import type { BoxCoder } from "../parts/box-coder.ts";
import { type Layout, layoutOf } from "../parts/layout.ts";
import { pooledRegions } from "./pooling.ts";

/** Stands for the score of what is no candidate; all real ones lie above {@link LEAST}. */
const NEVER = -3e38;
const LEAST = -1e38;

export interface DetectorGraph {
  readonly graph: BuildingGraph;
  readonly outputs: Readonly<Record<"boxes" | "scores" | "labels" | "count", Tensor>>;
  /** Which sizes are known only at run time, for the encoder. */
  readonly sizes: Required<Pick<OnnxOptions, "free" | "rows">>;
}

/**
 * Input `image` [1, channels, (depth,) height, width], pictures in 0 … 1, of any size (volumes: at most the canvas). Outputs `boxes`
 * [D, 2·axes] in the pixels of the image as given, `scores` [D], best first, `labels` [D] from 1.
 * @param canvas what images are brought onto, x y (z): multiples of the configuration's divisor
 * @throws ConfigError for what standard operators cannot do
 */
export function detectorGraph(config: DetectorConfig, canvas: readonly number[]): DetectorGraph {
  const { axes, channels, input, detections } = config;
  if (canvas.length !== axes || canvas.some((length) => length <= 0 || length % input.divisor !== 0))
    throw new ConfigError(`canvas: ${canvas.join(",")}; ${axes} multiples of ${input.divisor} are needed`);
  if (detections.soft !== null)
    throw new ConfigError("detector.detections.soft: ONNX has no soft suppression; export with soft: null");
  const layout = layoutOf(config, 1, canvas);
  const g = graph();
  const image = g.input("image", layout.input);
  const { fitted, size, own } = fitToCanvas(normalised(image, config), {
    canvas: canvas.toReversed(),
    sides:
      input.minSide === null ? null : { short: input.minSide.at(-1)!, long: input.maxSide ?? Number.POSITIVE_INFINITY },
  });
  const maps = featureMaps(fitted, config);
  const { boxes: regions, standing } = proposals(rpnOutputs(maps, config), layout, twice(size), config);
  const { scores, deltas } = regionOutputs(pooledRegions(maps, regions, layout, config), config);
  const found = detected(regions, standing, softmax(scores, 1), deltas, twice(size), config);
  const free = ["depth", "height", "width"].slice(3 - axes);
  return {
    graph: g,
    outputs: { ...found, boxes: mul(found.boxes, twice(div(own, size))) },
    sizes: {
      free: { image: Object.fromEntries(free.map((name, i) => [2 + i, name])) },
      rows: { count: "count", outputs: ["boxes", "scores", "labels"], name: "detections" },
    },
  };

  function normalised(x: Tensor, { input: { mean, deviation } }: DetectorConfig): Tensor {
    const perChannel = (values: readonly number[]): Tensor =>
      g.constant(Float32Array.from(values), [1, channels, ...new Array<number>(axes).fill(1)]);
    const moved = mean.length > 0 ? sub(x, perChannel(mean)) : x;
    return deviation.length > 0 ? div(moved, perChannel(deviation)) : moved;
  }
}

/** Lengths of the axes, once for low and once for high corners. */
const twice = (lengths: Tensor): Tensor => concat([lengths, lengths], 0);

/** Low or high corners of boxes […, 2·axes]. */
function half(boxes: Tensor, which: 0 | 1): Tensor {
  const last = boxes.rank - 1;
  const axes = boxes.shape[last] / 2;
  return slice(boxes, { start: [which * axes], end: [(which + 1) * axes], axes: [last] });
}

/** `decodeBoxes`, clipped to the image. */
function decoded(deltas: Tensor, references: Tensor, { weights, clamp }: BoxCoder, size: Tensor): Tensor {
  const low = half(references, 0);
  const side = sub(half(references, 1), low);
  const middle = add(add(low, div(side, 2)), mul(div(half(deltas, 0), weights[0]), side));
  const reach = div(mul(exp(minimum(div(half(deltas, 1), weights[1]), clamp)), side), 2);
  const boxes = concat([sub(middle, reach), add(middle, reach)], deltas.rank - 1);
  return minimum(maximum(boxes, 0), size);
}

/** `atLeast`: whether all sides are above 0 and at least `minimum` […]. */
function largeEnough(boxes: Tensor, least: number): Tensor {
  const side = sub(half(boxes, 1), half(boxes, 0));
  const fits = and(greater(side, 0), greaterOrEqual(side, least));
  const axes = side.shape[side.rank - 1];
  return greater(sum(cast(fits, "float32"), { axes: [side.rank - 1] }), axes - 0.5);
}

/** `selectProposals`: regions [Q, 2·axes], and 1 for those that there are, the rest is filled up. */
function proposals(
  { objectness, deltas }: { readonly objectness: Tensor; readonly deltas: Tensor },
  { anchors }: Layout,
  size: Tensor,
  { axes, rpn, sideClamp }: DetectorConfig,
): { boxes: Tensor; standing: Tensor } {
  const { before, after } = rpn.inference;
  const g = objectness.graph;
  const width = 2 * axes;
  const coder: BoxCoder = { weights: rpn.coderWeights, clamp: sideClamp };
  const chosen: { boxes: Tensor; scores: Tensor }[] = [];
  let start = 0;
  for (const count of anchors.counts) {
    const end = start + count;
    const level = (x: Tensor): Tensor => slice(x, { start: [start], end: [end], axes: [1] });
    const { values, indices } = highest(reshape(level(objectness), [count]), Math.min(before, count));
    const own = g.constant(anchors.boxes.slice(start * width, end * width), [count, width]);
    const boxes = decoded(
      gather(reshape(level(deltas), [count, width]), indices, 0),
      gather(own, indices, 0),
      coder,
      size,
    );
    let good = largeEnough(boxes, rpn.minimumSide);
    // The sigmoid's order is the same, so probabilities need not be computed.
    const least = Math.log(rpn.minimumScore / (1 - rpn.minimumScore));
    if (rpn.minimumScore > 0) good = and(good, greaterOrEqual(values, least));
    let scores = where(good, values, NEVER);
    if (rpn.suppress) {
      const list = { boxes: reshape(boxes, [1, -1, width]), scores: reshape(scores, [1, -1]) };
      const kept = suppressOverlaps(list.boxes, list.scores, { threshold: rpn.suppressionOverlap, least: LEAST });
      scores = where(greater(reshape(kept, [-1]), 0), scores, NEVER);
    }
    chosen.push({ boxes, scores });
    start = end;
  }
  const scores = concat(
    chosen.map((level) => level.scores),
    0,
  );
  const best = highest(scores, Math.min(after, scores.size));
  const boxes = concat(
    chosen.map((level) => level.boxes),
    0,
  );
  return { boxes: gather(boxes, best.indices, 0), standing: greater(best.values, LEAST) };
}

/** `selectDetections`, filled up to a fixed number, and how many there are. */
function detected(
  regions: Tensor,
  standing: Tensor,
  probabilities: Tensor,
  deltas: Tensor,
  size: Tensor,
  { axes, classes, regions: rule, detections, sideClamp }: DetectorConfig,
): DetectorGraph["outputs"] {
  const [count] = regions.shape;
  const width = 2 * axes;
  const objects = classes - 1;
  // Class by class: [K − 1, Q, …].
  const perClass = rule.classAgnostic
    ? expand(reshape(deltas, [1, count, width]), [objects, count, width])
    : transpose(slice(reshape(deltas, [count, classes, width]), { start: [1], end: [classes], axes: [1] }), [1, 0, 2]);
  const references = expand(reshape(regions, [1, count, width]), [objects, count, width]);
  const boxes = decoded(perClass, references, { weights: rule.coderWeights, clamp: sideClamp }, size);
  const own = transpose(slice(probabilities, { start: [1], end: [classes], axes: [1] }));
  const good = and(
    and(greater(own, detections.minimumScore), reshape(standing, [1, count])),
    largeEnough(boxes, detections.minimumSide),
  );
  const scores = where(good, own, -1);
  const kept = suppressOverlaps(boxes, scores, { threshold: detections.suppressionOverlap, least: -0.5 });
  // Equal scores come region by region, then class by class.
  const final = reshape(transpose(where(greater(kept, 0), scores, -1)), [count * objects]);
  const best = highest(final, Math.min(detections.limit, final.size));
  // Other programs get the network's columns, as torchvision gives them: 1 is the first class.
  const labels = regions.graph.constant(
    BigInt64Array.from({ length: count * objects }, (_, i) => BigInt(columnOf(i % objects))),
    [count * objects],
  );
  return {
    boxes: gather(reshape(transpose(boxes, [1, 0, 2]), [count * objects, width]), best.indices, 0),
    scores: best.values,
    labels: gather(labels, best.indices, 0),
    count: cast(sum(cast(greaterOrEqual(best.values, 0), "float32"), { axes: [0], keepDims: true }), "int64"),
  };
}
