/**
 * The graph language: static, shape-inferred tensors, nodes, and the graph that holds them.
 *
 * A tensor is a promise of numbers, not numbers: every function of `medvox/graph` adds a node to the graph its
 * inputs belong to. Training steps, evaluation and export are all such graphs; `onnx.ts` writes them as ONNX bytes.
 * Shapes are known when a node is made, so a mistake is an error at the line that made it.
 *
 * Shape shorthand: N batch · C channels · D H W depth, height, width · P all positions of a map.
 */
import { ShapeError } from "../errors.ts";
import type { Random } from "../random.ts";
import type {
  Attributes,
  DType,
  EmitContext,
  Emitter,
  OperatorName,
  Shape,
  TensorData,
  TensorType,
} from "./operators/types.ts";

export type { DType, Shape, TensorData, TensorType } from "./operators/types.ts";

/** Makes a parameter's first values. `random` is the parameter's own stream. */
export type Initializer = (shape: Shape, random: Random) => Float32Array;

export interface ParameterInfo {
  readonly name: string;
  readonly initialize: Initializer;
  /** False for buffers such as running statistics: they are saved, but no optimizer touches them. */
  readonly trainable: boolean;
}

export type TensorSource =
  | { readonly kind: "input"; readonly name: string }
  | { readonly kind: "parameter"; readonly info: ParameterInfo }
  | { readonly kind: "constant"; readonly data: TensorData }
  | { readonly kind: "node"; readonly node: Node; readonly index: number };

/** A value in a graph: a shape, an element type, and where it comes from. */
export class Tensor implements TensorType {
  readonly graph: Graph;
  readonly id: number;
  readonly shape: Shape;
  readonly dtype: DType;
  readonly source: TensorSource;

  constructor(graph: Graph, id: number, type: TensorType, source: TensorSource) {
    this.graph = graph;
    this.id = id;
    this.shape = type.shape;
    this.dtype = type.dtype;
    this.source = source;
  }

  /** Number of axes. */
  get rank(): number {
    return this.shape.length;
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }
}

/** One application of an operator. */
export interface Node<K extends OperatorName = OperatorName> {
  readonly id: number;
  readonly op: K;
  readonly inputs: readonly Tensor[];
  readonly attributes: Attributes[K];
  readonly outputs: readonly Tensor[];
}

export interface GradientContext<A> {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly attributes: A;
  /** The gradient of the loss by each output; undefined where the loss does not depend on it. */
  readonly upstream: readonly (Tensor | undefined)[];
  /** Which inputs a gradient is wanted for; a rule may skip the others. */
  readonly wanted: readonly boolean[];
}

/** Gives the gradient by each input, or undefined for inputs that have none. */
export type GradientRule<A> = (context: GradientContext<A>) => readonly (Tensor | undefined)[];

/**
 * What every operator must bring: a shape rule, an ONNX form, a gradient, and what lowering and the count of memory need to know.
 * {@link OperatorTable} is a mapped type over {@link Attributes}, so an operator without one of them does not compile.
 */
export interface Operator<A> {
  /**
   * Whether each number of the output is made of the numbers at its own place in the inputs (after broadcasting) and of nothing
   * else. Such an operator computes the same in any arrangement of its values, so lowering lets it follow its inputs.
   */
  readonly elementwise: boolean;
  /** Whether the engine may write the output over an input that nobody reads any more, so that it takes no memory of its own. */
  readonly inPlace: boolean;
  /** Types of the outputs. @throws ShapeError naming operator, sizes and rule. */
  readonly shape: (inputs: readonly TensorType[], attributes: A) => TensorType[];
  /** Writes the operator as standard ONNX nodes and returns the names of its outputs. */
  readonly onnx: (emit: Emitter, context: EmitContext<A>) => readonly string[];
  /**
   * `"none"` for operators that are constant almost everywhere or defined on integers; `"refused"` for those of inference alone, whose
   * values move.
   */
  readonly gradient: GradientRule<A> | "none" | "refused";
}

export type OperatorTable = { readonly [K in OperatorName]: Operator<Attributes[K]> };

/** One family of operators, as its file exports it. */
export type Family<K extends OperatorName> = { readonly [Name in K]: Operator<Attributes[Name]> };

export interface GraphOptions {
  /** In a training graph batch norm uses batch statistics and dropout drops. */
  training?: boolean;
  /** Whether a parameter or buffer of this name is frozen: a batch norm with frozen statistics uses them and leaves them as they are. */
  frozen?: (name: string) => boolean;
  /** Group, instance and layer norm are built from means, which take any size, instead of their faster form, which fixes every size. */
  anySize?: boolean;
}

/** What the numbers of a tensor of labels may be: 0 … classes − 1, and the label that is ignored, if there is one. */
export interface LabelRule {
  readonly target: Tensor;
  readonly classes: number;
  readonly ignored?: number;
}

/** Tensors and nodes in the order in which they were made, which is an order in which they can be computed. */
export class Graph {
  readonly training: boolean;
  readonly operators: OperatorTable;
  readonly nodes: Node[] = [];
  readonly inputs: Tensor[] = [];
  readonly parameters = new Map<string, Tensor>();
  /** What a buffer holds after a training step (running statistics), in the order they were asked for. */
  readonly updates = new Map<Tensor, Tensor>();
  /** What losses expect of the labels that are fed to them. */
  readonly labelRules: LabelRule[] = [];
  readonly frozen: (name: string) => boolean;
  readonly anySize: boolean;
  #count = 0;

