/** `medvox demo`: the whole way on bundled data: MRI to segment, or blood smears to detect cells in. */
import { defineCommand } from "../command.ts";
import { DETECTION_RECIPE, demonstrateDetection } from "../demo-detection.ts";
import { demonstrateSegmentation, SEGMENTATION_RECIPE } from "../demo-segmentation.ts";
import type { DemoOptions } from "../demonstration.ts";
import { evaluationJson } from "../evaluation.ts";
import { wholeNumber } from "../values.ts";

export const command = defineCommand<DemoOptions & { detect?: true }>({
  configure: (command) =>
    command
      .option("--detect", "detect blood cells instead of segmenting the hippocampus")
      .option("--out <folder>", "the run's folder (default runs/demo, or runs/demo-detect)")
      .option(
        "--epochs <n>",
        `passes over the training images (default ${SEGMENTATION_RECIPE.epochs}, or ${DETECTION_RECIPE.epochs})`,
        wholeNumber({ min: 1 }),
      )
      .option("--threads <n>", "threads of the engine (default: all cores)", wholeNumber({ min: 1 })),
  examples: ["medvox demo", "medvox demo --detect", "medvox demo --out runs/first --json"],
  details:
    "40 hippocampus MRI cases come with medvox (Medical Segmentation Decathlon Task04, CC BY-SA 4.0): 28 to train on, 2 watched, 10 held out;\nfor --detect 200 pictures of blood smears (BCCD, MIT): 152 to train on, 8 watched, 40 held out. A demo run that is there already is replaced.",
  json: {
    ...evaluationJson,
    run: "the run's folder",
    report: "its report.html",
    seconds: "of training and scoring",
    train: "cases or pictures trained on",
  },
  writes: true,
  run: (context, { detect = false, ...options }) =>
    detect ? demonstrateDetection(context, options) : demonstrateSegmentation(context, options),
});
