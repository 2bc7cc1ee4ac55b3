/**
 * Axes of any size. A graph is built for fixed sizes; whether a node works at others is found by building the graph a second time, with
 * the free axes twice as long, and comparing. What cannot follow is an error here, instead of a file that fails wherever it is run.
 */
import { ShapeError } from "../../errors.ts";
import { Graph, type Node, type Shape, shapeText, type Tensor } from "../core.ts";
import { reachable } from "../gradients.ts";

/** Free axes by input and axis, each under a name. */
export type FreeAxes = Readonly<Record<string, Readonly<Record<number, string>>>>;

/**
 * The same graph with longer free axes: each tensor's counterpart.
 * @throws ShapeError naming the node that has a size baked in, or an input or axis that is not there
 */
export function stretched(graph: Graph, outputs: readonly Tensor[], free: FreeAxes): Map<Tensor, Tensor> {
  const twin = new Graph(graph.operators, { training: graph.training, anySize: graph.anySize });
  const twins = new Map<Tensor, Tensor>();
  refuseUnknown(graph, free);
  for (const tensor of graph.inputs) {
    if (tensor.source.kind !== "input") continue;
    const axes = free[tensor.source.name] ?? {};
    const shape = tensor.shape.map((n, axis) => (axis in axes ? 2 * n : n));
    twins.set(tensor, twin.input(tensor.source.name, shape, tensor.dtype));
  }
  for (const [name, tensor] of graph.parameters)
    twins.set(
      tensor,
      twin.parameter(name, tensor.shape, () => new Float32Array()),
    );
  for (const node of reachable(...outputs)) {
    const inputs = node.inputs.map((input) => twinOf(input, twin, twins));
    const follows = inputs.every((input, i) => input.shape.join() === node.inputs[i].shape.join());
    if (!follows && node.op === "batchNorm")
      throw baked(node, "it computes statistics over a number of values that is fixed");
    try {
      const made = twin.add(node.op, inputs, attributesFor(node, inputs));
      for (const [i, output] of node.outputs.entries()) twins.set(output, made[i]);
    } catch (error) {
      throw baked(node, (error as Error).message, error);
    }
  }
  return twins;
}

/** The error about a node that cannot have a free axis. */
export function baked(node: Node, why: string, cause?: unknown): ShapeError {
  const parameters = node.inputs.flatMap(({ source }) => (source.kind === "parameter" ? [source.info.name] : []));
  const near = parameters.length === 0 ? "" : ` (${parameters.join(", ")})`;
  return new ShapeError(
    `toOnnx: free: node ${node.op}_${node.id}${near} has the size of a free axis baked in: ${why}`,
    {
      cause,
    },
  );
}

function twinOf(tensor: Tensor, twin: Graph, twins: Map<Tensor, Tensor>): Tensor {
  let made = twins.get(tensor);
  if (made === undefined) {
    if (tensor.source.kind !== "constant") throw new Error("toOnnx: a value comes after its use");
    made = twin.constant(tensor.source.data, tensor.shape);
    twins.set(tensor, made);
  }
  return made;
}

/** A reshape follows its input: its rows stay in order, so the size that grows is the one that holds the free axis. */
function attributesFor(node: Node, [x]: readonly Tensor[]): Node["attributes"] {
  if (node.op !== "reshape") return node.attributes;
  let shape: Shape = (node.attributes as { shape: Shape }).shape;
  const before = node.inputs[0].shape;
  for (const [axis, n] of before.entries()) {
    if (x.shape[axis] === n) continue;
    const rows = before.slice(0, axis).reduce((a, b) => a * b, 1);
    const at = shape.findIndex((size, k) => productTo(shape, k) === rows && size % n === 0);
    shape = shape.map((size, k) => (k === at ? (size / n) * x.shape[axis] : size));
  }
  return { shape };
}

const productTo = (shape: Shape, axis: number): number => shape.slice(0, axis).reduce((a, b) => a * b, 1);

/** A reshape's sizes as ONNX takes them: 0 where the input's size is kept, −1 for one that follows from the rest. */
export function freeSizes(node: Node, twins: ReadonlyMap<Tensor, Tensor>): number[] {
  const [from, to] = [node.inputs[0], node.outputs[0]];
  const [longFrom, longTo] = [twins.get(from)!.shape, twins.get(to)!.shape];
  const sizes = to.shape.map((n, i) => {
    if (longTo[i] === n) return n;
    return from.shape[i] === n && longFrom[i] === longTo[i] ? 0 : -1;
  });
  if (sizes.filter((n) => n === -1).length > 1)
    throw baked(node, `it joins several free axes in ${shapeText(to.shape)}`);
  return sizes;
}

/** The names of an output's free axes. */
export function freeOf(tensor: Tensor, twins: ReadonlyMap<Tensor, Tensor>, free: FreeAxes): Record<number, string> {
  const long = twins.get(tensor)?.shape ?? tensor.shape;
  const names = Object.values(free).flatMap((axes) => Object.entries(axes));
  return Object.fromEntries(
    tensor.shape.flatMap((n, axis) =>
      long[axis] === n ? [] : [[axis, names.find(([at]) => Number(at) === axis)?.[1] ?? `free_${axis}`]],
    ),
  );
}

function refuseUnknown(graph: Graph, free: FreeAxes): void {
  const inputs = new Map(graph.inputs.flatMap((x) => (x.source.kind === "input" ? [[x.source.name, x] as const] : [])));
  for (const [name, axes] of Object.entries(free)) {
    const input = inputs.get(name);
    if (input === undefined)
      throw new ShapeError(`toOnnx: free: no input ${name}; there are ${[...inputs.keys()].join(", ")}`);
    const strange = Object.keys(axes).find((axis) => !(Number(axis) < input.rank));
    if (strange !== undefined)
      throw new ShapeError(`toOnnx: free: ${name} has no axis ${strange}; its shape is ${shapeText(input.shape)}`);
  }
}
