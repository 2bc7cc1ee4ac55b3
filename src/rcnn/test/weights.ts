/** Random weights that make a detector find things, for tests that train none. */
import { random } from "../../random.ts";
import type { StateMap } from "../../train/index.ts";
import type { DetectorConfig } from "../network/config.ts";
import { detectorShapes } from "../network/weights.ts";

/** @param certainty how far class scores spread */
export function randomWeights(config: DetectorConfig, seed = 1, certainty = 4): StateMap {
  const source = random(seed, "weights");
  const weights: StateMap = new Map();
  for (const [name, shape] of detectorShapes(config)) {
    const size = shape.reduce((a, b) => a * b, 1);
    const gain = name.includes("cls_score.weight") ? certainty : 1;
    const width = shape.length > 1 ? gain * Math.sqrt(shape[0] / size) : 0.1;
    const at = name.endsWith("running_var") || (shape.length === 1 && name.endsWith("weight")) ? 1 : 0;
    // Variances above 0.
    const value = (): number =>
      name.endsWith("running_var") ? at + 0.5 * source.uniform() : at + width * source.normal();
    weights.set(name, { shape: [...shape], data: Float32Array.from({ length: size }, value) });
  }
  return weights;
}
