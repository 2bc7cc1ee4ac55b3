/** `medvox transfer segmentation`: a segmentation that starts from an encoder's weights, with the rates the paper gives it. */
import { segmentationCommand } from "../segmentation-command.ts";
import { transferRates } from "../transfer-rates.ts";

export const command = segmentationCommand({
  usual: transferRates,
  examples: [
    "medvox transfer segmentation --data Task09_Spleen --from resnet18.safetensors --arch resnet18 --out runs/spleen",
    "medvox transfer segmentation --data cases.csv --from runs/pretrain --freeze",
    "medvox transfer segmentation --data Task09_Spleen --from none",
  ],
  details:
    "As train segmentation; with --from, the encoder learns at a tenth of the usual rate and what stands on it at the usual one.\nMedicalNet's own factor for new layers is --new-layer-rate 100.",
});
