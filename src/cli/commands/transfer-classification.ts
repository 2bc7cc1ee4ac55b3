/** `medvox transfer classification`: a classification that starts from an encoder's weights, with the rates the paper gives it. */
import { type ClassificationRequest, classification } from "../../med3d/index.ts";
import {
  addClassificationOptions,
  type ClassificationOptions,
  classificationRequest,
  runFolderOf,
} from "../classification-options.ts";
import { trainingCommand } from "../training-command.ts";
import { transferRates } from "../transfer-rates.ts";

export const command = trainingCommand<ClassificationOptions, ClassificationRequest>({
  task: classification,
  addOptions: addClassificationOptions,
  usual: transferRates,
  request: (options) => classificationRequest(options, transferRates),
  place: (options, request) => ({ out: options.out ?? runFolderOf(request) }),
  examples: [
    "medvox transfer classification --data labels.csv --from resnet10.safetensors --out runs/stages",
    "medvox transfer classification --data labels.csv --from runs/pretrain --freeze",
    "medvox transfer classification --data labels.csv --from none",
  ],
  details:
    "As train classification; with --from, the encoder learns at a tenth of the usual rate and the new layer at the usual one.",
});
