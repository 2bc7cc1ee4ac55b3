/** A model that needs no training: a voxel is foreground where its normalised intensity is above a number. For tests. */

import type { Plan } from "../../data/index.ts";
import { type BuildingGraph, concat, graph, mul, softmax, sub } from "../../graph/index.ts";

/** `model.onnx` as a segmentation run exports it, with labels 0 and 7. */
export function thresholdModel(
  patch: readonly [number, number, number],
  {
    threshold = 0.5,
    spacingMm = null,
  }: { threshold?: number; spacingMm?: readonly [number, number, number] | null } = {},
): Uint8Array {
  const plan: Plan = {
    dataset: "Threshold",
    labels: [
      { index: 0, name: "background" },
      { index: 7, name: "bright" },
    ],
    modality: ["MRI"],
    preprocessing: { orientation: "RAS", spacingMm, intensity: { kind: "zscore" }, channels: 1, labels: [0, 7] },
    patch,
    batch: 1,
    medianSize: [patch[2], patch[1], patch[0]],
  };
  const g: BuildingGraph = graph();
  const above = mul(sub(g.input("input", [1, 1, ...patch]), threshold), 20);
  const probability = softmax(concat([mul(above, -1), above], 1));
  return g.toOnnx({ probability }, { metadata: { plan: JSON.stringify(plan) } });
}
