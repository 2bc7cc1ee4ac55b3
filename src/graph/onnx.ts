/** Graphs as ONNX bytes. Opset 18; value names are readable; equal initializers are written once. */
import { create, toBinary } from "@bufbuild/protobuf";
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from "onnx-buf";
import { ShapeError } from "../errors.ts";
import { baked, type FreeAxes, freeOf, freeSizes, stretched } from "./axes/free.ts";
import {
  type DType,
  type Graph,
  type Node,
  type Operator,
  type Shape,
  shapeText,
  sizeOf,
  type Tensor,
  type TensorData,
  type TensorType,
} from "./core.ts";
import { reachable } from "./gradients.ts";
import { ONNX_DTYPE } from "./operators/elementwise.ts";
import type { EmitContext, Emitter, OnnxAttribute } from "./operators/types.ts";
import { contentKeys } from "./rewrite.ts";

/** Version of ONNX's operator set that all graphs are written in. */
export const OPSET = 18;
const IR_VERSION = 9n;

export interface OnnxOptions {
  /** Allow operators of `com.microsoft`; without them any ONNX engine can run the graph. */
  contrib?: boolean;
  /** Values written into the file for parameters, by name; the others are inputs. */
  weights?: ReadonlyMap<string, Float32Array>;
  /** Axes of inputs that may have any size, by input and axis, under a name. A node that has the size baked in is refused. */
  free?: FreeAxes;
  /**
   * Outputs of which only the first rows are given, and the name of that axis. `count` is the output that says how many: int64 [1], not
   * given itself.
   */
  rows?: { readonly count: string; readonly outputs: readonly string[]; readonly name: string };
  /** Text stored with the model. */
  metadata?: Readonly<Record<string, string>>;
  name?: string;
}

/** Bytes of an ONNX model with the given outputs, named as the record's keys. */
export function encodeOnnx(
  graph: Graph,
  outputs: Readonly<Record<string, Tensor>>,
  options: OnnxOptions = {},
): Uint8Array {
  const writer = new Writer(options.contrib ?? false);
  const names = new Map<Tensor, string>();
  const { rows, free = {} } = options;
  const isFree = Object.values(free).some((axes) => Object.keys(axes).length > 0);
  const twins = isFree ? stretched(graph, Object.values(outputs), free) : undefined;
  const wantedName = new Map<Tensor, string>();
  for (const [name, tensor] of Object.entries(outputs)) {
    if (tensor.graph !== graph) throw new ShapeError(`toOnnx: output ${name} belongs to another graph`);
    const sameName =
      graph.parameters.get(name) ?? graph.inputs.find(({ source }) => source.kind === "input" && source.name === name);
    if (sameName !== undefined)
      throw new ShapeError(`toOnnx: output ${name} has the name of an input or parameter; give it another`);
    const cut = name === options.rows?.count || options.rows?.outputs.includes(name);
    if (tensor.source.kind === "node" && !cut && !wantedName.has(tensor)) wantedName.set(tensor, name);
  }

  const inputs: { name: string; type: TensorType }[] = [];
  for (const tensor of graph.inputs) {
    if (tensor.source.kind !== "input") continue;
    names.set(tensor, tensor.source.name);
    inputs.push({ name: tensor.source.name, type: tensor });
  }
  for (const [name, tensor] of graph.parameters) {
    const value = options.weights?.get(name);
    names.set(tensor, name);
    if (value === undefined) inputs.push({ name, type: tensor });
    else {
      if (value.length !== tensor.size)
        throw new ShapeError(`toOnnx: weights of ${name} hold ${value.length} values, ${tensor.size} are needed`);
      writer.initializer(name, value, tensor.shape, "float32");
    }
  }
  // Nodes are named by the writer; none may take a name that is given.
  for (const name of [...inputs.map((input) => input.name), ...Object.keys(outputs)]) writer.reserve(name);
  const nameOf = (tensor: Tensor): string => {
    const known = names.get(tensor);
    if (known !== undefined) return known;
    if (tensor.source.kind !== "constant") throw new Error("toOnnx: a value has no name");
    const name = writer.constant(tensor.source.data, tensor.shape, tensor.dtype);
    names.set(tensor, name);
    return name;
  };

  for (const node of reachable(...Object.values(outputs))) {
    writer.prefix = `${node.op}_${node.id}`;
    const grows = twins !== undefined && refuseBaked(node, graph, twins, writer.contrib);
    const context: EmitContext<unknown> = {
      inputs: node.inputs.map(nameOf),
      inputTypes: node.inputs,
      outputTypes: node.outputs,
      attributes: node.attributes,
      anySize: grows,
    };
    const made =
      grows && node.op === "reshape"
        ? writer.node("Reshape", [context.inputs[0], writer.int64s(freeSizes(node, twins))])
        : (graph.operators[node.op] as Operator<unknown>).onnx(writer, context);
    for (const [i, output] of node.outputs.entries()) {
      const wanted = wantedName.get(output);
      names.set(output, wanted !== undefined && writer.rename(made[i], wanted) ? wanted : made[i]);
    }
  }
  const given = Object.entries(outputs).filter(([name]) => name !== rows?.count);
  // Outputs that are inputs or constants, or a second name for one value, need a copy.
  for (const [name, tensor] of given) {
    if (rows?.outputs.includes(name)) writer.firstRows(nameOf(tensor), nameOf(outputs[rows.count]), name);
    else if (nameOf(tensor) !== name) writer.copy(nameOf(tensor), name);
  }
  const freeAxesOf = (name: string, tensor: Tensor): Record<number, string> | undefined => {
    if (rows?.outputs.includes(name)) return { 0: rows.name };
    return twins && freeOf(tensor, twins, free);
  };
  return writer.model(
    inputs.map(({ name, type }) => ({ name, type, free: free[name] })),
    given.map(([name, type]) => ({ name, type, free: freeAxesOf(name, type) })),
    options,
  );
}

