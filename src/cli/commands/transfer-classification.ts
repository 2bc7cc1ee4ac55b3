/** `medvox transfer classification`: a classification that starts from an encoder's weights, with the rates the paper gives it. */
import { classification } from "../../med3d/index.ts";
import {
  addClassificationOptions,
  type ClassificationOptions,
  classificationRequest,
  runFolderOf,
} from "../classification-options.ts";
import { defineCommand } from "../command.ts";
import { train, trainingJson } from "../training.ts";
import { transferRates } from "../transfer-rates.ts";

export const command = defineCommand<ClassificationOptions>({
  configure: (command) => void addClassificationOptions(command),
  examples: [
    "medvox transfer classification --data labels.csv --from resnet10.safetensors --out runs/stages",
    "medvox transfer classification --data labels.csv --from runs/pretrain --freeze",
    "medvox transfer classification --data labels.csv --from none",
  ],
  details:
    "As train classification; with --from, the encoder learns at a tenth of the usual rate and the new layer at the usual one.",
  json: trainingJson,
  writes: true,
  async run(context, options) {
    const request = await classificationRequest(options, transferRates);
    return train(context, classification, request, { out: options.out ?? runFolderOf(request) });
  },
});
