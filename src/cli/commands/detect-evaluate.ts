/** `medvox detect evaluate`: a run detects in its held-out images and is scored; or another program's results are. */
import { ConfigError } from "../../errors.ts";
import { TILE_OVERLAP } from "../../rcnn/index.ts";
import { defineCommand } from "../command.ts";
import { addResultsOptions, evaluateResultsFile, type ResultsOptions } from "../detection-results.ts";
import { detectionEvaluationJson, evaluate } from "../evaluation.ts";
import { decimal, deviceHelp, sizes, whichDevice, whichSplit, whichWeights, wholeNumber } from "../values.ts";

interface Options extends ResultsOptions {
  name?: string;
  split?: "heldOut" | "validation" | "train";
  use?: "last" | "best";
  tile?: number[];
  overlap?: number;
  threads?: number;
  device?: "cpu" | "webgpu" | "cuda";
}

export const command = defineCommand<Options, [string | undefined]>({
  configure: (command) =>
    addResultsOptions(command.argument("[run]", "the run's folder; not with --results"))
      .option("--data <path>", "score on all images of this data set instead of the run's own held-out ones")
      .option(
        "--name <name>",
        "names the evaluation, which then has the folder evaluations/NAME (default: the run's own folder; of another split or data set, its name)",
      )
      .option("--split <which>", "heldOut, validation or train (default heldOut)", whichSplit)
      .option("--use <which>", "weights: last or best (default: as the run says)", whichWeights)
      .option(
        "--tile <w,h,d>",
        "of volumes: most voxels that go through at once (default: twice those of training)",
        sizes(3),
      )
      .option(
        "--overlap <share>",
        `of volumes: what neighbouring tiles have in common (default ${TILE_OVERLAP})`,
        decimal({ min: 0, max: 0.95 }),
      )
      .option("--device <name>", `${deviceHelp} (default: as the run says)`, whichDevice)
      .option("--threads <n>", "threads of the engine (default: all cores)", wholeNumber({ min: 1 }))
      .option("--strict", "refuse to score where an image or a box has to be left out"),
  examples: [
    "medvox detect evaluate runs/cells",
    "medvox detect evaluate runs/cells --data other_lab/ --json",
    "medvox detect evaluate --results detections.json --data instances_val2017.json --max 300",
  ],
  details:
    "The same as medvox evaluate. Scores on --data, on another --split or with a --name go to evaluations/ in the run's folder; the held-out ones to the folder itself.\n" +
    "Scores that are there and were made with other options are not replaced without --force; medvox info RUN lists all of them.",
  json: {
    ...detectionEvaluationJson,
    results: "of another program's results: their file; then there is no run, report or folder",
    data: "and the data set they were scored on",
  },
  writes: true,
  async run(context, options, run) {
    if (options.results !== undefined) return evaluateResultsFile(context, options, run);
    if (run === undefined)
      throw new ConfigError("detect evaluate: name a run, or results with --results FILE --data SET");
    return evaluate(context, { ...options }, run);
  },
});