/**
 * Whether a node's values grow with a free axis. What is written for it must then be the same at every size.
 * @throws ShapeError naming the node for which it is not
 */
function refuseBaked(node: Node, graph: Graph, twins: ReadonlyMap<Tensor, Tensor>, contrib: boolean): boolean {
  const long = (tensors: readonly Tensor[]): Tensor[] => tensors.map((tensor) => twins.get(tensor) ?? tensor);
  const shapes = (tensors: readonly Tensor[]): string => tensors.map(({ shape }) => shape.join()).join(";");
  const all = [...node.inputs, ...node.outputs];
  if (shapes(all) === shapes(long(all))) return false;
  if (node.op === "reshape") return true;
  const written = (inputTypes: readonly Tensor[], outputTypes: readonly Tensor[]): string => {
    const writer = new Writer(contrib);
    const inputs = node.inputs.map((_, i) => `input_${i}`);
    const context = { inputs, inputTypes, outputTypes, attributes: node.attributes, anySize: true };
    (graph.operators[node.op] as Operator<unknown>).onnx(writer, context);
    return writer.written();
  };
  if (written(node.inputs, node.outputs) !== written(long(node.inputs), long(node.outputs)))
    throw baked(node, `it is written for ${shapeText(node.inputs[0].shape)} alone`);
  return true;
}

/** A model's input or output, and the names of those of its axes that have no fixed size. */
interface Port {
  readonly name: string;
  readonly type: TensorType;
  readonly free?: Readonly<Record<number, string>>;
}

class Writer implements Emitter {
  readonly contrib: boolean;
  /** What the names of the nodes that are being written begin with. */
  prefix = "";
  /** Of the model, or of the loop's body that is being written. */
  #nodes: NodeProto[] = [];
  readonly #initializers: { name: string; shape: Shape; dtype: DType; data: TensorData }[] = [];
  readonly #constants = new Map<string, string>();
  readonly #keyOf = contentKeys();
  readonly #taken = new Set<string>();
  #usesContrib = false;

  constructor(contrib: boolean) {
    this.contrib = contrib;
  }

