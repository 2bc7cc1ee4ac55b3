/**
 * MedicalNet's 3D ResNet encoder (Tencent/MedicalNet, models/resnet.py; Chen et al. 2019, arXiv 1904.00625).
 *
 * Not the usual ResNet: blocks 3 and 4 keep stride 1 and dilate by 2 and 4 instead, so the output is at 1/8 of the input.
 * Shortcut A (18 and 34 as released) subsamples and appends zero channels; in the original that path is cut off from the
 * gradient (`out.data`), and so it is here, for the weights to move as theirs did. Shortcut B is a 1×1×1 convolution.
 */
import { ConfigError } from "../errors.ts";
import {
  add,
  concat,
  maxPool,
  relu,
  scope as rootScope,
  type Scope,
  slice,
  stopGradient,
  type Tensor,
} from "../graph/index.ts";
import { kaimingNormalFanOut } from "./initialisers.ts";
import { batchNorm, type ConvLayerOptions, conv } from "./layers.ts";

export type ResNetDepth = 10 | 18 | 34 | 50;
export type Shortcut = "A" | "B";

interface Architecture {
  readonly block: "basic" | "bottleneck";
  readonly blocks: readonly [number, number, number, number];
  /** As released. */
  readonly shortcut: Shortcut;
}

const ARCHITECTURES: Readonly<Record<ResNetDepth, Architecture>> = {
  10: { block: "basic", blocks: [1, 1, 1, 1], shortcut: "B" },
  18: { block: "basic", blocks: [2, 2, 2, 2], shortcut: "A" },
  34: { block: "basic", blocks: [3, 4, 6, 3], shortcut: "A" },
  50: { block: "bottleneck", blocks: [3, 4, 6, 3], shortcut: "B" },
};

/** The four stages: channels, stride of the first block, dilation of all. */
const STAGES = [
  { planes: 64, stride: 1, dilation: 1 },
  { planes: 128, stride: 2, dilation: 1 },
  { planes: 256, stride: 1, dilation: 2 },
  { planes: 512, stride: 1, dilation: 4 },
] as const;

export interface ResNet3dOptions {
  depth: ResNetDepth;
  /** As released by default: A for 18 and 34, B for 10 and 50. */
  shortcut?: Shortcut;
  /** Build only so many of the four stages, for small patches or few cases; what would follow is then the last that is there. */
  stages?: 1 | 2 | 3 | 4;
  scope?: Scope;
}

export interface ResNet3dFeatures {
  /** After layer4 (the last stage built): [N, 512 or 2048, D/8, H/8, W/8]. */
  readonly out: Tensor;
  /** What decoders and detectors tap: the input at 1, the stem at 1/2, layer1 at 1/4, layer4 at 1/8. */
  readonly taps: { readonly full: Tensor; readonly half: Tensor; readonly quarter: Tensor; readonly eighth: Tensor };
  /** By the original's module names: maxpool, layer1, … layer4. */
  readonly stages: Readonly<Record<"maxpool" | "layer1" | "layer2" | "layer3" | "layer4", Tensor>>;
}

/**
 * The encoder: x [N, C, D, H, W] → features at 1/8.
 * @throws ConfigError for a depth MedicalNet does not have
 */
export function resnet3d(
  x: Tensor,
  { depth, shortcut, stages = 4, scope = rootScope() }: ResNet3dOptions,
): ResNet3dFeatures {
  const architecture = ARCHITECTURES[depth];
  if (architecture === undefined) {
    throw new ConfigError(`resnet3d: depth ${depth}; it must be one of ${Object.keys(ARCHITECTURES).join(", ")}`);
  }
  const kind = shortcut ?? architecture.shortcut;
  const stem = relu(
    batchNorm(plainConv(x, 64, scope.child("conv1"), { kernel: 7, stride: 2, padding: 3 }), scope.child("bn1")),
  );
  const pooled = maxPool(stem, { kernel: 3, stride: 2, padding: 1 });
  const layers: Tensor[] = [];
  let y = pooled;
  for (const [i, stage] of STAGES.slice(0, stages).entries()) {
    for (let block = 0; block < architecture.blocks[i]; block++) {
      const at = scope.child(`layer${i + 1}`).child(block);
      const stride = block === 0 ? stage.stride : 1;
      y = residual(y, architecture.block, stage.planes, stride, stage.dilation, kind, at);
    }
    layers.push(y);
  }
  const [layer1, layer2, layer3, layer4] = STAGES.map((_, i) => layers[Math.min(i, stages - 1)]);
  return {
    out: layer4,
    taps: { full: x, half: stem, quarter: layer1, eighth: layer4 },
    stages: { maxpool: pooled, layer1, layer2, layer3, layer4 },
  };
}

function plainConv(x: Tensor, channels: number, scope: Scope, options: ConvLayerOptions): Tensor {
  return conv(x, channels, scope, { bias: false, initialise: kaimingNormalFanOut, ...options });
}

function residual(
  x: Tensor,
  block: Architecture["block"],
  planes: number,
  stride: number,
  dilation: number,
  kind: Shortcut,
  scope: Scope,
): Tensor {
  const normed = (input: Tensor, channels: number, i: number, options: ConvLayerOptions): Tensor =>
    batchNorm(plainConv(input, channels, scope.child(`conv${i}`), options), scope.child(`bn${i}`));
  const wide: ConvLayerOptions = { kernel: 3, padding: dilation, dilation };
  let y: Tensor;
  let channels = planes;
  if (block === "basic") {
    y = relu(normed(x, planes, 1, { ...wide, stride }));
    y = normed(y, planes, 2, wide);
  } else {
    channels = planes * 4;
    y = relu(normed(x, planes, 1, {}));
    y = relu(normed(y, planes, 2, { ...wide, stride }));
    y = normed(y, channels, 3, {});
  }
  const direct =
    stride === 1 && x.shape[1] === channels ? x : shortcutOf(x, channels, stride, kind, scope.child("downsample"));
  return relu(add(y, direct));
}

function shortcutOf(x: Tensor, channels: number, stride: number, kind: Shortcut, scope: Scope): Tensor {
  if (kind === "B") return batchNorm(plainConv(x, channels, scope.child(0), { stride }), scope.child(1));
  const spatial = x.shape.map((_, axis) => axis).slice(2);
  const thinned = slice(x, { axes: spatial, step: spatial.map(() => stride), start: spatial.map(() => 0) });
  const missing = channels - x.shape[1];
  const zeros = x.graph.constant(0);
  const empty = x.graph.add("expand", [zeros], { shape: [x.shape[0], missing, ...thinned.shape.slice(2)] })[0];
  return stopGradient(concat([thinned, empty], 1));
}
