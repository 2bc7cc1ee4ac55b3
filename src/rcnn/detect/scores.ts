/** Detections beside the truth, as the metrics take them. */
import type { DetectionItem } from "../../data/index.ts";
import type { DetectionImage, Detections as ScoredDetections, TrueBoxes } from "../../metrics/index.ts";
import type { Detections } from "../parts/post-process.ts";

/** The background is no class for whoever reads detections: labels count from 0. */
export function foregroundLabels({
  boxes,
  scores,
  labels,
}: Pick<Detections, "boxes" | "scores" | "labels">): ScoredDetections {
  return { boxes, scores, labels: labels.map((label) => label - 1) };
}

export function scoredImage(item: DetectionItem, found: Detections): DetectionImage {
  return { image: item.id, truth: truthOf(item), detections: foregroundLabels(found) };
}

/** What there is to be found in an image. */
export function truthOf({ boxes, labels, difficult, crowd, areas, findings }: DetectionItem): TrueBoxes {
  return { boxes, labels, difficult, crowd, areas, findings };
}
