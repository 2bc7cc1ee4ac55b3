/** `medvox demo --detect`: the whole way on bundled blood smears: train a detector from random weights, score it, write the report. */
import { fileURLToPath } from "node:url";
import { type DetectionRequest, evaluateDetectionRun, trainDetector } from "../rcnn/index.ts";
import type { CommandContext, Outcome } from "./command.ts";
import { bundled, type DemoOptions, demoOut, sayMachine } from "./demonstration.ts";
import { detectionEvents, detectionText } from "./detection.ts";
import { stoppedAt } from "./segmentation-options.ts";

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
  const { events, close } = detectionEvents(progress);
  const { record } = await trainDetector(
    { ...DETECTION_RECIPE, epochs, threads: threads ?? null, data },
    {
      out,
      force: true,
      signal,
      command,
      credit: CREDIT,
      ...events,
    },
  ).catch(stoppedAt(out));
  close();
  const evaluation = await evaluateDetectionRun(out, {
    signal,
    threads,
    onImage: (done, of) => progress.update({ label: `detecting  ${done}/${of}`, fraction: done / of }),
  });
  progress.clear();
  const seconds = (performance.now() - began) / 1000;
  return {
    document: {
      ...evaluation.json,
      run: out,
      report: evaluation.report,
      predictions: evaluation.predictions,
      seconds,
      train: record.splits.train.length,
    },
    text: [
      detectionText(evaluation, style),
      "next         medvox verify YOUR_DATASET && medvox detect train --data YOUR_DATASET",
    ].join("\n"),
  };
}
