/**
 * The inference graph of a run: as `model.onnx`, which any ONNX engine runs and which carries its preprocessing and labels;
 * and as a program with the weights written in, for predicting here.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Plan } from "../../data/index.ts";
import { ConfigError } from "../../errors.ts";
import { cleanUp, type GraphMemory, graph, graphMemory } from "../../graph/index.ts";
import { BEST_CHECKPOINT, LAST_CHECKPOINT, RUN, readRunOf, readWeights, type StateMap } from "../../train/index.ts";
import { encodeFast, encodePortable, fastForm } from "../encoder/inference.ts";
import { mirroredAxes, type SegmentationConfig, segmentationConfigSchema } from "./config.ts";
import {
  type CustomDecoder,
  type NetworkConfig,
  type SegmentationNetwork,
  segmentationProbabilities,
} from "./network/network.ts";
import { segmentationSchemas } from "./schemas.ts";
import type { SegmentationRun } from "./session.ts";

/** Where a cascade keeps its first network. */
export const COARSE = "coarse";

/** What the metadata of a cascade's `model.onnx` say of it: it is the second network, which needs the region of the first. */
const FINE = "fine";

/**
 * @throws ConfigError for the second network of a cascade, which alone would label what the first one leaves out: by its metadata, or,
 * where an older medvox wrote it, by the run that it lies in
 */
export function refuseHalfCascade(path: string, metadata: Readonly<Record<string, string>>): void {
  const folder = dirname(path);
  const isOfCascade = existsSync(join(folder, RUN)) && existsSync(join(folder, COARSE, RUN));
  if (metadata.cascade !== FINE && !isOfCascade) return;
  const run = isOfCascade ? `: ${folder}` : "";
  throw new ConfigError(
    `${path}: is the second network of a cascade, which needs the region that the first one finds; name the run's folder${run}`,
  );
}

/** The first network of a cascade. */
export async function openCoarse({ store }: Pick<SegmentationRun, "store">): Promise<SegmentationRun> {
  return readRunOf(store.child(COARSE), { name: "segmentation", schemas: segmentationSchemas });
}

/** Those keys of a configuration that decide the network, as a model's metadata has them. */
export const networkSchema = segmentationConfigSchema
  .pick({ depth: true, preActivation: true, shortcut: true, outputStride: true, width: true })
  .extend(
    segmentationConfigSchema.pick({
      ...{ decoder: true, decoderChannels: true, decoderConvolutions: true, decoderInputChannels: true },
      asppRates: true,
    }).shape,
  );

/** Which weights of a run are scored and exported. */
export function usedWeights({ config, splits }: Pick<SegmentationRun["record"], "config" | "splits">): "last" | "best" {
  return config.use === "best" && splits.validation.length > 0 ? "best" : "last";
}

/** Parameters and running statistics that a run keeps. */
export function runWeights({ store }: Pick<SegmentationRun, "store">, use: "last" | "best"): Promise<StateMap> {
  return readWeights(store, use === "best" ? BEST_CHECKPOINT : LAST_CHECKPOINT);
}

/** The bytes of `model.onnx`: input [1, C, D, H, W] → probability [1, K, D, H, W]. */
export async function encodeRun(run: SegmentationRun, use = usedWeights(run.record)): Promise<Uint8Array> {
  const { record, plan } = run;
  return encodeInference(networkOf(record), plan, await runWeights(run, use), {
    medvox: record.versions.medvox,
    task: "segmentation",
    plan: JSON.stringify(plan),
    network: JSON.stringify(networkOf(record)),
    mirrored: mirroredAxes(record.config).join(),
    ...(record.config.coarse !== null && { cascade: FINE }),
    ...(record.config.keepLargest !== null && { keepLargest: JSON.stringify(record.config.keepLargest) }),
  });
}

/** Those keys of a configuration that decide the network. */
export function networkOf({ config }: { readonly config: SegmentationConfig & CustomDecoder }): NetworkConfig {
  const { depth, preActivation, shortcut, outputStride, width } = config;
  const { decoder, decoderChannels, decoderConvolutions, decoderInputChannels, asppRates, customDecoder } = config;
  return {
    ...{ depth, preActivation, shortcut, outputStride, width },
    ...{ decoder, decoderChannels, decoderConvolutions, decoderInputChannels, asppRates, customDecoder },
  };
}

/** Portable ONNX with the weights inside. */
export function encodeInference(
  network: NetworkConfig | SegmentationNetwork,
  plan: Plan,
  weights: StateMap,
  metadata: Record<string, string>,
): Uint8Array {
  const { g, probability } = inferenceGraph(network, plan);
  return encodePortable(g, probability, weights, { metadata, name: "medvox-segmentation" });
}

/** The same in the CPU's fast forms: not portable, but quicker here. */
export function encodeFastInference(
  network: NetworkConfig | SegmentationNetwork,
  plan: Plan,
  weights: StateMap,
): Uint8Array {
  const { g, probability } = inferenceGraph(network, plan);
  return encodeFast(g, probability, weights);
}

/** What the graph of either needs while it runs. */
export function inferenceMemory(
  network: NetworkConfig | SegmentationNetwork,
  plan: Plan,
  form: "portable" | "fast",
): GraphMemory {
  const { g, probability } = inferenceGraph(network, plan);
  const { graph: last, outputs } = form === "fast" ? fastForm(g, probability) : cleanUp(g, [probability]);
  return graphMemory(last, outputs);
}

/** Shapes of the network's parameters and running statistics, by name. */
export function inferenceParameters(
  network: NetworkConfig | SegmentationNetwork,
  plan: Plan,
): ReadonlyMap<string, readonly number[]> {
  return new Map([...inferenceGraph(network, plan).g.parameters].map(([name, { shape }]) => [name, shape]));
}

function inferenceGraph(network: NetworkConfig | SegmentationNetwork, { patch, preprocessing }: Plan) {
  const g = graph();
  const input = g.input("input", [1, preprocessing.channels, ...patch]);
  return { g, probability: segmentationProbabilities(input, preprocessing.labels.length, network) };
}
