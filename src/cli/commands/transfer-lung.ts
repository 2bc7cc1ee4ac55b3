/** `medvox transfer lung`: lungs in CT, with the paper's decoder of transposed convolutions (Med3D §4.1). */
import type { SegmentationRequest } from "../../med3d/index.ts";
import { segmentationCommand } from "../segmentation-command.ts";
import { transferRates } from "../transfer-rates.ts";

/** A lung window; the two lungs are the two largest parts. */
const usual = (from: string | null | undefined): Partial<SegmentationRequest> => ({
  decoder: "transposed",
  optimizer: "adam",
  window: [-1000, 400],
  keepLargest: { foreground: 2 },
  ...transferRates(from),
});

export const command = segmentationCommand({
  usual,
  examples: [
    "medvox transfer lung --data lungs.csv --from resnet10.safetensors --out runs/lung",
    "medvox transfer lung --data lungs.csv --from none --spacing 3,3,3 --epochs 60",
    "medvox predict runs/lung --in ct/ --out masks/",
  ],
  details:
    "The list names images and masks (columns image, label; split keeps cases for the test). Window −1000…400 HU, Adam; the two\nlargest parts of a prediction's foreground are kept; --keep-largest none keeps all.",
});
