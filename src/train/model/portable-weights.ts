/** Weights for other programs: safetensors, if wanted with every entry that PyTorch's `state_dict` has. */
import { writeSafetensors } from "../../files/index.ts";
import type { WeightTensor } from "../../weights/index.ts";
import type { StateMap } from "./model.ts";

export interface PortableWeightsOptions {
  /** Batch norms' counters as well, so that `load_state_dict` is strict about them. */
  readonly counters?: boolean;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly force?: boolean;
}

/** @returns how many tensors were written */
export async function writePortableWeights(
  file: string,
  weights: StateMap,
  { counters = false, metadata = {}, force }: PortableWeightsOptions = {},
): Promise<number> {
  const tensors = new Map<string, WeightTensor>();
  for (const [name, { data, shape }] of weights) tensors.set(name, { dtype: "F32", shape, data });
  for (const name of counters ? weights.keys() : []) {
    if (!name.endsWith("running_mean")) continue;
    const counter = name.replace(/running_mean$/, "num_batches_tracked");
    tensors.set(counter, { dtype: "I64", shape: [], data: BigInt64Array.of(0n) });
  }
  await writeSafetensors(file, tensors, { format: "pt", ...metadata }, { force });
  return tensors.size;
}