  node(
    type: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
    outputs = 1,
    domain = "",
  ): string[] {
    if (domain !== "") this.#usesContrib = true;
    const name = this.#unique(this.prefix);
    const names = outputs === 1 ? [name] : Array.from({ length: outputs }, (_, i) => `${name}.${i}`);
    this.#nodes.push(
      create(NodeProtoSchema, {
        name,
        opType: type,
        domain,
        input: [...inputs],
        output: names,
        attribute: Object.entries(attributes).map(([key, value]) => attribute(key, value)),
      }),
    );
    return names;
  }

  loop(
    state: readonly string[],
    types: readonly TensorType[],
    body: (state: readonly string[]) => { readonly again: string; readonly state: readonly string[] },
  ): string[] {
    const outer = this.#nodes;
    this.#nodes = [];
    const [turn, condition, ...held] = ["turn", "condition", ...state.keys()].map((part) =>
      this.#unique(`${this.prefix}_${part}`),
    );
    const made = body(held);
    const bool: TensorType = { shape: [], dtype: "bool" };
    const graph = create(GraphProtoSchema, {
      name: `${this.prefix}_body`,
      node: this.#nodes,
      input: [
        valueInfo({ name: turn, type: { shape: [], dtype: "int64" } }),
        valueInfo({ name: condition, type: bool }),
        ...held.map((name, i) => valueInfo({ name, type: types[i] })),
      ],
      output: [
        valueInfo({ name: made.again, type: bool }),
        ...made.state.map((name, i) => valueInfo({ name, type: types[i] })),
      ],
    });
    this.#nodes = outer;
    const first = this.constant(Uint8Array.of(1), [], "bool");
    const names = this.node("Loop", ["", first, ...state], {}, state.length);
    this.#nodes[this.#nodes.length - 1].attribute.push(
      create(AttributeProtoSchema, { name: "body", type: AttributeType.GRAPH, g: graph }),
    );
    return names;
  }

  constant(data: TensorData, shape: Shape, dtype: DType = "float32"): string {
    const key = `${dtype}[${shape.join()}]${this.#keyOf(data)}`;
    const there = this.#constants.get(key);
    if (there !== undefined) return there;
    const name = this.#unique(`constant_${this.#constants.size}`);
    this.initializer(name, data, shape, dtype);
    this.#constants.set(key, name);
    return name;
  }

  int64s(values: readonly number[]): string {
    return this.constant(BigInt64Array.from(values, BigInt), [values.length], "int64");
  }

  scalar(value: number): string {
    return this.constant(Float32Array.of(value), []);
  }

  reserve(name: string): void {
    this.#taken.add(name);
  }

  initializer(name: string, data: TensorData, shape: Shape, dtype: DType): void {
    this.reserve(name);
    this.#initializers.push({ name, shape, dtype, data });
  }

  /** Everything written so far, as text that two writers can be compared by. */
  written(): string {
    const constants = this.#initializers.map(({ name, shape, data }) => [name, shape, Array.from(data, String)]);
    const nodes = this.#nodes.map((node) => [node.opType, node.input, node.output, node.attribute]);
    return JSON.stringify([constants, nodes], (_, value) => (typeof value === "bigint" ? String(value) : value));
  }

  /** Gives a value the name of a graph output. False if the value is not a node's. */
  rename(from: string, to: string): boolean {
    let found = false;
    for (const node of this.#nodes) {
      const at = node.output.indexOf(from);
      if (at >= 0) {
        node.output[at] = to;
        found = true;
      }
    }
    if (!found) return false;
    for (const node of withBodies(this.#nodes)) node.input = node.input.map((input) => (input === from ? to : input));
    this.#taken.add(to);
    return true;
  }

  copy(from: string, to: string): void {
    this.#nodes.push(
      create(NodeProtoSchema, { name: `output_${to}`, opType: "Identity", input: [from], output: [to] }),
    );
  }

  /** The first `count` rows of a value, as an output. */
  firstRows(from: string, count: string, to: string): void {
    const start = this.int64s([0]);
    this.#nodes.push(
      create(NodeProtoSchema, {
        name: `output_${to}`,
        opType: "Slice",
        input: [from, start, count, start],
        output: [to],
      }),
    );
  }

  model(
    inputs: readonly Port[],
    outputs: readonly Port[],
    { metadata = {}, name = "medvox" }: OnnxOptions,
  ): Uint8Array {
    const { nodes, used } = this.#needed(outputs.map((output) => output.name));
    const graph = create(GraphProtoSchema, {
      name,
      node: nodes,
      input: inputs.map(valueInfo),
      output: outputs.map(valueInfo),
      initializer: this.#initializers
        .filter((initializer) => used.has(initializer.name))
        .map(({ name: of, shape, dtype, data }) =>
          create(TensorProtoSchema, {
            name: of,
            dims: shape.map(BigInt),
            dataType: ONNX_DTYPE[dtype],
            rawData: new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength),
          }),
        ),
    });
    const opsets = [create(OperatorSetIdProtoSchema, { domain: "", version: BigInt(OPSET) })];
    if (this.#usesContrib) opsets.push(create(OperatorSetIdProtoSchema, { domain: "com.microsoft", version: 1n }));
    const model = create(ModelProtoSchema, {
      irVersion: IR_VERSION,
      opsetImport: opsets,
      producerName: "medvox",
      graph,
      metadataProps: Object.entries(metadata).map(([key, value]) =>
        create(StringStringEntryProtoSchema, { key, value }),
      ),
    });
    return toBinary(ModelProtoSchema, model);
  }

  /** What the outputs need: an operator may write nodes for results that nobody asks for. */
  #needed(outputs: readonly string[]): { nodes: NodeProto[]; used: Set<string> } {
    const used = new Set(outputs);
    const nodes: NodeProto[] = [];
    for (const node of this.#nodes.toReversed()) {
      if (!node.output.some((output) => used.has(output))) continue;
      nodes.push(node);
      for (const { input } of withBodies([node])) for (const name of input) used.add(name);
    }
    return { nodes: nodes.reverse(), used };
  }

  #unique(stem: string): string {
    let name = stem;
    for (let i = 1; this.#taken.has(name); i++) name = `${stem}.${i}`;
    this.#taken.add(name);
    return name;
  }
}

