/**
 * Reverse-mode derivatives: a walk from the loss back to the parameters that adds, for each node passed, the nodes of its
 * operator's gradient rule. The result is more nodes of the same graph: they can be printed, exported, differentiated again.
 */
import { ShapeError } from "../errors.ts";
import { type GradientContext, type Node, type Operator, sameShape, shapeText, type Tensor } from "./core.ts";
import { add } from "./functional/elementwise.ts";

/**
 * d loss / d each of `targets`, each of its target's shape. A target the loss does not depend on gets zeros.
 * @param loss a scalar
 * @throws ShapeError if the loss is not one float
 */
export function gradients(loss: Tensor, targets: readonly Tensor[]): Tensor[] {
  if (loss.size !== 1 || loss.dtype !== "float32") {
    throw new ShapeError(
      `gradients: the loss is ${shapeText(loss.shape)} ${loss.dtype}; it must be one float32 (take its mean or sum)`,
    );
  }
  const graph = loss.graph;
  const dependent = new Set<Tensor>(targets);
  const path: Node[] = [];
  for (const node of reachable(loss)) {
    const matters = node.inputs.some((input) => dependent.has(input)) && graph.operators[node.op].gradient !== "none";
    if (!matters) continue;
    for (const output of node.outputs) dependent.add(output);
    path.push(node);
  }

  const collected = new Map<Tensor, Tensor>();
  collected.set(loss, graph.constant(new Float32Array([1]), loss.shape));
  for (const node of path.reverse()) {
    const upstream = node.outputs.map((output) => collected.get(output));
    if (upstream.every((g) => g === undefined)) continue;
    const rule = (graph.operators[node.op] as Operator<unknown>).gradient;
    if (rule === "none") continue;
    if (rule === "refused") throw new ShapeError(`${node.op}: is for inference; no gradient passes it`);
    const wanted = node.inputs.map((input) => dependent.has(input));
    const context: GradientContext<unknown> = {
      inputs: node.inputs,
      outputs: node.outputs,
      attributes: node.attributes,
      upstream,
      wanted,
    };
    const found = rule(context);
    for (const [i, input] of node.inputs.entries()) {
      const gradient = found[i];
      if (gradient === undefined || !wanted[i]) continue;
      if (!sameShape(gradient.shape, input.shape)) {
        throw new ShapeError(
          `${node.op}: its gradient is ${shapeText(gradient.shape)}, the input is ${shapeText(input.shape)}`,
        );
      }
      const before = collected.get(input);
      collected.set(input, before === undefined ? gradient : add(before, gradient));
    }
  }
  return targets.map((target) => collected.get(target) ?? graph.constant(new Float32Array(target.size), target.shape));
}

/** The nodes that `outputs` need, in an order in which they can be computed. */
export function reachable(...outputs: readonly Tensor[]): Node[] {
  const seen = new Set<Node>();
  const stack: Node[] = outputs.flatMap((tensor) => (tensor.source.kind === "node" ? [tensor.source.node] : []));
  while (stack.length > 0) {
    const node = stack.pop()!;
    if (seen.has(node)) continue;
    seen.add(node);
    for (const input of node.inputs) {
      if (input.source.kind === "node" && !seen.has(input.source.node)) stack.push(input.source.node);
    }
  }
  return [...seen].sort((a, b) => a.id - b.id);
}
