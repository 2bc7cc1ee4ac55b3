/**
 * Clean-up of a graph: nothing dead (only what the outputs need is rebuilt), no constant or node twice, no needless copies.
 *
 * Every rule keeps the bits of float results, save that x + 0 turns −0 into 0.
 */
import { type Graph, sameShape, type Tensor } from "./core.ts";
import type { Attributes } from "./operators/types.ts";
import { type Rewritten, type Rule, rewrite, uniformValue } from "./rewrite.ts";

/** A graph that computes the same outputs with fewer nodes. */
export function cleanUp(graph: Graph, outputs: readonly Tensor[]): Rewritten {
  let before = Number.POSITIVE_INFINITY;
  let current: Rewritten = rewrite(graph, outputs, simplify);
  while (current.graph.nodes.length < before) {
    before = current.graph.nodes.length;
    current = rewrite(current.graph, current.outputs, simplify);
  }
  return current;
}

const simplify: Rule = (node, inputs, build) => {
  const [x, y] = inputs;
  const [output] = node.outputs;
  const stays = (tensor: Tensor): readonly Tensor[] | undefined =>
    sameShape(tensor.shape, output.shape) ? [tensor] : undefined;
  switch (node.op) {
    case "stopGradient":
      return [x];
    case "reshape": {
      if (sameShape(x.shape, output.shape)) return [x];
      const inner = producer(x, "reshape");
      return inner && build.add("reshape", [inner.input], node.attributes as Attributes["reshape"]);
    }
    case "transpose": {
      const { permutation } = node.attributes as Attributes["transpose"];
      if (permutation.every((axis, i) => axis === i)) return [x];
      const inner = producer(x, "transpose");
      if (inner) {
        const joint = permutation.map((axis) => inner.attributes.permutation[axis]);
        return joint.every((axis, i) => axis === i)
          ? [inner.input]
          : build.add("transpose", [inner.input], { permutation: joint });
      }
      // Moving only axes of size 1 is a reshape.
      const moved = permutation.filter((axis) => x.shape[axis] !== 1);
      return moved.every((axis, i) => i === 0 || moved[i - 1] < axis)
        ? build.add("reshape", [x], { shape: output.shape })
        : undefined;
    }
    case "expand":
    case "slice":
      return stays(x);
    case "pad":
      return stays(x);
    case "cast":
      return x.dtype === output.dtype ? [x] : undefined;
    case "concat":
      return inputs.length === 1 ? [x] : undefined;
    case "reduceSum":
    case "reduceMean":
    case "reduceMax":
    case "reduceMin": {
      const { axes } = node.attributes as Attributes["reduceSum"];
      return axes.every((axis) => x.shape[axis] === 1) ? build.add("reshape", [x], { shape: output.shape }) : undefined;
    }
    case "add":
      return uniformValue(y) === 0 ? stays(x) : uniformValue(x) === 0 ? stays(y) : undefined;
    case "sub":
      return uniformValue(y) === 0 ? stays(x) : undefined;
    case "mul":
      return uniformValue(y) === 1 ? stays(x) : uniformValue(x) === 1 ? stays(y) : undefined;
    case "div":
      return uniformValue(y) === 1 ? stays(x) : undefined;
    case "neg": {
      const inner = producer(x, "neg");
      return inner && [inner.input];
    }
    default:
      return undefined;
  }
};

/** The node that made `x`, if it is of the kind asked for. */
function producer<K extends "reshape" | "transpose" | "neg">(
  x: Tensor,
  op: K,
): { input: Tensor; attributes: Attributes[K] } | undefined {
  if (x.source.kind !== "node" || x.source.node.op !== op) return undefined;
  return { input: x.source.node.inputs[0], attributes: x.source.node.attributes as Attributes[K] };
}
