/** `medvox transfer nodule`: benign or malignant, from patches around pulmonary nodules (Med3D §4.2). */
import { type ClassificationRequest, classification } from "../../med3d/index.ts";
import {
  addClassificationOptions,
  type ClassificationOptions,
  classificationRequest,
  runFolderOf,
} from "../classification-options.ts";
import { trainingCommand } from "../training-command.ts";
import { transferRates } from "../transfer-rates.ts";

/** 32 mm around the nodule at 1 mm, in a lung window. */
const usual = (from: string | null | undefined): Partial<ClassificationRequest> => ({
  window: [-1000, 400],
  spacingMm: [1, 1, 1],
  patch: [32, 32, 32],
  dropout: 0.3,
  ...transferRates(from),
});

export const command = trainingCommand<ClassificationOptions, ClassificationRequest>({
  task: classification,
  addOptions: addClassificationOptions,
  usual,
  request: (options) => classificationRequest(options, usual),
  place: (options, request) => ({ out: options.out ?? runFolderOf(request) }),
  examples: [
    "medvox transfer nodule --data lidc-nodules --from none --folds 5 --out runs/nodules",
    "medvox transfer nodule --data lidc-nodules --from resnet10.safetensors --mask --folds 5",
    "medvox evaluate runs/nodules --positive 4,5 --negative 1,2",
  ],
  details:
    "Malignancy 1–3 is benign and 4–5 malignant, as in the paper; --positive and --negative say otherwise, here or at evaluate.",
});
