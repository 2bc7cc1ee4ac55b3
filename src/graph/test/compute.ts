/** Running small graphs, for tests. */
import type { ArrayMessage, Engine } from "../../runtime/index.ts";
import { type BuildingGraph, cleanUp, encodeOnnx, lower, type Tensor, type TensorData } from "../index.ts";

export type Arrays = Readonly<Record<string, { readonly data: TensorData; readonly shape: readonly number[] }>>;

/** ONNX bytes of a graph as written, or in the fast forms that training uses. */
export function encode(g: BuildingGraph, outputs: Readonly<Record<string, Tensor>>, lowering = false): Uint8Array {
  if (!lowering) return g.toOnnx(outputs);
  const names = Object.keys(outputs);
  const named = (tensors: readonly Tensor[]): Record<string, Tensor> =>
    Object.fromEntries(names.map((name, i) => [name, tensors[i]]));
  const clean = cleanUp(g, Object.values(outputs));
  const lowered = lower(clean.graph, named(clean.outputs), { relayout: false });
  const last = cleanUp(
    lowered.graph,
    names.map((name) => lowered.outputs[name]),
  );
  return encodeOnnx(last.graph, named(last.outputs), { contrib: true });
}

/** What `outputs` are, once. */
export async function compute(
  engine: Engine,
  g: BuildingGraph,
  outputs: Readonly<Record<string, Tensor>>,
  feeds: Arrays = {},
  options: { lowering?: boolean } = {},
): Promise<Readonly<Record<string, ArrayMessage>>> {
  const program = await engine.load(encode(g, outputs, options.lowering), { label: Object.keys(outputs).join() });
  try {
    return (await program.run(feeds)).outputs;
  } finally {
    await program.close();
  }
}

/** The numbers of an array of any element type. */
export function numbersOf({ data }: { readonly data: TensorData }): number[] {
  return Array.from(data as ArrayLike<number | bigint>, Number);
}
