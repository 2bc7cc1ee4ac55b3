/** `medvox demo`: the whole way on bundled MRI: train, score, predict, report. */
import { fileURLToPath } from "node:url";
import { evaluateRun, trainSegmentation } from "../med3d/index.ts";
import type { CommandContext, Outcome } from "./command.ts";
import { bundled, type DemoOptions, demoOut, sayMachine } from "./demonstration.ts";
import { evaluationText } from "./evaluation.ts";
import { stoppedAt } from "./segmentation-options.ts";
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
  const { events, close } = trainingEvents(progress);
  const { record } = await trainSegmentation(
    { ...SEGMENTATION_RECIPE, patch: [...SEGMENTATION_RECIPE.patch], epochs, threads: threads ?? null, data },
    { out, force: true, signal, command, ...events },
  ).catch(stoppedAt(out));
  close();
  const evaluation = await evaluateRun(out, {
    signal,
    threads,
    onCase: (done, of) => progress.update({ label: `scoring  ${done}/${of}`, fraction: done / of }),
  });
  progress.clear();
  const seconds = (performance.now() - began) / 1000;
  return {
    document: { ...evaluation.json, run: out, report: evaluation.report, seconds, train: record.splits.train.length },
    text: [
      evaluationText(evaluation, style),
      `model        ${out}/model.onnx`,
      "next         medvox verify YOUR_DATASET && medvox train segmentation --data YOUR_DATASET",
    ].join("\n"),
  };
}
