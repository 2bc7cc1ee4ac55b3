/**
 * What a graph needs while it runs, from its shapes alone: the bytes written into it, and the most bytes of computed values that
 * are alive together when its nodes run in order.
 *
 * Values computed from parameters and constants alone are counted with the weights, since the engine computes them once, when
 * the graph is loaded. A reshape is the same bytes under another shape. An operator that works in place writes over an input that
 * nobody reads after it.
 */
import { type DType, type Graph, sizeOf, type Tensor } from "./core.ts";
import { reachable } from "./gradients.ts";

export interface GraphMemory {
  /** Parameters and constants, as the file holds them. */
  readonly weightBytes: number;
  /** Values computed from parameters and constants alone; the engine computes them once and stores them. */
  readonly foldedBytes: number;
  /** Inputs, outputs and values between them that are alive at the worst moment. */
  readonly liveBytes: number;
  /** The largest single value that is computed at every run. */
  readonly largestBytes: number;
}

const bytesOf: Readonly<Record<DType, number>> = { float32: 4, int32: 4, uint32: 4, int64: 8, bool: 1 };

/** Bytes that computing `outputs` takes, by what they hold; counted from shapes, nothing is run. */
export function graphMemory(graph: Graph, outputs: readonly Tensor[]): GraphMemory {
  const nodes = reachable(...outputs);
  const bytes = ({ shape, dtype }: Tensor): number => sizeOf(shape) * bytesOf[dtype];
  /** For a reshape's output, the tensor whose bytes it shares. */
  const stands = new Map<Tensor, Tensor>();
  const storageOf = (tensor: Tensor): Tensor => stands.get(tensor) ?? tensor;
  const constant = new Set<Tensor>(graph.parameters.values());
  const isConstant = (tensor: Tensor): boolean => constant.has(tensor) || tensor.source.kind === "constant";
  const written = new Set<Tensor>(graph.parameters.values());
  const lastRead = new Map<Tensor, number>();
  for (const [at, node] of nodes.entries()) {
    for (const input of node.inputs) if (input.source.kind === "constant") written.add(input);
    if (node.inputs.every(isConstant)) for (const output of node.outputs) constant.add(output);
    if (node.op === "reshape") stands.set(node.outputs[0], storageOf(node.inputs[0]));
    for (const input of node.inputs) lastRead.set(storageOf(input), at);
  }
  for (const output of outputs) lastRead.set(storageOf(output), nodes.length);
  const computed = (tensor: Tensor): boolean => !isConstant(tensor) && storageOf(tensor) === tensor;
  let weightBytes = 0;
  for (const tensor of written) weightBytes += bytes(tensor);
  let live = 0;
  for (const input of graph.inputs) live += bytes(input);
  let liveBytes = live;
  let largestBytes = 0;
  let foldedBytes = 0;
  for (const [at, node] of nodes.entries()) {
    const ended = [...new Set(node.inputs.map(storageOf))].filter(
      (input) => !isConstant(input) && lastRead.get(input) === at && input.source.kind === "node",
    );
    let endedBytes = 0;
    for (const input of ended) endedBytes += bytes(input);
    let made = 0;
    for (const output of node.outputs) {
      if (constant.has(output)) {
        // A folded value stays only if a node that is computed at every run reads it.
        if (storageOf(output) === output) foldedBytes += readBySome(output) ? bytes(output) : 0;
      } else if (computed(output)) {
        made += bytes(output);
        largestBytes = Math.max(largestBytes, bytes(output));
      }
    }
    const overwrites = graph.operators[node.op].inPlace && ended.some((input) => bytes(input) === made);
    liveBytes = Math.max(liveBytes, live + (overwrites ? 0 : made));
    live += made - endedBytes;
    for (const output of node.outputs) if (computed(output) && !lastRead.has(output)) live -= bytes(output);
  }
  return { weightBytes, foldedBytes, liveBytes, largestBytes };

  function readBySome(tensor: Tensor): boolean {
    return nodes.some(
      (node) =>
        node.inputs.some((input) => storageOf(input) === tensor) && !node.outputs.every((out) => constant.has(out)),
    );
  }
}
