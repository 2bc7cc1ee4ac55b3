/** `medvox train segmentation`: from a data set to a run. */
import { defineCommand } from "../command.ts";
import { addSegmentationOptions, type SegmentationOptions, segmentationRequest } from "../segmentation-options.ts";
import { runSegmentationTraining, trainingJson } from "../training.ts";

export const command = defineCommand<SegmentationOptions>({
  configure: (command) => void addSegmentationOptions(command),
  examples: [
    "medvox train segmentation --data Task04_Hippocampus --out runs/hippocampus",
    "medvox train segmentation --data cases.csv --arch resnet18 --epochs 60 --held-out 20",
    "medvox train --resume runs/hippocampus",
  ],
  json: trainingJson,
  writes: true,
  async run(context, options) {
    return runSegmentationTraining(context, await segmentationRequest(options), options.out);
  },
});
