/** `medvox transfer nodule`: benign or malignant, from patches around pulmonary nodules (Med3D §4.2). */
import { type ClassificationRequest, classification } from "../../med3d/index.ts";
import {
  addClassificationOptions,
  type ClassificationOptions,
  classificationRequest,
  runFolderOf,
} from "../classification-options.ts";
import { defineCommand } from "../command.ts";
import { train, trainingJson } from "../training.ts";
import { transferRates } from "../transfer-rates.ts";

/** 32 mm around the nodule at 1 mm, in a lung window. */
const usual: Partial<ClassificationRequest> = {
  window: [-1000, 400],
  spacingMm: [1, 1, 1],
  patch: [32, 32, 32],
  dropout: 0.3,
};

export const command = defineCommand<ClassificationOptions>({
  configure: (command) => void addClassificationOptions(command),
  examples: [
    "medvox transfer nodule --data lidc-nodules --from none --folds 5 --out runs/nodules",
    "medvox transfer nodule --data lidc-nodules --from resnet10.safetensors --mask --folds 5",
    "medvox evaluate runs/nodules --positive 4,5 --negative 1,2",
  ],
  details:
    "Malignancy 1–3 is benign and 4–5 malignant, as in the paper; --positive and --negative say otherwise, here or at evaluate.",
  json: trainingJson,
  writes: true,
  async run(context, options) {
    const request = await classificationRequest(options, (from) => ({ ...usual, ...transferRates(from) }));
    return train(context, classification, request, { out: options.out ?? runFolderOf(request) });
  },
});
