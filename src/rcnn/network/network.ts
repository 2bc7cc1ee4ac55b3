/**
 * The detector's network: backbone, RPN head, region head. Parameter names are torchvision's (`backbone.body`, `backbone.fpn`,
 * `rpn.head`, `roi_heads`). 2D or 3D by the input.
 *
 * N images · L levels · A anchors a cell · R anchors of an image · Q regions of a batch · K classes, 0 is background
 */
import { ConfigError, ShapeError } from "../../errors.ts";
import {
  concat,
  globalAveragePool,
  relu,
  reshape,
  type Scope,
  scope,
  slice,
  sub,
  type Tensor,
  transpose,
} from "../../graph/index.ts";
import {
  dropoutLayer,
  encoder,
  featurePyramid,
  linearLayer,
  type Norm,
  normal,
  residualStage,
  sharedConvLayer,
  vgg16,
  zeros,
} from "../../nn/index.ts";
import { anchorsPerCell } from "../parts/anchors.ts";
import type { DetectorConfig } from "./config.ts";
import { CUSTOM_HEAD } from "./head.ts";

/** The names of parameters by what they belong to; the schedules freeze by these. */
export const BACKBONE_PARAMETERS = /^backbone\./;
export const RPN_PARAMETERS = /^rpn\./;

function normOf({ norm, normEpsilon: epsilon, normGroups: groups }: DetectorConfig["backbone"]): Norm {
  return norm === "group" ? { kind: "group", groups, epsilon } : { kind: "batch", frozen: norm === "frozen", epsilon };
}

/** Feature maps [N, C, …] of an image [N, channels, …], finest first. */
export function featureMaps(image: Tensor, { backbone }: DetectorConfig, at: Scope = scope("backbone")): Tensor[] {
  if (backbone.kind === "vgg16") return [vgg16(image, at.child("features"))];
  const { levels, depth, width, pyramidChannels, extraLevel } = backbone;
  const last = Math.max(...levels.map((level) => (level === "stem" ? 1 : Number(level.at(-1)))));
  const features = encoder(image, {
    depth,
    preActivation: false,
    shortcut: backbone.shortcut ?? (backbone.kind === "resnet" ? "B" : undefined),
    outputStride: backbone.kind === "resnet" ? 32 : 8,
    width,
    stages: last as 1 | 2 | 3 | 4,
    norm: normOf(backbone),
    scope: at.child("body"),
  });
  const maps = levels.map((level) =>
    level === "stem" ? features.taps.half : features.stages[level as "layer1" | "layer2" | "layer3" | "layer4"],
  );
  if (pyramidChannels === null) return maps;
  return featurePyramid(maps, { channels: pyramidChannels, extraLevel, scope: at.child("fpn") });
}

/**
 * The RPN on all levels: objectness [N, R] (the difference of the two scores, where there are two) and deltas [N, R, 2·axes], in the
 * order of `anchors.ts`.
 */
export function rpnOutputs(
  maps: readonly Tensor[],
  { axes, anchors, rpn }: DetectorConfig,
  at: Scope = scope("rpn").child("head"),
): { objectness: Tensor; deltas: Tensor } {
  const spec = { axes, ...anchors };
  const perCell = anchorsPerCell(spec, 0);
  const channels = rpn.channels ?? maps[0].shape[1];
  // The paper's 0.01 is for 256 to 512 channels; fewer of them would whisper, and nothing behind them would learn.
  const deviation = (width: number): number => 0.01 * Math.sqrt(Math.max(1, 256 / width));
  const filled = { initialize: normal(deviation(channels)), initializeBias: zeros };
  const hidden = sharedConvLayer(maps, channels, at.child("conv").child(0).child(0), {
    ...filled,
    initialize: normal(deviation(maps[0].shape[1])),
    kernel: 3,
    padding: 1,
  }).map(relu);
  const softmax = rpn.objectness === "softmax";
  const scores = sharedConvLayer(hidden, perCell * (softmax ? 2 : 1), at.child("cls_logits"), filled);
  const deltas = sharedConvLayer(hidden, perCell * 2 * axes, at.child("bbox_pred"), filled);
  const objectness = scores.map((score) => {
    if (!softmax) return score;
    // Background first, as in the authors' code. Softmax over two is the sigmoid of their difference.
    const half = (start: number): Tensor => slice(score, { axes: [1], start: [start], end: [start + perCell] });
    return sub(half(perCell), half(0));
  });
  return {
    objectness: concat(
      objectness.map((map) => perAnchor(map, 1)),
      1,
    ),
    deltas: concat(
      deltas.map((map) => reshape(perAnchor(map, 2 * axes), [map.shape[0], -1, 2 * axes])),
      1,
    ),
  };
}

/** [N, A·width, …] → [N, cells·A·width], a cell's anchors together. */
function perAnchor(map: Tensor, width: number): Tensor {
  const [n, channels, ...spatial] = map.shape;
  const cells = spatial.reduce((a, b) => a * b, 1);
  const turned = transpose(reshape(map, [n, channels, cells]), [0, 2, 1]);
  return reshape(turned, [n, (cells * channels) / width, ...(width > 1 ? [width] : [])]);
}

/**
 * The region head: pooled [Q, C, bins…] → class scores [Q, K] before the softmax, and deltas [Q, K·2·axes] (or [Q, 2·axes], shared by
 * all classes).
 */
export function regionOutputs(
  pooled: Tensor,
  { axes, classes, backbone, regions }: DetectorConfig,
  at: Scope = scope("roi_heads"),
): { scores: Tensor; deltas: Tensor } {
  const gaussian = regions.initialisation === "gaussian";
  const filled = (deviation: number): object =>
    gaussian ? { initialize: normal(deviation), initializeBias: zeros } : {};
  let x: Tensor;
  if (typeof regions.head === "function") {
    x = regions.head(pooled, at.child("box_head"));
    const [count] = pooled.shape;
    if (x?.shape?.length !== 2 || x.shape[0] !== count)
      throw new ShapeError(
        `regions.head: gives [${x?.shape?.join(", ") ?? String(x)}]; it must give [${count}, features], one vector for each region`,
      );
  } else if (regions.head === CUSTOM_HEAD) {
    throw new ConfigError("regions.head: custom stands for a function, which only a program can give");
  } else if (regions.head === "layer4") {
    const { depth, width } = backbone;
    x = globalAveragePool(residualStage(pooled, 4, { depth, width, shortcut: "B", norm: normOf(backbone), scope: at }));
  } else {
    const head = at.child("box_head");
    x = dropoutLayer(relu(linearLayer(pooled, regions.hidden, head.child("fc6"), filled(0.01))), regions.dropout);
    x = dropoutLayer(relu(linearLayer(x, regions.hidden, head.child("fc7"), filled(0.01))), regions.dropout);
  }
  const predictor = at.child("box_predictor");
  return {
    scores: linearLayer(x, classes, predictor.child("cls_score"), filled(0.01)),
    deltas: linearLayer(
      x,
      (regions.classAgnostic ? 1 : classes) * 2 * axes,
      predictor.child("bbox_pred"),
      filled(0.001),
    ),
  };
}
