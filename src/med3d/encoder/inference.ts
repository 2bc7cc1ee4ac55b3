/** An inference graph with its weights inside, as ONNX: portable, or in this CPU's fast forms. */
import type { Graph, Tensor } from "../../graph/index.ts";
import { bakedForm, encodePortable as encode, encodeBaked, type StateMap } from "../../train/index.ts";

/** Portable ONNX. @throws WeightsError naming what is missing */
export function encodePortable(
  g: Graph,
  probability: Tensor,
  weights: StateMap,
  options: { readonly metadata: Record<string, string>; readonly name: string },
): Uint8Array {
  return encode({ graph: g, outputs: { probability } }, weights, options);
}

/** The same in the CPU's fast forms: not portable, but quicker here. */
export function encodeFast(g: Graph, probability: Tensor, weights: StateMap): Uint8Array {
  return encodeBaked({ graph: g, outputs: { probability } }, weights);
}

/** The graph in those forms, and how they store the weights. */
export function fastForm(g: Graph, probability: Tensor) {
  const { graph, outputs, layouts } = bakedForm({ graph: g, outputs: { probability } });
  return { graph, outputs: [outputs.probability], layouts };
}
