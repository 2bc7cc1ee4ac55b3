/**
 * MedicalNet's 3D ResNet encoder (Tencent/MedicalNet, models/resnet.py; Chen et al. 2019, arXiv 1904.00625).
 *
 * Not the usual ResNet: blocks 3 and 4 keep stride 1 and dilate by 2 and 4 instead, so the output is at 1/8 of the input.
 * Shortcut A (18 and 34 as released) subsamples and appends zero channels; in the original that path is cut off from the
 * gradient (`out.data`), and so it is here, for the weights to move as theirs did. Shortcut B is a 1×1×1 convolution.
 */
import { ConfigError } from "../../errors.ts";
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
} from "../../graph/index.ts";
import { kaimingNormalFanOut } from "../initializers.ts";
import { type ConvLayerOptions, convLayer, type Norm, normLayer } from "../layers.ts";

export type ResNetDepth = 10 | 18 | 34 | 50 | 101 | 152 | 200;
export type Shortcut = "A" | "B";

interface Blocks {
  readonly block: "basic" | "bottleneck";
  readonly blocks: readonly [number, number, number, number];
  /** As released. */
  readonly shortcut: Shortcut;
}

const ARCHITECTURES: Readonly<Record<ResNetDepth, Blocks>> = {
  10: { block: "basic", blocks: [1, 1, 1, 1], shortcut: "B" },
  18: { block: "basic", blocks: [2, 2, 2, 2], shortcut: "A" },
  34: { block: "basic", blocks: [3, 4, 6, 3], shortcut: "A" },
  50: { block: "bottleneck", blocks: [3, 4, 6, 3], shortcut: "B" },
  101: { block: "bottleneck", blocks: [3, 4, 23, 3], shortcut: "B" },
  152: { block: "bottleneck", blocks: [3, 8, 36, 3], shortcut: "B" },
  200: { block: "bottleneck", blocks: [3, 24, 36, 3], shortcut: "B" },
};

interface Stage {
  /** Channels inside a block, in multiples of the encoder's width. */
  readonly widths: number;
  /** Of the first block. */
  readonly stride: number;
  /** Of all blocks. */
  readonly dilation: number;
}

/** The four stages, by the stride of what comes out: as released, or the usual ResNet's. */
const STAGES: Readonly<Record<8 | 32, readonly Stage[]>> = {
  8: [
    { widths: 1, stride: 1, dilation: 1 },
    { widths: 2, stride: 2, dilation: 1 },
    { widths: 4, stride: 1, dilation: 2 },
    { widths: 8, stride: 1, dilation: 4 },
  ],
  32: [
    { widths: 1, stride: 1, dilation: 1 },
    { widths: 2, stride: 2, dilation: 1 },
    { widths: 4, stride: 2, dilation: 1 },
    { widths: 8, stride: 2, dilation: 1 },
  ],
};

/** Channels of the stem and of the first stage, as released. */
export const RELEASED_WIDTH = 64;

export interface ResNet3dOptions {
  depth: ResNetDepth;
  /** As released by default: A for 18 and 34, B for the others. */
  shortcut?: Shortcut;
  /**
   * 8 as released, with stages 3 and 4 dilated; 32 halves sizes in each stage instead and does not dilate. The parameters are the
   * same, so weights for the one load into the other.
   */
  outputStride?: 8 | 32;
  /**
   * Channels of the stem and of the first stage; 64 as released. All other layers have as much fewer or more, under the same names:
   * a narrow encoder trains in a fraction of the time, on small data or in a test, but takes no weights of another width.
   */
  width?: number;
  /** Build only so many of the four stages, for small patches or few cases; what would follow is then the last that is there. */
  stages?: 1 | 2 | 3 | 4;
  /** Batch norms use their running statistics in training, too, and change neither them nor scale and shift. */
  frozenNorms?: boolean;
  /** The kind of norm; batch norm by default. Overrules `frozenNorms`. */
  norm?: Norm;
  scope?: Scope;
}

export interface ResNet3dFeatures {
  /** After layer4 (the last stage built): [N, 8 or 32 widths, D/8, H/8, W/8], 512 or 2048 as released; at output stride 32 D/32, H/32, W/32. */
  readonly out: Tensor;
  /**
   * What decoders and detectors tap: the input at 1, the stem at 1/2, layer1 at 1/4, layer4 at 1/8. At output stride 32 layer2 is
   * the one at 1/8, and layer3 and layer4, as far as they are built, follow at 1/16 and 1/32.
   */
  readonly taps: {
    readonly full: Tensor;
    readonly half: Tensor;
    readonly quarter: Tensor;
    readonly eighth: Tensor;
    readonly sixteenth?: Tensor;
    readonly thirtySecond?: Tensor;
  };
  /** By the original's module names: maxpool, layer1, … layer4. */
  readonly stages: Readonly<Record<"maxpool" | "layer1" | "layer2" | "layer3" | "layer4", Tensor>>;
}

/**
 * The encoder: x [N, C, D, H, W] → features at 1/8, or at 1/32.
 * @throws ConfigError for a depth MedicalNet does not have
 */
