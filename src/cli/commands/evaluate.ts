/** `medvox evaluate RUN`: predicts the held-out cases, scores them, writes the report. */
import type { Axis } from "../../augment/index.ts";
import { WINDOW_OVERLAP } from "../../med3d/index.ts";
import { DETECTIONS_COUNTED } from "../../metrics/index.ts";
import { TILE_OVERLAP } from "../../rcnn/index.ts";
import { ratings } from "../classification-options.ts";
import { defineCommand } from "../command.ts";
import { evaluate, evaluationJson } from "../evaluation.ts";
import {
  axes,
  decimal,
  deviceHelp,
  type KeptComponents,
  keptComponents,
  keptComponentsHelp,
  sizes,
  whichDevice,
  whichSplit,
  whichWeights,
  wholeNumber,
} from "../values.ts";

interface Options {
  name?: string;
  data?: string;
  set?: string;
  split?: "heldOut" | "validation" | "train";
  use?: "last" | "best";
  mirror?: boolean;
  mirrorAxes?: Axis[];
  overlap?: number;
  keepLargest?: KeptComponents;
  tile?: number[];
  max?: number;
  threads?: number;
  device?: "cpu" | "webgpu" | "cuda";
  nsdTolerance?: number;
  strict?: boolean;
  positive?: number[];
  negative?: number[];
}

export const command = defineCommand<Options, [string]>({
  configure: (command) =>
    command
      .argument("<run>", "the run's folder")
      .option("--data <path>", "score on all labelled cases of this data set instead of the run's own held-out ones")
      .option(
        "--name <name>",
        "names the evaluation, which then has the folder evaluations/NAME (default: the run's own folder; of another split or data set, its name)",
      )
      .option("--split <which>", "heldOut, validation or train (default heldOut)", whichSplit)
      .option("--set <name>", "of a pre-training: whose branch")
      .option("--use <which>", "weights: last or best (default: as the run says)", whichWeights)
      .option("--mirror", "average the predictions of all eight mirror images (eight times the time)")
      .option("--mirror-axes <axes>", "of a segmentation: mirror along these only, e.g. x for left to right", axes)
      .option(
        "--overlap <share>",
        `what neighbouring windows have in common (default ${WINDOW_OVERLAP}; of a detector's tiles ${TILE_OVERLAP})`,
        decimal({ min: 0, max: 0.95 }),
      )
      .option("--tile <w,h,d>", "of a detector for volumes: most voxels that go through at once", sizes(3))
      .option(
        "--nsd-tolerance <mm>",
        "of a segmentation: how far a surface may lie from the true one and still count as right in NSD (default 1)",
        decimal({ min: 0 }),
      )
      .option(
        "--max <n>",
        `of a detector: detections of a class that count in an image (default ${DETECTIONS_COUNTED})`,
        wholeNumber({ min: 1 }),
      )
      .option(
        "--keep-largest <which>",
        `of a segmentation: ${keptComponentsHelp} (default: as the run says)`,
        keptComponents,
      )
      .option("--device <name>", `${deviceHelp} (default cpu; of a detector as the run says)`, whichDevice)
      .option("--threads <n>", "threads of the engine (default: all cores)", wholeNumber({ min: 1 }))
      .option("--strict", "refuse to score where a file or a box has to be left out")
      .option("--positive <ratings>", "of a classifier of ratings: which are positive, e.g. 4,5", ratings)
      .option(
        "--negative <ratings>",
        "of a classifier of ratings: which are negative, e.g. 1,2; others are left out of the score",
        ratings,
      ),
  details:
    "Scores on --data, on another --split, with another --keep-largest or with a --name go to evaluations/ in the run's folder; the held-out\n" +
    "ones to the folder itself. Scores that are there and were made with other options are not replaced without --force; medvox info RUN\n" +
    "lists all of them.\n" +
    "Of a run of folds every case is scored by the network that never saw it, and --data by the mean of all.",
  json: evaluationJson,
  examples: [
    "medvox evaluate runs/hippocampus",
    "medvox evaluate runs/hippocampus --data other_hospital/ --json",
    "medvox evaluate runs/liver --keep-largest none",
    "medvox evaluate runs/cells",
    "medvox evaluate runs/nodules --positive 4,5 --negative 1,2 --mirror",
  ],
  writes: true,
  run: (context, { mirror, mirrorAxes, nsdTolerance, ...options }, run) =>
    evaluate(context, { ...options, mirror: mirrorAxes ?? mirror, nsdToleranceMm: nsdTolerance }, run),
});
