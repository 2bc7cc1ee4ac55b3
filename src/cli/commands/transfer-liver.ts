/** `medvox transfer liver`: the liver in CT, coarse to fine (Med3D §4.3). */
import type { SegmentationRequest } from "../../med3d/index.ts";
import { segmentationCommand } from "../segmentation-command.ts";
import { transferRates } from "../transfer-rates.ts";

/**
 * The first network sees the whole scan at 6 mm and finds the region; the second says what is liver in it. Window and mean
 * spacing are the paper's; it gives neither margins nor sizes.
 */
const usual = (from: string | null | undefined): Partial<SegmentationRequest> => ({
  decoder: "denseAspp",
  optimizer: "adam",
  window: [-200, 250],
  spacing: "mean",
  // Of liver and tumours together: a tumour within the liver stays, however many there are.
  keepLargest: { foreground: 1 },
  coarse: { spacingMm: [6, 6, 6] },
  ...transferRates(from),
});

export const command = segmentationCommand({
  usual,
  examples: [
    "medvox transfer liver --data Task03_Liver --from resnet50.safetensors --arch resnet50 --out runs/liver",
    "medvox transfer liver --data Task03_Liver --from none --spacing 2,2,2",
    "medvox predict runs/liver --in ct/ --out masks/",
  ],
  details:
    "Two trainings in one run: coarse/ finds the region (all labels as one), the run itself labels it with DenseASPP (rates 3, 6, 12,\n18, 24; asppRates in --config). Of a prediction the largest part of the foreground is kept, liver and tumours together, so that tumours in\nthe liver stay, however many there are; --keep-largest none keeps all. predict and evaluate run both. Keys coarse, marginMm and jitterMm of\n--config change the cascade.",
});
