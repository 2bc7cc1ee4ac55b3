/** Weights to begin a training with: of a file of any kind that medvox reads, or in memory, for the whole network or a part of it. */
import { ConfigError, WeightsError } from "../../errors.ts";
import { readWeightsFile } from "../../files/index.ts";
import { matchWeights, type WeightTensor } from "../../weights/index.ts";
import type { Model, StateMap } from "./model.ts";

/** Where a network's first values come from. */
export interface StartOptions {
  /** A safetensors file or PyTorch checkpoint, or weights in memory as `weights()` gives them. */
  readonly from: string | StateMap;
  /** The part of the network that they are for: the beginning of its parameters' names, without the dot. The whole one by default. */
  readonly into?: string;
}

/**
 * Loads weights and running statistics.
 * @throws WeightsError where tensors of the part are missing or of another shape; ConfigError where the network has no such part
 */
export async function loadStart(
  model: Pick<Model, "parameters" | "load">,
  { from, into }: StartOptions,
): Promise<void> {
  const prefix = into === undefined ? "" : `${into.replace(/\.$/, "")}.`;
  const target = new Map(
    [...model.parameters].flatMap(([name, { shape }]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), shape] as const] : [],
    ),
  );
  if (target.size === 0)
    throw new ConfigError(
      `start.into: no parameter's name begins with ${prefix}; there are ${[...model.parameters.keys()].slice(0, 3).join(", ")}, …`,
    );
  const file = typeof from === "string" ? from : "start.from";
  const match = matchWeights(target, typeof from === "string" ? await readWeightsFile(from) : tensorsOf(from), {
    file,
    isHead: () => false,
  });
  if (match.missing.length > 0)
    throw new WeightsError(
      `${file}: lacks ${match.missing.length} of the ${target.size} tensors of ${into ?? "the network"}, e.g. ${match.missing.slice(0, 3).join(", ")}`,
    );
  await model.load(new Map([...match.tensors].map(([name, tensor]) => [`${prefix}${name}`, tensor])));
}

function tensorsOf(weights: StateMap): Map<string, WeightTensor> {
  return new Map([...weights].map(([name, { data, shape }]) => [name, { dtype: "F32", data, shape: [...shape] }]));
}
