/** An inference graph with its weights inside, as ONNX: portable, or in this CPU's fast forms. */
import { cleanUp, encodeOnnx, type Graph, type Tensor } from "../graph/index.ts";
import { bakedForm, encodeBaked, type StateMap, weightOf } from "../train/index.ts";

/** Portable ONNX. @throws WeightsError naming what is missing */
export function encodePortable(
  g: Graph,
  probability: Tensor,
  weights: StateMap,
  options: { readonly metadata: Record<string, string>; readonly name: string },
): Uint8Array {
  const clean = cleanUp(g, [probability]);
  const values = valuesOf(weights, g);
  return encodeOnnx(clean.graph, { probability: clean.outputs[0] }, { weights: values, ...options });
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

function valuesOf(weights: StateMap, g: Graph): Map<string, Float32Array> {
  return new Map([...g.parameters].map(([name, { shape }]) => [name, weightOf(weights, name, shape).data]));
}
