/**
 * Rebuilding a graph node by node. Clean-up and lowering are rules given to {@link rewrite}; only what the outputs need is
 * rebuilt, equal constants and equal nodes become one.
 */
import { type Graph, Graph as GraphClass, type Node, sizeOf, type Tensor, type TensorData } from "./core.ts";
import { reachable } from "./gradients.ts";
import type { Attributes, OperatorName } from "./operators/types.ts";

/** Says what stands for a node in the new graph: tensors for its outputs, or undefined to copy it as it is. */
export type Rule = (node: Node, inputs: readonly Tensor[], build: Builder) => readonly Tensor[] | undefined;

export interface Builder {
  readonly graph: Graph;
  /** Adds a node, or finds an equal one. */
  add<K extends OperatorName>(op: K, inputs: readonly Tensor[], attributes: Attributes[K]): readonly Tensor[];
  /** How many nodes of the old graph read a tensor. */
  uses(original: Tensor): number;
}

export interface Rewritten {
  readonly graph: Graph;
  readonly outputs: Tensor[];
}

/** A graph that computes `outputs` the same way, each node passed through `rule` (if any). */
export function rewrite(source: Graph, outputs: readonly Tensor[], rule?: Rule): Rewritten {
  const target = new SharingGraph(source);
  const nodes = reachable(...outputs);
  const useCount = new Map<Tensor, number>();
  for (const node of nodes) for (const input of node.inputs) useCount.set(input, (useCount.get(input) ?? 0) + 1);
  for (const output of outputs) useCount.set(output, (useCount.get(output) ?? 0) + 1);

  const known = new Map<Tensor, Tensor>();
  const find = (tensor: Tensor): Tensor => {
    const there = known.get(tensor);
    if (there !== undefined) return there;
    const made = copyLeaf(target, tensor);
    known.set(tensor, made);
    return made;
  };
  const builder: Builder = {
    graph: target,
    add: (op, inputs, attributes) => target.add(op, inputs, attributes),
    uses: (original) => useCount.get(original) ?? 0,
  };
  // Every input and parameter stays, used or not, so a program's feeds do not depend on what was optimised away.
  for (const input of source.inputs) find(input);
  for (const parameter of source.parameters.values()) find(parameter);
  for (const node of nodes) {
    const inputs = node.inputs.map(find);
    const made = rule?.(node, inputs, builder) ?? target.add(node.op, inputs, node.attributes);
    for (const [i, output] of node.outputs.entries()) known.set(output, made[i]);
  }
  return { graph: target, outputs: outputs.map(find) };
}

function copyLeaf(target: Graph, { source, shape, dtype }: Tensor): Tensor {
  switch (source.kind) {
    case "input":
      return target.input(source.name, shape, dtype);
    case "parameter":
      return target.parameter(source.info.name, shape, source.info.initialize, { trainable: source.info.trainable });
    case "constant":
      return target.constant(source.data, shape, dtype);
    case "node":
      throw new Error(`rewrite: ${source.node.op} is used before it is made`);
  }
}

/** A graph in which equal constants and equal nodes are one. */
class SharingGraph extends GraphClass {
  readonly #nodes = new Map<string, readonly Tensor[]>();
  readonly #constants = new Map<string, Tensor>();
  readonly #keyOf = contentKeys();

  constructor(like: Graph) {
    super(like.operators, { training: like.training });
  }

  override add<K extends OperatorName>(op: K, inputs: readonly Tensor[], attributes: Attributes[K]): readonly Tensor[] {
    const key = `${op}(${inputs.map((input) => input.id).join()})${JSON.stringify(attributes, exactNumber)}`;
    const there = this.#nodes.get(key);
    if (there !== undefined) return there;
    const made = super.add(op, inputs, attributes);
    this.#nodes.set(key, made);
    return made;
  }

  override constant(...parameters: Parameters<Graph["constant"]>): Tensor {
    const made = super.constant(...parameters);
    if (made.source.kind !== "constant") return made;
    const key = `${made.dtype}[${made.shape.join()}]${this.#keyOf(made.source.data)}`;
    const there = this.#constants.get(key);
    if (there !== undefined) return there;
    this.#constants.set(key, made);
    return made;
  }
}

/** JSON writes infinities and NaN as null, and −0 as 0. */
function exactNumber(_key: string, value: unknown): unknown {
  if (Object.is(value, -0)) return "-0";
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}

/**
 * Keys that equal contents share and different contents do not: all bytes for short arrays; for long ones a hash, and among
 * arrays of one hash a number, given after comparing all bytes.
 */
export function contentKeys(): (data: TensorData) => string {
  const seen = new Map<string, Uint8Array[]>();
  return (data) => {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    if (bytes.length <= 64) return bytes.join();
    let hash = 0x811c9dc5;
    for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
    const key = `${bytes.length}#${hash >>> 0}`;
    const alike = seen.get(key) ?? [];
    seen.set(key, alike);
    const found = alike.findIndex((other) => other.every((byte, i) => byte === bytes[i]));
    return `${key}#${found < 0 ? alike.push(bytes) - 1 : found}`;
  };
}

/** The value of a tensor that is one repeated number, else undefined. */
export function uniformValue(tensor: Tensor): number | undefined {
  if (tensor.source.kind !== "constant" || sizeOf(tensor.shape) === 0) return undefined;
  const { data } = tensor.source;
  const [first] = data;
  for (const value of data) if (value !== first) return undefined;
  return Number(first);
}
