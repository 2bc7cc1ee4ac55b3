/**
 * The inference graph of a run: as `model.onnx`, which any ONNX engine runs and which carries its preprocessing and labels;
 * and as a program with the weights written in, for predicting here.
 */
import { join } from "node:path";
import type { Plan } from "../data/index.ts";
import { writeFileAtomic } from "../files/index.ts";
import { cleanUp, type GraphMemory, graph, graphMemory } from "../graph/index.ts";
import { bestCheckpoint, lastCheckpoint, readWeights, type StateMap } from "../train/index.ts";
import { encodeFast, encodePortable, fastForm } from "./inference-model.ts";
import type { RunRecord } from "./run-folder.ts";
import { mirroredAxes } from "./segmentation-config.ts";
import { type NetworkConfig, segmentationProbabilities } from "./segmentation-network.ts";

/** Where a run keeps its inference graph. */
export const modelFile = (folder: string): string => join(folder, "model.onnx");

/** The weights a run is scored with. */
export async function runWeights(folder: string, use: "last" | "best"): Promise<StateMap> {
  const state = await readWeights(use === "best" ? bestCheckpoint(folder) : lastCheckpoint(folder));
  return new Map([...state].filter(([name]) => !name.startsWith("optimizer.")));
}

/** Writes `model.onnx`: input [1, C, D, H, W] → probability [1, K, D, H, W]. */
export async function exportModel(folder: string, record: RunRecord, plan: Plan): Promise<void> {
  const use = record.config.use === "best" && record.splits.validation.length > 0 ? "best" : "last";
  const weights = await runWeights(folder, use);
  const bytes = encodeInference(record.config, plan, weights, {
    medvox: record.versions.medvox,
    task: "segmentation",
    plan: JSON.stringify(plan),
    network: JSON.stringify(networkOf(record)),
    mirrored: mirroredAxes(record.config).join(),
    ...(record.config.keepLargest !== null && { keepLargest: String(record.config.keepLargest) }),
  });
  await writeFileAtomic(modelFile(folder), bytes, { force: true });
}

/** Those keys of a configuration that decide the network. */
export function networkOf({ config }: Pick<RunRecord, "config">): NetworkConfig {
  const { depth, preActivation, shortcut, outputStride, width } = config;
  const { decoder, decoderChannels, decoderConvolutions, decoderInputChannels, asppRates } = config;
  return {
    ...{ depth, preActivation, shortcut, outputStride, width },
    ...{ decoder, decoderChannels, decoderConvolutions, decoderInputChannels, asppRates },
  };
}

/** Portable ONNX with the weights inside. */
export function encodeInference(
  network: NetworkConfig,
  plan: Plan,
  weights: StateMap,
  metadata: Record<string, string>,
): Uint8Array {
  const { g, probability } = inferenceGraph(network, plan);
  return encodePortable(g, probability, weights, { metadata, name: "medvox-segmentation" });
}

/** The same in the CPU's fast forms: not portable, but quicker here. */
export function encodeFastInference(network: NetworkConfig, plan: Plan, weights: StateMap): Uint8Array {
  const { g, probability } = inferenceGraph(network, plan);
  return encodeFast(g, probability, weights);
}

/** What the graph of either needs while it runs. */
export function inferenceMemory(network: NetworkConfig, plan: Plan, form: "portable" | "fast"): GraphMemory {
  const { g, probability } = inferenceGraph(network, plan);
  const { graph: last, outputs } = form === "fast" ? fastForm(g, probability) : cleanUp(g, [probability]);
  return graphMemory(last, outputs);
}

function inferenceGraph(network: NetworkConfig, { patch, preprocessing }: Plan) {
  const g = graph();
  const input = g.input("input", [1, preprocessing.channels, ...patch]);
  return { g, probability: segmentationProbabilities(input, preprocessing.labels.length, network) };
}
