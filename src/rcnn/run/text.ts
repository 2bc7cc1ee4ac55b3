/** A detector in words. */
import { CUSTOM_HEAD } from "../network/head.ts";
import type { DetectionRun } from "./data.ts";

/** `Faster R-CNN (modern), ResNet-18 with a feature pyramid, batch norm`. */
export function detectorText({ record, plan }: Pick<DetectionRun, "record" | "plan">): string {
  const { kind, depth, pyramidChannels, norm } = plan.detector.backbone;
  const head = plan.detector.regions.head === CUSTOM_HEAD ? ", with a head of its own" : "";
  const network =
    kind === "vgg16"
      ? "VGG-16"
      : `${kind === "medicalnet" ? "MedicalNet " : ""}ResNet-${depth}${pyramidChannels === null ? "" : " with a feature pyramid"}, ${norm} norm`;
  return `Faster R-CNN (${record.config.preset}), ${network}${head}`;
}
