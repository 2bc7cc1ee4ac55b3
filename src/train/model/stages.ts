/**
 * A step in two stages, for networks that decide something between them: a detector's RPN says where to look before its head
 * looks there. The graph of the whole step is cut: the first stage computes the outputs asked for early, the second all the rest; what the
 * second reads of the first stays in the engine. So nothing is computed twice, and the gradients are those of one graph.
 */
import { cleanUp, Graph, type Node, type Tensor } from "../../graph/index.ts";

/** A graph with named outputs. */
export interface NamedGraph {
  readonly graph: Graph;
  readonly outputs: Readonly<Record<string, Tensor>>;
}

export interface Stages {
  readonly first: NamedGraph;
  readonly second: NamedGraph;
  /** Outputs of the first stage that the second reads under the same name. */
  readonly banked: readonly string[];
}

/** Cuts a graph. @param early names of the outputs that the first stage computes */
export function splitStages({ graph, outputs }: NamedGraph, early: readonly string[]): Stages {
  const names = Object.keys(outputs);
  const clean = cleanUp(graph, Object.values(outputs));
  const named = new Map(names.map((name, i) => [name, clean.outputs[i]]));
  const firstPart = new Part(clean.graph);
  const firstOutputs: Record<string, Tensor> = {};
  for (const name of early) firstOutputs[name] = firstPart.copy(named.get(name)!);

  const banked = new Map<Tensor, string>();
  const secondPart = new Part(clean.graph, (tensor, target) => {
    if (!firstPart.has(tensor) || tensor.source.kind !== "node") return undefined;
    // Another view of the same numbers is not kept twice.
    if (tensor.source.node.op === "reshape" && tensor.source.node.inputs[0].source.kind === "node") return undefined;
    const name = `banked:${banked.size}`;
    banked.set(tensor, name);
    return target.input(name, tensor.shape, tensor.dtype);
  });
  const secondOutputs: Record<string, Tensor> = {};
  for (const name of names) if (!early.includes(name)) secondOutputs[name] = secondPart.copy(named.get(name)!);
  for (const [tensor, name] of banked) firstOutputs[name] = firstPart.copy(tensor);
  return {
    first: { graph: firstPart.graph, outputs: firstOutputs },
    second: { graph: secondPart.graph, outputs: secondOutputs },
    banked: [...banked.values()],
  };
}

/** A copy of that part of a graph which some tensors need; inputs and parameters nobody needs are not there. */
class Part {
  readonly graph: Graph;
  readonly #copies = new Map<Tensor, Tensor>();
  readonly #leaf: (tensor: Tensor, target: Graph) => Tensor | undefined;

  constructor(source: Graph, leaf: (tensor: Tensor, target: Graph) => Tensor | undefined = () => undefined) {
    this.graph = new Graph(source.operators, { training: source.training });
    this.#leaf = leaf;
  }

  has(tensor: Tensor): boolean {
    return this.#copies.has(tensor);
  }

  copy(wanted: Tensor): Tensor {
    // Without recursion: graphs are thousands of nodes deep.
    const stack: Tensor[] = [wanted];
    while (stack.length > 0) {
      const tensor = stack[stack.length - 1];
      if (this.#copies.has(tensor)) {
        stack.pop();
        continue;
      }
      const leaf = this.#leaf(tensor, this.graph);
      if (leaf !== undefined || tensor.source.kind !== "node") {
        this.#copies.set(tensor, leaf ?? this.#copyLeaf(tensor));
        stack.pop();
        continue;
      }
      const { node } = tensor.source;
      const missing = node.inputs.filter((input) => !this.#copies.has(input));
      if (missing.length > 0) stack.push(...missing);
      else {
        this.#copyNode(node);
        stack.pop();
      }
    }
    return this.#copies.get(wanted)!;
  }

  #copyNode(node: Node): void {
    const made = this.graph.add(
      node.op,
      node.inputs.map((input) => this.#copies.get(input)!),
      node.attributes,
    );
    for (const [i, output] of node.outputs.entries()) if (!this.#copies.has(output)) this.#copies.set(output, made[i]);
  }

  #copyLeaf({ source, shape, dtype }: Tensor): Tensor {
    if (source.kind === "input") return this.graph.input(source.name, shape, dtype);
    if (source.kind === "parameter") {
      const { name, initialize, trainable } = source.info;
      return this.graph.parameter(name, shape, initialize, { trainable });
    }
    if (source.kind === "constant") return this.graph.constant(source.data, shape, dtype);
    throw new Error("stages: a node is no leaf");
  }
}
