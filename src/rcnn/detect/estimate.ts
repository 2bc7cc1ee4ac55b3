/**
 * What detection in an image of a given size takes, before it runs: how often the network is run, and how much memory the process needs.
 * It is computed from shapes alone, no weights are needed. The factors lie a little above those of `med3d/segmentation/prediction/memory.ts`: a ResNet-18
 * with a feature pyramid took at most 93 % of what they say, in six runs of `bench/rows/detect-child.ts` on four sizes.
 */
import { ShapeError } from "../../errors.ts";
import { graphMemory } from "../../graph/index.ts";
import { bakedForm } from "../../train/model/baked.ts";
import type { DetectorConfig } from "../network/config.ts";
import { paddedSize } from "../network/input.ts";
import { layoutOf } from "../parts/layout.ts";
import { featureGraph, regionGraph } from "./detector.ts";
import { tilesOfWhole, type WholeOptions } from "./tiles.ts";

/** What detection in one image takes. */
export interface DetectionEstimate {
  /** How often the network is run: 1 for a picture, the number of tiles for a volume. */
  readonly windows: number;
  /** Resident memory of the process at the worst moment, in bytes: an estimate. */
  readonly bytes: number;
}

/** Node, medvox, ONNX Runtime's library and its engine. */
const PROGRAM_BYTES = 400e6;
/** Weights: as arrays, in the loaded programs, and as bytes of the file while a program is loaded. */
const WEIGHT_COPIES = 2.5;
/** ONNX Runtime's memory for values, over what its shapes say. */
const LIVE_FACTOR = 2.6;

/**
 * Windows and memory for an image.
 * @param size of the image, x y (z)
 * @throws ShapeError for a size of another dimension; ConfigError for a tile that cannot be
 */
export function estimateDetection(
  config: DetectorConfig,
  size: readonly number[],
  options: WholeOptions = {},
): DetectionEstimate {
  const { axes, channels, rpn } = config;
  if (size.length !== axes || !size.every((length) => Number.isInteger(length) && length > 0))
    throw new ShapeError(`estimate: size ${size.join("×")}; the detector takes ${axes}D images, x first`);
  const tiles = tilesOfWhole(size, config, options);
  const layout = layoutOf(config, 1, paddedSize(tiles[0].size, config, options.canvas));
  const room = Math.min(rpn.inference.after, layout.anchors.boxes.length / (2 * axes));
  const programs = [featureGraph(config, layout, true), regionGraph(config, layout, room)].map((built) => {
    const { graph, outputs } = bakedForm(built);
    return graphMemory(graph, Object.values(outputs));
  });
  let bytes = PROGRAM_BYTES;
  for (const { weightBytes, foldedBytes, liveBytes } of programs)
    bytes += WEIGHT_COPIES * (weightBytes + foldedBytes) + LIVE_FACTOR * liveBytes;
  // The image as it is given, normalised, and brought to size.
  const pixels = (list: readonly number[]): number => list.reduce((a, b) => a * b, channels);
  bytes += 4 * (2 * pixels(size) + 2 * pixels(layout.input.slice(2)));
  return { windows: tiles.length, bytes: Math.round(bytes) };
}