/** All nodes, those in the bodies of loops included. */
function* withBodies(nodes: readonly NodeProto[]): Generator<NodeProto> {
  for (const node of nodes) {
    yield node;
    for (const { g } of node.attribute) if (g !== undefined) yield* withBodies(g.node);
  }
}

function attribute(name: string, value: OnnxAttribute): AttributeProto {
  if (typeof value === "string")
    return create(AttributeProtoSchema, { name, type: AttributeType.STRING, s: new TextEncoder().encode(value) });
  if (typeof value === "number")
    return create(AttributeProtoSchema, { name, type: AttributeType.INT, i: BigInt(value) });
  if (Array.isArray(value))
    return create(AttributeProtoSchema, { name, type: AttributeType.INTS, ints: value.map(BigInt) });
  return create(AttributeProtoSchema, { name, type: AttributeType.FLOAT, f: (value as { float: number }).float });
}

function valueInfo({ name, type: { shape, dtype }, free = {} }: Port) {
  return create(ValueInfoProtoSchema, {
    name,
    type: create(TypeProtoSchema, {
      value: {
        case: "tensorType",
        value: create(TypeProto_TensorSchema, {
          elemType: ONNX_DTYPE[dtype],
          shape: create(TensorShapeProtoSchema, {
            dim: shape.map((n, axis) =>
              create(TensorShapeProto_DimensionSchema, {
                value: axis in free ? { case: "dimParam", value: free[axis] } : { case: "dimValue", value: BigInt(n) },
              }),
            ),
          }),
        }),
      },
    }),
  });
}

/** Bytes a tensor takes in memory. */
export function byteSize({ shape, dtype }: TensorType): number {
  return sizeOf(shape) * (dtype === "int64" ? 8 : dtype === "bool" ? 1 : 4);
}
