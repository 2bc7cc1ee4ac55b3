/** `medvox train classification`: from a list of images and their labels to a run. */
import { classification } from "../../med3d/index.ts";
import {
  addClassificationOptions,
  type ClassificationOptions,
  classificationRequest,
  runFolderOf,
} from "../classification-options.ts";
import { defineCommand } from "../command.ts";
import { train, trainingJson } from "../training.ts";

export const command = defineCommand<ClassificationOptions>({
  configure: (command) => void addClassificationOptions(command),
  examples: [
    "medvox train classification --data labels.csv --out runs/stages",
    "medvox train classification --data lidc-nodules --label malignancy --folds 5 --window=-1000,400",
    "medvox train classification --data lesions.csv --positive 4,5 --negative 1,2 --mask --seeds 3",
  ],
  details:
    "The list has columns image (or case, for images/CASE beside it), label or rating, and if there are any mask, group and split.\nWith --folds or --seeds, every network is a run of its own in members/.",
  json: trainingJson,
  writes: true,
  async run(context, options) {
    const request = await classificationRequest(options);
    return train(context, classification, request, { out: options.out ?? runFolderOf(request) });
  },
});
