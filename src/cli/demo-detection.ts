/** `medvox demo --detect`: the whole way on bundled blood smears: train a detector from random weights, score it, write the report. */
import { fileURLToPath } from "node:url";
import { type DetectionRequest, detection } from "../rcnn/index.ts";
import { beginRun } from "../train/index.ts";
import type { CommandContext, Outcome } from "./command.ts";
import { bundled, type DemoOptions, demoOut, sayMachine } from "./demonstration.ts";
import { evaluate } from "./evaluation.ts";
import { stoppedAt } from "./stopped.ts";
import { trainingEvents } from "./training.ts";

/**
 * Small enough for ten minutes on two cores: a narrow pyramid on three stages of a ResNet-10, pictures at 256×192, few proposals, anchors of
 * the cells' own sizes.
 */
export const DETECTION_RECIPE = {
  depth: 10,
  norm: "batch",
  minSide: 192,
  maxSide: 256,
  anchorSizes: [[16], [40], [72]],
  anchorRatios: [0.7, 1, 1.4],
  detector: {
    input: { divisor: 16 },
    backbone: { levels: ["layer1", "layer2", "layer3"], pyramidChannels: 64, extraLevel: false },
    rpn: { sampleCount: 128, training: { before: 400, after: 200 }, inference: { before: 500, after: 150 } },
    regions: { sampleCount: 64, hidden: 256, canonicalSide: 64, canonicalLevel: 3 },
  },
  augmentation: "slide",
  optimizer: "adamW",
  learningRate: 1e-3,
  warmupEpochs: 0.2,
  epochs: 14,
  batch: 4,
  validation: 8,
  seed: 1,
  checkpointSeconds: 60,
} satisfies Omit<DetectionRequest, "data">;

const CREDIT = {
  name: "BCCD, 200 pictures at half size",
  licence: "MIT, Copyright (c) 2017 shenggan",
  source: "https://github.com/Shenggan/BCCD_Dataset",
};

const SAMPLE = fileURLToPath(new URL("../../samples/cells", import.meta.url));

/** Trains and scores. @param epochs instead of the recipe's */
export async function demonstrateDetection(
  { signal, progress, style, force, typed: command }: CommandContext,
  { out: asked, epochs = DETECTION_RECIPE.epochs, threads }: DemoOptions,
): Promise<Outcome> {
  const began = performance.now();
  const data = bundled(SAMPLE);
  const out = demoOut(asked, "runs/demo-detect", force);
  sayMachine(progress);
  const { record } = await beginRun(
    detection,
    { ...DETECTION_RECIPE, epochs, threads: threads ?? null, data },
    { out, force: true, signal, command, credit: CREDIT, ...trainingEvents(progress, detection) },
  ).catch(stoppedAt(out));
  progress.clear();
  const { document, text } = await evaluate({ signal, progress, style, force, typed: command }, { threads }, out);
  const seconds = (performance.now() - began) / 1000;
  return {
    document: { ...document, seconds, train: record.splits.train.length },
    text: [text, "next         medvox verify YOUR_DATASET && medvox detect train --data YOUR_DATASET"].join("\n"),
  };
}
