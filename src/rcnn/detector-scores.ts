/** Detections beside the truth, as the metrics take them. */
import type { DetectionItem } from "../data/index.ts";
import type { DetectionImage, Detections as ScoredDetections } from "../metrics/index.ts";
import type { Detections } from "./post-process.ts";

/** The background is no class for whoever reads detections: labels count from 0. */
export function foregroundLabels({
  boxes,
  scores,
  labels,
}: Pick<Detections, "boxes" | "scores" | "labels">): ScoredDetections {
  return { boxes, scores, labels: labels.map((label) => label - 1) };
}

export function scoredImage(item: DetectionItem, found: Detections): DetectionImage {
  const { id: image, boxes, labels, difficult, crowd, areas } = item;
  return { image, truth: { boxes, labels, difficult, crowd, areas }, detections: foregroundLabels(found) };
}
