/** `medvox detect evaluate RUN`: detects in the held-out images, scores, writes the report. */
import type { EvaluateDetectionOptions } from "../../rcnn/index.ts";
import { defineCommand } from "../command.ts";
import { detectionEvaluationJson, evaluateDetections } from "../detection.ts";
import { decimal, sizes, wholeNumber } from "../values.ts";

type Options = Pick<EvaluateDetectionOptions, "data" | "split" | "use" | "tile" | "overlap" | "threads">;

export const command = defineCommand<Options, [string]>({
  configure: (command) =>
    command
      .argument("<run>", "the run's folder")
      .option("--data <path>", "score on all images of this data set instead of the run's own held-out ones")
      .option("--split <which>", "heldOut, validation or train (default heldOut)")
      .option("--use <which>", "weights: last or best (default: as the run says)")
      .option(
        "--tile <w,h,d>",
        "of volumes: most voxels that go through at once (default: twice those of training)",
        sizes(3),
      )
      .option(
        "--overlap <share>",
        "of volumes: what neighbouring tiles have in common (default 0.25)",
        decimal({ min: 0, max: 0.95 }),
      )
      .option("--threads <n>", "threads of the engine (default: all cores)", wholeNumber({ min: 1 })),
  examples: ["medvox detect evaluate runs/cells", "medvox detect evaluate runs/cells --data other_lab/ --json"],
  details:
    "The same as medvox evaluate. Scores on --data or another --split go to evaluations/ in the run's folder; the held-out ones to the folder itself.",
  json: detectionEvaluationJson,
  run: (context, options, run) => evaluateDetections(context, options, run),
});
