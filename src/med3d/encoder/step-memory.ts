/**
 * How much memory a training step takes, so that `medvox plan --memory` can choose patch and batch.
 *
 * Measured by `npm run bench` (table bench-step-memory): the peak resident memory of a process that trains with the skip decoder, Dice +
 * cross-entropy and AdamW grows with the network's parameters (weights, optimizer state, both twice, transformed
 * weights, gradients) and with the voxels of a batch, whose cost is that of the decoder at full resolution and hardly depends on the encoder.
 * A test holds the rule against the measured rows: an upper bound, and no more than a quarter above. Which forms the convolutions take
 * (graph/lowering) changes with the shapes, and memory with them, so no straight line comes closer for all five.
 */
import { ConfigError } from "../../errors.ts";
import { graph } from "../../graph/index.ts";
import { encoder } from "../../nn/index.ts";
import { type NetworkConfig, segmentationScores } from "../segmentation/network/network.ts";

/** Node, medvox and the engine. */
const BASE_BYTES = 0.57e9;
const BYTES_PER_PARAMETER = 58.5;
const BYTES_PER_VOXEL = 4200;
/** Less than this in a batch trains nothing. */
const LEAST_VOXELS = 32 ** 3;

/** Bytes that a training step takes at its peak; an upper bound of what `npm run bench -- memory` measured. @param batchVoxels voxels of a batch, channels not counted */
export function stepMemoryBytes(parameters: number, batchVoxels: number): number {
  return BASE_BYTES + BYTES_PER_PARAMETER * parameters + BYTES_PER_VOXEL * batchVoxels;
}

/** Voxels of a batch that fit. @throws ConfigError where not even two of 32×32×16 do */
export function voxelsFor(memoryBytes: number, parameters: number): number {
  const voxels = Math.floor((memoryBytes - stepMemoryBytes(parameters, 0)) / BYTES_PER_VOXEL);
  if (voxels >= LEAST_VOXELS) return voxels;
  const least = (stepMemoryBytes(parameters, LEAST_VOXELS) / 1e9).toFixed(1);
  throw new ConfigError(
    `memory ${memoryBytes / 1e9} GB: is too little; ${(parameters / 1e6).toFixed(0)} million parameters and the smallest patches take ${least} GB`,
  );
}

/** Parameters and running statistics of a segmentation network. */
export function segmentationParameters(config: NetworkConfig, channels: number, classes: number): number {
  const g = graph();
  segmentationScores(g.input("x", [1, channels, 32, 32, 32]), classes, config);
  return countOf(g);
}

/** Those of an encoder alone, as a classification has it. */
export function encoderParameters(config: Parameters<typeof encoder>[1], channels: number): number {
  const g = graph();
  encoder(g.input("x", [1, channels, 32, 32, 32]), config);
  return countOf(g);
}

function countOf({ parameters }: ReturnType<typeof graph>): number {
  return [...parameters.values()].reduce((sum, { size }) => sum + size, 0);
}
