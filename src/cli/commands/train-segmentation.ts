/** `medvox train segmentation`: from a data set to a run. */
import { segmentationCommand } from "../segmentation-command.ts";

export const command = segmentationCommand({
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
