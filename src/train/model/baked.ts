/** An inference graph with its weights inside: in this CPU's fast forms, or portable. */
import { WeightsError } from "../../errors.ts";
import {
  cleanUp,
  encodeOnnx,
  lower,
  type OnnxOptions,
  pieceNames,
  splitWeights,
  type Tensor,
} from "../../graph/index.ts";
import type { StateMap } from "./model.ts";
import type { NamedGraph } from "./stages.ts";

/** ONNX bytes of standard operators, for any engine. @throws WeightsError naming what is missing or of another shape */
export function encodePortable(
  { graph, outputs }: NamedGraph,
  weights: StateMap,
  options: Omit<OnnxOptions, "weights" | "contrib"> = {},
): Uint8Array {
  const names = Object.keys(outputs);
  const clean = cleanUp(graph, Object.values(outputs));
  const values = new Map([...graph.parameters].map(([name, { shape }]) => [name, weightOf(weights, name, shape).data]));
  const named = Object.fromEntries(names.map((name, i) => [name, clean.outputs[i]]));
  return encodeOnnx(clean.graph, named, { weights: values, ...options });
}

/** ONNX bytes in this CPU's fast forms: not portable, but quicker here. @throws WeightsError likewise */
export function encodeBaked(source: NamedGraph, weights: StateMap): Uint8Array {
  const { graph, outputs, layouts } = bakedForm(source);
  const values = new Map<string, Float32Array>();
  for (const [name, { shape }] of source.graph.parameters) {
    const { data } = weightOf(weights, name, shape);
    const layout = layouts.get(name);
    if (layout === undefined) values.set(name, data);
    else {
      for (const [i, piece] of splitWeights(data, shape, layout).entries())
        values.set(pieceNames(name, layout)[i], piece);
    }
  }
  return encodeOnnx(graph, outputs, { weights: values, contrib: true });
}

/** A graph in this CPU's fast forms, and how they store the weights. */
export function bakedForm({ graph, outputs }: NamedGraph) {
  const names = Object.keys(outputs);
  const named = (tensors: readonly Tensor[]): Record<string, Tensor> =>
    Object.fromEntries(names.map((name, i) => [name, tensors[i]]));
  const clean = cleanUp(graph, Object.values(outputs));
  const lowered = lower(clean.graph, named(clean.outputs));
  const last = cleanUp(
    lowered.graph,
    names.map((name) => lowered.outputs[name]),
  );
  return { graph: last.graph, outputs: named(last.outputs), layouts: lowered.layouts };
}

/** One of the weights. @throws WeightsError if it is missing or of another shape */
function weightOf(weights: StateMap, name: string, shape: readonly number[]): { readonly data: Float32Array } {
  const value = weights.get(name);
  if (value === undefined) throw new WeightsError(`${name}: is missing from the weights`);
  if (value.shape.join() !== shape.join())
    throw new WeightsError(`${name}: shape [${value.shape.join(", ")}], the network's is [${shape.join(", ")}]`);
  return value;
}