  constructor(operators: OperatorTable, options: GraphOptions = {}) {
    this.operators = operators;
    this.training = options.training ?? false;
    this.frozen = options.frozen ?? (() => false);
    this.anySize = options.anySize ?? false;
  }

  /** A value fed at every run. */
  input(name: string, shape: Shape, dtype: DType = "float32"): Tensor {
    checkShape(`input ${name}`, shape);
    if (this.inputs.some((other) => other.source.kind === "input" && other.source.name === name)) {
      throw new ShapeError(`input ${name}: the graph has an input of this name already; names are unique`);
    }
    const tensor = this.#tensor({ shape: [...shape], dtype }, { kind: "input", name });
    this.inputs.push(tensor);
    return tensor;
  }

  /** A named value that training changes (or, with `trainable: false`, that it only keeps). */
  parameter(name: string, shape: Shape, initialize: Initializer, options: { trainable?: boolean } = {}): Tensor {
    checkShape(`parameter ${name}`, shape);
    if (this.parameters.has(name)) {
      throw new ShapeError(
        `parameter ${name}: the graph has a parameter of this name already; give its layer another scope`,
      );
    }
    const info: ParameterInfo = { name, initialize, trainable: options.trainable ?? true };
    const tensor = this.#tensor({ shape: [...shape], dtype: "float32" }, { kind: "parameter", info });
    this.parameters.set(name, tensor);
    return tensor;
  }

  /** A fixed value. A plain number makes a scalar. */
  constant(value: number | TensorData | readonly number[], shape?: Shape, dtype: DType = "float32"): Tensor {
    const data =
      typeof value === "number"
        ? arrayOf(dtype, [value])
        : Array.isArray(value)
          ? arrayOf(dtype, value as number[])
          : (value as TensorData);
    const type: TensorType = {
      shape: [...(shape ?? (typeof value === "number" ? [] : [data.length]))],
      dtype: dtypeOf(data),
    };
    if (sizeOf(type.shape) !== data.length) {
      throw new ShapeError(`constant: ${data.length} values do not fill the shape ${shapeText(type.shape)}`);
    }
    return this.#tensor(type, { kind: "constant", data });
  }

  /** Adds a node; the operator's shape rule decides what comes out, or throws a {@link ShapeError}. */
  add<K extends OperatorName>(op: K, inputs: readonly Tensor[], attributes: Attributes[K]): readonly Tensor[] {
    for (const input of inputs) {
      if (input.graph !== this)
        throw new ShapeError(`${op}: an input belongs to another graph; a node joins tensors of one graph`);
    }
    const types = this.operators[op].shape(inputs, attributes);
    const outputs: Tensor[] = [];
    const node: Node = { id: this.nodes.length, op, inputs: [...inputs], attributes, outputs };
    for (const [index, type] of types.entries()) {
      outputs.push(this.#tensor(type, { kind: "node", node, index }));
    }
    this.nodes.push(node);
    return outputs;
  }

  /** Says what `buffer` holds after the step. Asked for once per buffer. */
  update(buffer: Tensor, value: Tensor): void {
    if (buffer.source.kind !== "parameter") throw new ShapeError("update: only a parameter or buffer can be updated");
    if (this.updates.has(buffer)) {
      throw new ShapeError(
        `update ${buffer.source.info.name}: updated twice in one graph; share the layer's output instead of calling it twice`,
      );
    }
    this.updates.set(buffer, value);
  }

  #tensor(type: TensorType, source: TensorSource): Tensor {
    return new Tensor(this, this.#count++, type, source);
  }
}

/** Number of elements; 1 for a scalar ([]). */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const n of shape) size *= n;
  return size;
}

/** A shape for messages: `[2, 3]`, or `scalar`. */
export function shapeText(shape: Shape): string {
  return shape.length === 0 ? "scalar" : `[${shape.join(", ")}]`;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((n, axis) => n === b[axis]);
}

/** Numbers as the typed array of `dtype` (bool is Uint8Array, as ONNX stores it). */
function arrayOf(dtype: DType, values: readonly number[]): TensorData {
  switch (dtype) {
    case "float32":
      return Float32Array.from(values);
    case "int32":
      return Int32Array.from(values);
    case "uint32":
      return Uint32Array.from(values);
    case "int64":
      return BigInt64Array.from(values, (v) => BigInt(Math.trunc(v)));
    case "bool":
      return Uint8Array.from(values);
  }
}

function dtypeOf(data: TensorData): DType {
  if (data instanceof Float32Array) return "float32";
  if (data instanceof Int32Array) return "int32";
  if (data instanceof BigInt64Array) return "int64";
  if (data instanceof Uint32Array) return "uint32";
  return "bool";
}

function checkShape(what: string, shape: Shape): void {
  for (const [axis, n] of shape.entries()) {
    if (!Number.isInteger(n) || n < 0) {
      throw new ShapeError(`${what}: size ${n} on axis ${axis} of ${shapeText(shape)}; sizes are whole numbers ≥ 0`);
    }
  }
}
