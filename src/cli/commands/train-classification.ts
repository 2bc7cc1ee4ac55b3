/** `medvox train classification`: from a list of images and their labels to a run. */
import { type ClassificationRequest, classification } from "../../med3d/index.ts";
import {
  addClassificationOptions,
  type ClassificationOptions,
  classificationRequest,
  runFolderOf,
} from "../classification-options.ts";
import { trainingCommand } from "../training-command.ts";

export const command = trainingCommand<ClassificationOptions, ClassificationRequest>({
  task: classification,
  addOptions: addClassificationOptions,
  request: (options) => classificationRequest(options),
  place: (options, request) => ({ out: options.out ?? runFolderOf(request) }),
  examples: [
    "medvox train classification --data labels.csv --out runs/stages",
    "medvox train classification --data lidc-nodules --label malignancy --folds 5 --window=-1000,400",
    "medvox train classification --data lesions.csv --positive 4,5 --negative 1,2 --mask --seeds 3",
  ],
  details:
    "The list has columns image (or case, for images/CASE beside it), label or rating, and if there are any mask, group and split.\nWith --folds or --seeds, every network is a run of its own in members/.",
});