export function resnet3d(
  x: Tensor,
  {
    depth,
    shortcut,
    outputStride = 8,
    width = RELEASED_WIDTH,
    stages = 4,
    frozenNorms,
    norm,
    scope = rootScope(),
  }: ResNet3dOptions,
): ResNet3dFeatures {
  const { block, blocks, shortcut: released } = architectureOf(depth);
  const options = { block, kind: shortcut ?? released, norm: norm ?? batchNorms(frozenNorms) };
  return stagesOver(
    x,
    { blocks, outputStride, width, stages, norm: options.norm, scope },
    (y, { widths, dilation }, stride, at) => residual(y, { ...options, planes: widths * width, stride, dilation }, at),
  );
}

/**
 * One stage of blocks alone, such as layer4 as the head of a detector (He et al. 2016, appendix A).
 * @param stage from 1
 */
export function residualStage(
  x: Tensor,
  stage: 1 | 2 | 3 | 4,
  {
    depth,
    shortcut,
    outputStride = 32,
    width = RELEASED_WIDTH,
    norm = batchNorms(),
    scope = rootScope(),
  }: Omit<ResNet3dOptions, "stages">,
): Tensor {
  const { block, blocks, shortcut: released } = architectureOf(depth);
  const { widths, stride, dilation } = STAGES[outputStride][stage - 1];
  const planes = widths * width;
  let y = x;
  for (let k = 0; k < blocks[stage - 1]; k++) {
    const options = { block, planes, stride: k === 0 ? stride : 1, dilation, kind: shortcut ?? released, norm };
    y = residual(y, options, scope.child(`layer${stage}`).child(k));
  }
  return y;
}

export const batchNorms = (frozen?: boolean): Norm => ({ kind: "batch", frozen });

function architectureOf(depth: ResNetDepth): Blocks {
  const architecture = ARCHITECTURES[depth];
  if (architecture === undefined) {
    throw new ConfigError(`resnet3d: depth ${depth}; it must be one of ${Object.keys(ARCHITECTURES).join(", ")}`);
  }
  return architecture;
}

/** The stem and up to four stages of blocks. @param block one residual block: input, stage, its stride, its scope */
export function stagesOver(
  x: Tensor,
  options: {
    readonly blocks: readonly number[];
    readonly outputStride: 8 | 32;
    readonly width: number;
    readonly stages: number;
    readonly norm: Norm;
    readonly scope: Scope;
  },
  block: (y: Tensor, stage: Stage, stride: number, scope: Scope) => Tensor,
): ResNet3dFeatures {
  const { blocks, outputStride, width, stages, norm, scope } = options;
  const first = plainConv(x, width, scope.child("conv1"), { kernel: 7, stride: 2, padding: 3 });
  const stem = relu(normLayer(first, scope.child("bn1"), norm));
  const pooled = maxPool(stem, { kernel: 3, stride: 2, padding: 1 });
  const layers: Tensor[] = [];
  let y = pooled;
  for (const [i, stage] of STAGES[outputStride].slice(0, stages).entries()) {
    for (let k = 0; k < blocks[i]; k++) {
      y = block(y, stage, k === 0 ? stage.stride : 1, scope.child(`layer${i + 1}`).child(k));
    }
    layers.push(y);
  }
  const [layer1, layer2, layer3, layer4] = blocks.map((_, i) => layers[Math.min(i, stages - 1)]);
  const deeper = {
    ...(stages > 2 && { sixteenth: layer3 }),
    ...(stages > 3 && { thirtySecond: layer4 }),
  };
  return {
    out: layer4,
    taps: {
      full: x,
      half: stem,
      quarter: layer1,
      ...(outputStride === 8 ? { eighth: layer4 } : { eighth: layer2, ...deeper }),
    },
    stages: { maxpool: pooled, layer1, layer2, layer3, layer4 },
  };
}

/** As MedicalNet has them all: without bias, weights by fan-out. */
export function plainConv(x: Tensor, channels: number, scope: Scope, options: ConvLayerOptions): Tensor {
  return convLayer(x, channels, scope, { bias: false, initialize: kaimingNormalFanOut, ...options });
}

/** What a block is built by. */
export interface BlockOptions {
  readonly planes: number;
  readonly stride: number;
  readonly dilation: number;
  readonly kind: Shortcut;
  readonly norm: Norm;
}

function residual(
  x: Tensor,
  { block, planes, stride, dilation, kind, norm }: BlockOptions & Pick<Blocks, "block">,
  scope: Scope,
): Tensor {
  const normed = (input: Tensor, channels: number, i: number, options: ConvLayerOptions): Tensor =>
    normLayer(plainConv(input, channels, scope.child(`conv${i}`), options), scope.child(`bn${i}`), norm);
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
    stride === 1 && x.shape[1] === channels
      ? x
      : shortcutOf(x, channels, { stride, kind, norm }, scope.child("downsample"));
  return relu(add(y, direct));
}

/** What is added where the block changes size or channels. */
export function shortcutOf(
  x: Tensor,
  channels: number,
  { stride, kind, norm }: Pick<BlockOptions, "stride" | "kind" | "norm">,
  scope: Scope,
): Tensor {
  if (kind === "B") return normLayer(plainConv(x, channels, scope.child(0), { stride }), scope.child(1), norm);
  const spatial = x.shape.map((_, axis) => axis).slice(2);
  const thinned = slice(x, { axes: spatial, step: spatial.map(() => stride), start: spatial.map(() => 0) });
  const missing = channels - x.shape[1];
  const zeros = x.graph.constant(0);
  const empty = x.graph.add("expand", [zeros], { shape: [x.shape[0], missing, ...thinned.shape.slice(2)] })[0];
  return stopGradient(concat([thinned, empty], 1));
}
