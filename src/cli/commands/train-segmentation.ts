/** `medvox train segmentation`: from a data set to a run. */
import { type SegmentationRequest, segmentation } from "../../med3d/index.ts";
import {
  addSegmentationOptions,
  foldsOf,
  type SegmentationOptions,
  segmentationRequest,
} from "../segmentation-options.ts";
import { trainingCommand } from "../training-command.ts";

export const command = trainingCommand<SegmentationOptions, SegmentationRequest>({
  task: segmentation,
  addOptions: addSegmentationOptions,
  request: (options) => segmentationRequest(options),
  place: (options, request) => ({ out: options.out, only: foldsOf(options, request) }),
  examples: [
    "medvox train segmentation --data Task04_Hippocampus --out runs/hippocampus",
    "medvox train segmentation --data cases.csv --arch resnet18 --epochs 60 --held-out 20",
    "medvox train segmentation --data Task04_Hippocampus --folds 5 --fold 1",
    "medvox train --resume runs/hippocampus",
  ],
  details:
    "With --folds, every network is a run of its own in members/. medvox evaluate scores each case by the network that never saw it,\n" +
    "medvox predict takes the mean of all.",
});
