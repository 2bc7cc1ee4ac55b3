/** An inference graph with its weights inside, as ONNX: portable, or in this CPU's fast forms. */
import { WeightsError } from "../errors.ts";
import { cleanUp, encodeOnnx, type Graph, lower, pieceNames, splitWeights, type Tensor } from "../graph/index.ts";
import type { StateMap } from "../train/index.ts";

/** Portable ONNX. @throws WeightsError naming what is missing */
export function encodePortable(
  g: Graph,
  probability: Tensor,
  weights: StateMap,
  options: { readonly metadata: Record<string, string>; readonly name: string },
): Uint8Array {
  const clean = cleanUp(g, [probability]);
  const values = valuesOf(weights, [...g.parameters.keys()]);
  return encodeOnnx(clean.graph, { probability: clean.outputs[0] }, { weights: values, ...options });
}

/** The same in the CPU's fast forms: not portable, but quicker here. */
export function encodeFast(g: Graph, probability: Tensor, weights: StateMap): Uint8Array {
  const { graph, outputs, layouts } = fastForm(g, probability);
  const values = new Map<string, Float32Array>();
  for (const [name, value] of valuesOf(weights, [...g.parameters.keys()])) {
    const layout = layouts.get(name);
    if (layout === undefined) values.set(name, value);
    else
      for (const [i, piece] of splitWeights(value, weights.get(name)!.shape, layout).entries())
        values.set(pieceNames(name, layout)[i], piece);
  }
  return encodeOnnx(graph, { probability: outputs[0] }, { weights: values, contrib: true });
}

/** The graph in those forms, and how they store the weights. */
export function fastForm(g: Graph, probability: Tensor) {
  const clean = cleanUp(g, [probability]);
  const lowered = lower(clean.graph, { probability: clean.outputs[0] });
  return { ...cleanUp(lowered.graph, [lowered.outputs.probability]), layouts: lowered.layouts };
}

function valuesOf(weights: StateMap, names: readonly string[]): Map<string, Float32Array> {
  return new Map(
    names.map((name) => {
      const value = weights.get(name);
      if (value === undefined) throw new WeightsError(`${name}: is missing from the weights`);
      return [name, value.data];
    }),
  );
}
