/**
 * The pre-activation ResNet of Med3D's experiments (arXiv 1904.00625, table 2: "PreResNet200"), of which no code or weights were
 * released. Blocks are those of 3D-ResNets-PyTorch (models/pre_act_resnet.py), from which MedicalNet comes: norm and ReLU
 * stand before each convolution, the shortcut takes the block's bare input, and nothing follows the last sum. Stem, strides
 * and dilation are MedicalNet's.
 */
import { add, relu, scope as rootScope, type Scope, type Tensor } from "../../graph/index.ts";
import { type ConvLayerOptions, normLayer } from "../layers.ts";
import {
  type BlockOptions,
  batchNorms,
  plainConv,
  RELEASED_WIDTH,
  type ResNet3dFeatures,
  type ResNet3dOptions,
  shortcutOf,
  stagesOver,
} from "./resnet3d.ts";

/** Blocks of the four stages of depth 200, the one depth the paper has. */
const BLOCKS = [3, 24, 36, 3] as const;

export interface PreResnet3dOptions extends Omit<ResNet3dOptions, "depth"> {
  /** Blocks of the four stages; depth 200's by default. 50's, for one, would be 3, 4, 6, 3. */
  blocks?: readonly [number, number, number, number];
}

/** The encoder: x [N, C, D, H, W] → features at 1/8, or at 1/32. Shortcut B unless told otherwise. */
export function preResnet3d(
  x: Tensor,
  {
    blocks = BLOCKS,
    shortcut: kind = "B",
    outputStride = 8,
    width = RELEASED_WIDTH,
    stages = 4,
    frozenNorms,
    norm = batchNorms(frozenNorms),
    scope = rootScope(),
  }: PreResnet3dOptions = {},
): ResNet3dFeatures {
  return stagesOver(x, { blocks, outputStride, width, stages, norm, scope }, (y, { widths, dilation }, stride, at) =>
    preActivated(y, { planes: widths * width, stride, dilation, kind, norm }, at),
  );
}

function preActivated(x: Tensor, { planes, stride, dilation, kind, norm }: BlockOptions, scope: Scope): Tensor {
  const channels = planes * 4;
  const next = (input: Tensor, made: number, i: number, options: ConvLayerOptions): Tensor =>
    plainConv(relu(normLayer(input, scope.child(`bn${i}`), norm)), made, scope.child(`conv${i}`), options);
  let y = next(x, planes, 1, {});
  y = next(y, planes, 2, { kernel: 3, padding: dilation, dilation, stride });
  y = next(y, channels, 3, {});
  const direct =
    stride === 1 && x.shape[1] === channels
      ? x
      : shortcutOf(x, channels, { stride, kind, norm }, scope.child("downsample"));
  return add(y, direct);
}
