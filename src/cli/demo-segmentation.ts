/** `medvox demo`: the whole way on bundled MRI: train, score, predict, report. */
import { fileURLToPath } from "node:url";
import { segmentation } from "../med3d/index.ts";
import { beginRun } from "../train/index.ts";
import type { CommandContext, Outcome } from "./command.ts";
import { bundled, type DemoOptions, demoOut, sayMachine } from "./demonstration.ts";
import { evaluate } from "./evaluation.ts";
import { stoppedAt } from "./stopped.ts";
import { trainingEvents } from "./training.ts";

const SAMPLE = fileURLToPath(new URL("../../samples/hippocampus", import.meta.url));

/** Small enough for five minutes on two cores, and enough to see the outlines settle. */
export const SEGMENTATION_RECIPE = {
  depth: 10,
  decoder: "skip",
  epochs: 26,
  batch: 4,
  patch: [40, 56, 40],
  learningRate: 2e-3,
  augmentation: "light",
  heldOut: 10,
  validation: 2,
  checkpointSeconds: 60,
} as const;

/** Trains and scores. @param epochs instead of the recipe's */
export async function demonstrateSegmentation(
  { signal, progress, style, force, typed: command }: CommandContext,
  { out: asked, epochs = SEGMENTATION_RECIPE.epochs, threads }: DemoOptions,
): Promise<Outcome> {
  const began = performance.now();
  const data = bundled(SAMPLE);
  const out = demoOut(asked, "runs/demo", force);
  sayMachine(progress);
  const request = {
    ...SEGMENTATION_RECIPE,
    patch: [...SEGMENTATION_RECIPE.patch],
    epochs,
    threads: threads ?? null,
    data,
  };
  const { record } = await beginRun(segmentation, request, {
    ...{ out, force: true, signal, command },
    ...trainingEvents(progress, segmentation),
  }).catch(stoppedAt(out));
  progress.clear();
  const { document, text } = await evaluate({ signal, progress, style, force, typed: command }, { threads }, out);
  const seconds = (performance.now() - began) / 1000;
  return {
    document: { ...document, seconds, train: record.splits.train.length },
    text: [
      text,
      `model        ${out}/model.onnx`,
      "next         medvox verify YOUR_DATASET && medvox train segmentation --data YOUR_DATASET",
    ].join("\n"),
  };
}
