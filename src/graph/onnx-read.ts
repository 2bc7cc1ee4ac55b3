/** Reading ONNX files back: what a model takes and gives, which operators it is made of, what is written in its metadata. */
import { fromBinary } from "@bufbuild/protobuf";
import { type ModelProto, ModelProtoSchema, TensorProto_DataType, type ValueInfoProto } from "onnx-buf";
import { DataError } from "../errors.ts";

export interface OnnxValue {
  readonly name: string;
  /** ONNX's name of the element type, lower case. */
  readonly dtype: string;
  /** Sizes; a name where an axis is free. */
  readonly shape: readonly (number | string)[];
}

export interface OnnxModel {
  readonly producer: string;
  readonly irVersion: number;
  /** Domain → version; the standard domain is `ai.onnx`. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  /** Operator → how many nodes. */
  readonly operators: Readonly<Record<string, number>>;
  readonly nodes: number;
  readonly initializers: number;
  /** Numbers in the initializers. */
  readonly values: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/** How many max-pools of a model also say where each maximum stood, as their gradient needs. Bytes that are no model have none. */
export function poolsWithIndices(bytes: Uint8Array): number {
  try {
    const nodes = fromBinary(ModelProtoSchema, bytes).graph?.node ?? [];
    return nodes.filter(({ opType, output }) => opType === "MaxPool" && (output[1] ?? "") !== "").length;
  } catch {
    return 0;
  }
}

/** @throws DataError if the bytes are no ONNX model */
export function readOnnx(bytes: Uint8Array, source = "model.onnx"): OnnxModel {
  let model: ModelProto;
  try {
    model = fromBinary(ModelProtoSchema, bytes);
  } catch (error) {
    throw new DataError(`${source}: is no ONNX model (${(error as Error).message})`);
  }
  const { graph } = model;
  if (graph === undefined || model.opsetImport.length === 0)
    throw new DataError(`${source}: is no ONNX model (it holds no graph)`);
  const known = new Set(graph.initializer.map(({ name }) => name));
  const operators: Record<string, number> = {};
  for (const { opType, domain } of graph.node) {
    const name = domain === "" ? opType : `${domain}.${opType}`;
    operators[name] = (operators[name] ?? 0) + 1;
  }
  return {
    producer: [model.producerName, model.producerVersion].filter((part) => part !== "").join(" "),
    irVersion: Number(model.irVersion),
    opsets: Object.fromEntries(
      model.opsetImport.map(({ domain, version }) => [domain === "" ? "ai.onnx" : domain, Number(version)]),
    ),
    inputs: graph.input.filter(({ name }) => !known.has(name)).map(describe),
    outputs: graph.output.map(describe),
    operators: Object.fromEntries(Object.entries(operators).sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))),
    nodes: graph.node.length,
    initializers: graph.initializer.length,
    values: graph.initializer.reduce((sum, { dims }) => sum + dims.reduce((size, n) => size * Number(n), 1), 0),
    metadata: Object.fromEntries(model.metadataProps.map(({ key, value }) => [key, value])),
  };
}

function describe({ name, type }: ValueInfoProto): OnnxValue {
  if (type?.value.case !== "tensorType") return { name, dtype: type?.value.case ?? "unknown", shape: [] };
  const { elemType, shape } = type.value.value;
  const sizes = (shape?.dim ?? []).map(({ value }) =>
    value.case === "dimValue" ? Number(value.value) : value.case === "dimParam" ? value.value : "?",
  );
  return { name, dtype: (TensorProto_DataType[elemType] ?? String(elemType)).toLowerCase(), shape: sizes };
}
