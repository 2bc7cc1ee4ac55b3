/** Where a graph begins: `graph()` makes an empty one that knows every operator and can write itself as ONNX. */
import { WeightsError } from "../errors.ts";
import { cleanUp } from "./cleanup.ts";
import { Graph, type GraphOptions, type Tensor } from "./core.ts";
import { encodeOnnx, type OnnxOptions } from "./onnx.ts";
import { operators } from "./operators/table.ts";

/** A graph to build in. */
export class BuildingGraph extends Graph {
  /**
   * ONNX bytes of a model that computes `outputs`: a record of names, or a list (then named `output_0`, …).
   * The graph is cleaned up first.
   * @throws WeightsError for a weight that no parameter has; ShapeError naming a node that has the size of a free axis baked in
   */
  toOnnx(outputs: Readonly<Record<string, Tensor>> | readonly Tensor[], options: OnnxOptions = {}): Uint8Array {
    const named = Array.isArray(outputs)
      ? Object.fromEntries(outputs.map((tensor: Tensor, i) => [`output_${i}`, tensor]))
      : (outputs as Record<string, Tensor>);
    const stranger = [...(options.weights?.keys() ?? [])].find((name) => !this.parameters.has(name));
    if (stranger !== undefined)
      throw new WeightsError(
        `toOnnx: weights: no parameter is named ${stranger}; there are ${[...this.parameters.keys()].slice(0, 4).join(", ") || "none"}`,
      );
    const keys = Object.keys(named);
    const clean = cleanUp(this, Object.values(named));
    return encodeOnnx(clean.graph, Object.fromEntries(keys.map((key, i) => [key, clean.outputs[i]])), options);
  }
}

/** An empty graph. */
export function graph(options: GraphOptions = {}): BuildingGraph {
  return new BuildingGraph(operators, options);
}
