/** Nodes that take the representation of their inputs: elementwise operators, and matrices along one axis. */
import { type Graph, type Node, sameShape, sizeOf, type Tensor, type TensorType } from "../core.ts";
import { matmul } from "../functional/linear.ts";
import { reshape } from "../functional/movement.ts";
import { Value } from "./values.ts";

/** The node over rows or pieces, if one of its inputs is there in that form and the others can follow; else undefined. */
export function elementwise(node: Node, inputs: readonly Value[], target: Graph): Value[] | undefined {
  const [output] = node.outputs;
  const full = inputs.filter((value) => sameShape(value.type.shape, output.shape));
  const pieced = full.filter((value) => value.native === "pieces");
  if (pieced.length > 0 && inputs.every((value) => full.includes(value) || sizeOf(value.type.shape) === 1)) {
    // What lies in storage keeps its layout; what was just computed follows.
    const layout = (pieced.find(isStored) ?? pieced[0]).layout!;
    const parts = inputs.map((value) => (full.includes(value) ? value.pieces(layout) : undefined));
    const made = layout.groups.map((_, i) => {
      const operands = inputs.map((value, j) => parts[j]?.[i] ?? scalarOf(value));
      return target.add(node.op, operands, node.attributes)[0];
    });
    return [Value.pieces(made, layout, output)];
  }
  if (output.rank < 3 || !full.some((value) => value.native === "rows")) return undefined;
  const operands: Tensor[] = [];
  for (const value of inputs) {
    const operand = full.includes(value)
      ? value.rows()
      : sizeOf(value.type.shape) === 1
        ? scalarOf(value)
        : channelBroadcast(value, output);
    if (operand === undefined) return undefined;
    operands.push(operand);
  }
  return [Value.rows(target.add(node.op, operands, node.attributes)[0], output)];
}

function isStored(value: Value): boolean {
  return value.layout !== undefined && value.pieces(value.layout)[0].source.kind === "parameter";
}

function scalarOf(value: Value): Tensor {
  return reshape(value.plain(), []);
}

/** A value that differs by channel only, as [1, C]. */
function channelBroadcast(value: Value, output: TensorType): Tensor | undefined {
  const { shape } = value.type;
  const lead = output.shape.length - shape.length;
  const onlyChannels = shape.every((n, i) => n === 1 || i + lead === 1);
  return onlyChannels ? reshape(value.plain(), [1, output.shape[1]]) : undefined;
}

/** A matrix along spatial axis `axis` of a map that lies in rows. */
export function axisMatrixRows(rows: Tensor, type: TensorType, matrix: Tensor, axis: number): Tensor {
  const [n, c, ...spatial] = type.shape;
  const at = axis - 2;
  const outer = n * sizeOf(spatial.slice(0, at));
  const inner = sizeOf(spatial.slice(at + 1)) * c;
  const y = matmul(matrix, reshape(rows, [outer, spatial[at], inner]));
  return reshape(y, [y.size / c, c]);
}
