/** The networks that predict, from wherever they come: a run, an exported `model.onnx`, or weights with the network they are of. */
import type { Axis } from "../../../augment/index.ts";
import { checkedJson, type Plan, planSchema, readPlanFile } from "../../../data/index.ts";
import { DataError, WeightsError } from "../../../errors.ts";
import { readWeightsFile } from "../../../files/index.ts";
import { type GraphMemory, readOnnx } from "../../../graph/index.ts";
import { checkedConfig, type StateMap } from "../../../train/index.ts";
import { matchWeights, type WeightTensor } from "../../../weights/index.ts";
import { mirroredAxes } from "../config.ts";
import {
  encodeFastInference,
  encodeInference,
  inferenceMemory,
  inferenceParameters,
  networkOf,
  networkSchema,
  refuseHalfCascade,
  runWeights,
  usedWeights,
} from "../export.ts";
import { type KeepLargest, keepLargestSchema } from "../keep-largest.ts";
import type { NetworkConfig, SegmentationNetwork } from "../network/network.ts";
import type { SegmentationRun } from "../session.ts";

/** A network that has not been loaded yet. */
export interface OpenedModel {
  readonly plan: Plan;
  /** Axes along which training mirrored; undefined where nobody knows. */
  readonly mirrored?: readonly Axis[];
  readonly keepLargest: KeepLargest | null;
  readonly memory: () => GraphMemory;
  readonly encode: () => Promise<Uint8Array>;
}

/** Opens networks for what computes: `cpu` has fast forms of its own, other devices take portable ONNX. */
export type ModelsOf = (device: string) => readonly OpenedModel[];

/** A network and its weights, which need not come from a run of medvox. */
export interface SegmenterParts {
  /** A file (`.safetensors`, `.pth`), or the tensors by name, as `readSafetensors` gives them. */
  readonly weights: string | ReadonlyMap<string, Pick<WeightTensor, "data" | "shape">>;
  /**
   * What the weights are of: the keys of a configuration that decide a network (`depth`, `decoder`, …; those left out have the
   * defaults of a training), or a function from the input [1, C, D, H, W] to class scores [1, K, D, H, W].
   */
  readonly network: Partial<NetworkConfig> | SegmentationNetwork;
  /** How images are prepared, the windows' size and the labels: a plan, or its file. */
  readonly plan: string | Plan;
}

/**
 * Reads weights and plan. Every parameter of the network must be among the weights, in its shape; others are left out.
 * @throws WeightsError where one is missing or of another shape, ConfigError for a network or a plan that cannot be
 */
export async function modelOfParts({ weights, network, plan }: SegmenterParts): Promise<ModelsOf> {
  const planned = typeof plan === "string" ? await readPlanFile(plan) : plan;
  const source = typeof weights === "string" ? weights : "weights";
  const tensors = typeof weights === "string" ? await readWeightsFile(weights) : weights;
  const built = typeof network === "function" ? network : checkedConfig(networkSchema, network, "network.");
  const typed = new Map([...tensors].map(([name, tensor]) => [name, { dtype: "F32", ...tensor } as WeightTensor]));
  const match = matchWeights(inferenceParameters(built, planned), typed, { file: source });
  const [missing] = match.missing;
  if (missing !== undefined)
    throw new WeightsError(`${source}: lacks ${match.missing.length} of the network's tensors, the first ${missing}`);
  const placed: StateMap = new Map(match.tensors);
  return (device) => [{ plan: planned, keepLargest: null, ...encoders(built, planned, device, async () => placed) }];
}

/** @throws DataError for a model without a plan, ConfigError for half a cascade */
export function exportedModel(model: Uint8Array, path: string): OpenedModel {
  const { metadata } = readOnnx(model, path);
  if (metadata.plan === undefined)
    throw new DataError(`${path}: has no medvox plan in its metadata, so its preprocessing is unknown`);
  refuseHalfCascade(path, metadata);
  const keepLargest =
    metadata.keepLargest === undefined
      ? null
      : checkedJson(keepLargestSchema, metadata.keepLargest, `${path}: metadata.keepLargest`);
  const plan = checkedJson(planSchema, metadata.plan, `${path}: metadata.plan`) as Plan;
  const network = metadata.network && checkedJson(networkSchema, metadata.network, `${path}: metadata.network`);
  const memory = (): GraphMemory =>
    network && network.decoder !== "custom"
      ? inferenceMemory(network, plan, "portable")
      : unknownMemory(model.length, plan);
  const mirrored = metadata.mirrored?.split(",").filter((axis): axis is Axis => /^[xyz]$/.test(axis));
  return { plan, mirrored, keepLargest, memory, encode: async () => model };
}

/** A graph that does not say what network it is: 64 maps of the patch's size. */
function unknownMemory(bytes: number, { patch }: Plan): GraphMemory {
  const map = 4 * patch[0] * patch[1] * patch[2];
  return { weightBytes: bytes, foldedBytes: 0, liveBytes: 64 * map, largestBytes: 16 * map };
}

/** The network of a trained run. */
export function runModel(run: SegmentationRun, use: "last" | "best" | undefined, device: string): OpenedModel {
  const { record, plan } = run;
  return {
    plan,
    mirrored: mirroredAxes(record.config),
    keepLargest: record.config.keepLargest,
    ...encoders(networkOf(record), plan, device, () => runWeights(run, use ?? usedWeights(record))),
  };
}

function encoders(
  network: NetworkConfig | SegmentationNetwork,
  plan: Plan,
  device: string,
  weights: () => Promise<StateMap>,
): Pick<OpenedModel, "memory" | "encode"> {
  const form = device === "cpu" ? "fast" : "portable";
  return {
    memory: () => inferenceMemory(network, plan, form),
    encode: async () =>
      form === "fast"
        ? encodeFastInference(network, plan, await weights())
        : encodeInference(network, plan, await weights(), {}),
  };
}
