/** Detections beside the truth, as the metrics take them. */
import type { DetectionItem } from "../../data/index.ts";
import type { DetectionImage, Detections, TrueBoxes } from "../../metrics/index.ts";

export function scoredImage(item: DetectionItem, detections: Detections): DetectionImage {
  return { image: item.id, truth: truthOf(item), detections };
}

/** What there is to be found in an image. */
export function truthOf({ boxes, labels, difficult, crowd, areas, findings }: DetectionItem): TrueBoxes {
  return { boxes, labels, difficult, crowd, areas, findings };
}
