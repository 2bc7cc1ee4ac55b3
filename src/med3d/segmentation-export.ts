/**
 * The inference graph of a run: as `model.onnx`, which any ONNX engine runs and which carries its preprocessing and labels;
 * and as a program with the weights written in, for predicting here.
 */
import { join } from "node:path";
import type { Plan } from "../data/index.ts";
import { WeightsError } from "../errors.ts";
import { writeFileAtomic } from "../files/index.ts";
import { cleanUp, encodeOnnx, graph, lower, pieceNames, splitWeights } from "../graph/index.ts";
import { bestCheckpoint, lastCheckpoint, readWeights, type StateMap } from "../train/index.ts";
import type { RunRecord } from "./run-folder.ts";
import { type NetworkConfig, segmentationProbabilities } from "./segmentation-network.ts";

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
  });
  await writeFileAtomic(modelFile(folder), bytes, { force: true });
}

export function networkOf({ config: { depth, decoder, decoderChannels } }: Pick<RunRecord, "config">): NetworkConfig {
  return { depth, decoder, decoderChannels };
}

/** Portable ONNX with the weights inside. */
export function encodeInference(
  network: NetworkConfig,
  plan: Plan,
  weights: StateMap,
  metadata: Record<string, string>,
): Uint8Array {
  const { g, probability } = inferenceGraph(network, plan);
  const clean = cleanUp(g, [probability]);
  return encodeOnnx(
    clean.graph,
    { probability: clean.outputs[0] },
    { weights: valuesOf(weights, [...g.parameters.keys()]), metadata, name: "medvox-segmentation" },
  );
}

/** The same in the CPU's fast forms: not portable, but quicker here. */
export function encodeFastInference(network: NetworkConfig, plan: Plan, weights: StateMap): Uint8Array {
  const { g, probability } = inferenceGraph(network, plan);
  const clean = cleanUp(g, [probability]);
  const lowered = lower(clean.graph, { probability: clean.outputs[0] });
  const values = new Map<string, Float32Array>();
  for (const [name, value] of valuesOf(weights, [...g.parameters.keys()])) {
    const layout = lowered.layouts.get(name);
    if (layout === undefined) values.set(name, value);
    else
      for (const [i, piece] of splitWeights(value, weights.get(name)!.shape, layout).entries())
        values.set(pieceNames(name, layout)[i], piece);
  }
  const final = cleanUp(lowered.graph, [lowered.outputs.probability]);
  return encodeOnnx(final.graph, { probability: final.outputs[0] }, { weights: values, contrib: true });
}

function inferenceGraph(network: NetworkConfig, { patch, preprocessing }: Plan) {
  const g = graph();
  const input = g.input("input", [1, preprocessing.channels, ...patch]);
  return { g, probability: segmentationProbabilities(input, preprocessing.labels.length, network) };
}

function valuesOf(weights: StateMap, names: readonly string[]): Map<string, Float32Array> {
  return new Map(
    names.map((name) => {
      const value = weights.get(name);
      if (value === undefined) throw new WeightsError(`${name}: is missing from the weights`);
      return [name, value.data];
    }),
  );
}
