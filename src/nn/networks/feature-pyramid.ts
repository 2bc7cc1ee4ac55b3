/**
 * Feature pyramid (Lin et al. 2017, arXiv 1612.03144), with torchvision's parameter names, in 2D and 3D: coarse maps are brought up
 * by nearest neighbours and added to the finer ones; a 3-wide convolution smooths each level.
 */
import { add, maxPool, resize, type Scope, type Tensor } from "../../graph/index.ts";
import { kaimingUniformLinear, zeros } from "../initializers.ts";
import { type ConvLayerOptions, convLayer } from "../layers.ts";

export interface FeaturePyramidOptions {
  /** Channels of every level; 256 in the paper. */
  channels: number;
  /** One more level, every second cell of the coarsest: only the RPN looks at it. */
  extraLevel?: boolean;
  scope: Scope;
}

/** Maps [N, C, …] from fine to coarse → as many levels of the same sizes, and one more. Parameters `inner_blocks`, `layer_blocks`. */
export function featurePyramid(
  maps: readonly Tensor[],
  { channels, extraLevel = true, scope }: FeaturePyramidOptions,
): Tensor[] {
  const filled: ConvLayerOptions = { initialize: kaimingUniformLinear, initializeBias: zeros };
  const inner = (i: number): Tensor =>
    convLayer(maps[i], channels, scope.child("inner_blocks").child(i).child(0), filled);
  const layer = (x: Tensor, i: number): Tensor =>
    convLayer(x, channels, scope.child("layer_blocks").child(i).child(0), { ...filled, kernel: 3, padding: 1 });
  const levels = new Array<Tensor>(maps.length);
  let coarse: Tensor | undefined;
  for (let i = maps.length - 1; i >= 0; i--) {
    const lateral = inner(i);
    coarse =
      coarse === undefined ? lateral : add(lateral, resize(coarse, { size: lateral.shape.slice(2), mode: "nearest" }));
    levels[i] = layer(coarse, i);
  }
  return extraLevel ? [...levels, maxPool(levels[maps.length - 1], { kernel: 1, stride: 2 })] : levels;
}
