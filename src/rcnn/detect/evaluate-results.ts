/** Scores of another program's detections, in COCO's results format, on a data set: no run, no network, no pictures needed. */
import {
  type DetectionDataset,
  type DetectionItem,
  openDetection,
  readCocoResults,
  refuseProblems,
} from "../../data/index.ts";
import { readVolumeHeader } from "../../files/index.ts";
import {
  type DetectionImage,
  type DetectionSummary,
  type Detections,
  evaluateDetection,
  frocScan,
} from "../../metrics/index.ts";
import { truthOf } from "./scores.ts";

export interface EvaluateResultsOptions {
  /** Detections of a class that count in an image, the best ones; default COCO's 100. */
  readonly max?: number;
  /** Refuse a data set that something was left out of. */
  readonly strict?: boolean;
  readonly signal?: AbortSignal;
}

export interface ResultsEvaluation {
  readonly dataset: DetectionDataset;
  readonly summary: DetectionSummary;
}

/**
 * Scores all images of a data set; those that the results do not mention have no detections.
 * @param results path of the JSON file
 * @param data path of the data set
 * @throws DataError where the results speak of an image or a class that the set does not have, or its problems would make the
 * score wrong
 */
export async function evaluateResults(
  results: string,
  data: string,
  options: EvaluateResultsOptions = {},
): Promise<ResultsEvaluation> {
  const { max, strict, signal } = options;
  const dataset = await openDetection(data, { pictures: "ifThere", signal });
  refuseProblems(dataset.problems, data, { strict });
  const { axes, items } = dataset;
  const found = await readCocoResults(results, dataset);
  const images = items.map((item) => imageOf(item, found.get(item.id)));
  const classes = dataset.classes.map(({ name }) => name);
  if (axes === 2) return { dataset, summary: evaluateDetection(images, { axes, classes, max }) };
  const scans = [];
  for (const [i, { image, truth, detections }] of images.entries()) {
    signal?.throwIfAborted();
    const { affine } = await readVolumeHeader(items[i].image);
    scans.push(frocScan(image, truth, detections, affine));
  }
  return { dataset, summary: evaluateDetection(images, { axes, classes, max, scans }) };
}

function imageOf(item: DetectionItem, found: Detections = nothing): DetectionImage {
  return { image: item.id, truth: truthOf(item), detections: found };
}

const nothing: Detections = { boxes: new Float64Array(0), labels: [], scores: [] };
