/** A model that needs no training: a voxel is foreground where its normalised intensity is above a number. For tests. */

import type { IntensityScheme, Plan } from "../../data/index.ts";
import { type BuildingGraph, concat, graph, mul, softmax, sub } from "../../graph/index.ts";
import type { KeepLargest } from "../segmentation/keep-largest.ts";

/** `model.onnx` as a segmentation run exports it, with labels 0 and 7. */
export function thresholdModel(
  patch: readonly [number, number, number],
  {
    threshold = 0.5,
    spacingMm = null,
    classes = 2,
    orientation = "RAS",
    keepLargest,
    intensity = { kind: "zscore" },
  }: {
    threshold?: number;
    spacingMm?: readonly [number, number, number] | null;
    /** Class k above the k-th of so many thresholds, a quarter apart; label values 7 k. */
    classes?: number;
    orientation?: string;
    keepLargest?: KeepLargest;
    intensity?: IntensityScheme;
  } = {},
): Uint8Array {
  const labels = Array.from({ length: classes }, (_, k) => 7 * k);
  const plan: Plan = {
    dataset: "Threshold",
    labels: labels.map((index) => ({ index, name: index === 0 ? "background" : `above ${index}` })),
    modality: ["MRI"],
    preprocessing: { orientation, spacingMm, intensity, channels: 1, labels },
    patch,
    batch: 1,
    medianSize: [patch[2], patch[1], patch[0]],
  };
  const g: BuildingGraph = graph();
  const input = g.input("input", [1, 1, ...patch]);
  // Straight lines of slope 40 k that cross at the thresholds: each is the highest between two of them.
  const crossing = (k: number): number => threshold + 0.25 * (k - 1);
  const scores = labels.map((_, k) => {
    const offset = Array.from({ length: k }, (_, i) => crossing(i + 1)).reduce((a, b) => a + b, 0);
    return mul(sub(mul(input, k), offset), 40);
  });
  const probability = softmax(concat(scores, 1), 1);
  const metadata = {
    plan: JSON.stringify(plan),
    ...(keepLargest !== undefined && { keepLargest: JSON.stringify(keepLargest) }),
  };
  return g.toOnnx({ probability }, { metadata });
}
