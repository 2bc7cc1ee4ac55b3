/**
 * Writes medvox's own graphs as ONNX files, so that their nodes can be profiled one by one (`profile_step.py`).
 *
 *   npx tsx bench/forms/dump-step.ts FOLDER [train48 train64 hippocampus infer10x64 infer10x96 infer18x64 infer18x96]
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cleanUp, lower } from "../../src/graph/index.ts";
import { convSeg, crossEntropy, resnet3d, sgd, skipDecoder } from "../../src/nn/index.ts";
import { type BuiltGraph, buildEvaluation, buildStep, encodeBuilt } from "../../src/train/model/step.ts";

const [folder, ...only] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });

function write(name: string, { graph, outputs, renew }: BuiltGraph): void {
  const clean = cleanUp(graph, Object.values(outputs));
  const named = Object.fromEntries(Object.keys(outputs).map((key, i) => [key, clean.outputs[i]]));
  const storedLike = (entry: string): string =>
    entry.startsWith("optimizer.") ? entry.split(".").slice(2).join(".") : entry;
  const renews = Object.fromEntries(Object.entries(renew).map(([entry, output]) => [output, entry]));
  writeFileSync(join(folder, `${name}.onnx`), encodeBuilt(lower(clean.graph, named, { storedLike, renews }), true));
}

function training(size: readonly number[], batch: number, decoder: "convSeg" | "skip", classes = 3): BuiltGraph {
  const optimizer = sgd({ lr: 0.001, momentum: 0.9, weightDecay: 1e-3 });
  const target = decoder === "skip" ? size : size.map((n) => n / 4);
  return buildStep(
    {
      network: ({ image }) => {
        const features = resnet3d(image, { depth: 10 });
        return { scores: decoder === "skip" ? skipDecoder(features, classes) : convSeg(features.out, classes) };
      },
      loss: ({ scores }, { label }) => crossEntropy(scores, label),
      optimizer,
      accumulate: 1,
    },
    {
      image: { shape: [batch, 1, ...size], dtype: "float32" },
      label: { shape: [batch, ...target], dtype: "int32" },
    },
  );
}

const inference = (n: number, depth: 10 | 18): BuiltGraph =>
  buildEvaluation(({ image }) => ({ scores: convSeg(resnet3d(image, { depth }).out, 3) }), {
    image: { shape: [1, 1, n, n, n], dtype: "float32" },
  });

const graphs: Record<string, () => BuiltGraph> = {
  train48: () => training([48, 48, 48], 2, "convSeg"),
  train64: () => training([64, 64, 64], 2, "convSeg"),
  hippocampus: () => training([48, 64, 48], 4, "skip"),
  infer10x64: () => inference(64, 10),
  infer10x96: () => inference(96, 10),
  infer18x64: () => inference(64, 18),
  infer18x96: () => inference(96, 18),
};
for (const [name, build] of Object.entries(graphs)) if (only.length === 0 || only.includes(name)) write(name, build());
