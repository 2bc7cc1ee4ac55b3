/**
 * VGG-16 (Simonyan & Zisserman 2015, configuration D) up to conv5_3, with torchvision's parameter names: the paper's backbone. At
 * stride 16, for the last pooling is left to the regions.
 */
import { maxPool, relu, type Scope, type Tensor } from "../../graph/index.ts";
import { kaimingNormalFanOut, zeros } from "../initializers.ts";
import { convLayer } from "../layers.ts";

/** Channels of the convolutions, by stage; a pooling stands between stages. */
const STAGES = [
  [64, 64],
  [128, 128],
  [256, 256, 256],
  [512, 512, 512],
  [512, 512, 512],
] as const;

/** x [N, C, …] → [N, 512, …/16]. Parameters `0.weight`, … `28.bias` in the scope. */
export function vgg16(x: Tensor, scope: Scope): Tensor {
  let y = x;
  let index = 0;
  for (const [stage, convolutions] of STAGES.entries()) {
    if (stage > 0) {
      y = maxPool(y, { kernel: 2 });
      index++;
    }
    for (const channels of convolutions) {
      const options = { kernel: 3, padding: 1, initialize: kaimingNormalFanOut, initializeBias: zeros };
      y = relu(convLayer(y, channels, scope.child(index), options));
      // The ReLU has an index of its own.
      index += 2;
    }
  }
  return y;
}
