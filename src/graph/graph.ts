/** Where a graph begins: `graph()` makes an empty one that knows every operator and can write itself as ONNX. */
import { cleanUp } from "./cleanup.ts";
import { Graph, type GraphOptions, type Tensor } from "./core.ts";
import { encodeOnnx, type OnnxOptions } from "./onnx.ts";
import { operators } from "./operators/table.ts";

/** A graph to build in. */
export class BuildingGraph extends Graph {
  /**
   * ONNX bytes of a model that computes `outputs`: a record of names, or a list (then named `output_0`, …).
   * The graph is cleaned up first.
   */
  toOnnx(outputs: Readonly<Record<string, Tensor>> | readonly Tensor[], options: OnnxOptions = {}): Uint8Array {
    const named = Array.isArray(outputs)
      ? Object.fromEntries(outputs.map((tensor: Tensor, i) => [`output_${i}`, tensor]))
      : (outputs as Record<string, Tensor>);
    const keys = Object.keys(named);
    const clean = cleanUp(this, Object.values(named));
    return encodeOnnx(clean.graph, Object.fromEntries(keys.map((key, i) => [key, clean.outputs[i]])), options);
  }
}

/** An empty graph. */
export function graph(options: GraphOptions = {}): BuildingGraph {
  return new BuildingGraph(operators, options);
}
