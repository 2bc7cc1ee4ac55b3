/**
 * What predicting an image takes of resident memory, from sizes alone: for `--max-memory`, before anything starts, and for
 * docs/how-to/large-volumes.md, which explains each part. Bytes; a GB is 10⁹.
 *
 * It is meant as a bound: parts that need not be there together are added up where the collector of garbage may let them be.
 *
 * Shape shorthand: C channels · K classes · D H W patch · x y z image at the plan's spacing · X Y Z image as it is stored.
 */

import type { Plan } from "../../../data/index.ts";
import { ConfigError } from "../../../errors.ts";
import type { GraphMemory } from "../../../graph/index.ts";
import { bytesText } from "../../../text/index.ts";
import {
  axisOrderTo,
  bytesPerVoxel as bytesOf,
  type Grid,
  gridWithSpacing,
  labelTypeFor,
  orderView,
  viewOf,
} from "../../../volume/index.ts";
import { bandsOf, countWindows, scoreLines, slabRows } from "./sliding-window.ts";
import { type Mirror, mirrorAxes } from "./window-runner.ts";

/** An image, as far as its memory goes. */
export interface ImageSize extends Grid {
  readonly channels: number;
  /** Of a voxel in memory: an integer stays what it is in the file, unless the file scales it. */
  readonly bytesPerVoxel: number;
  readonly name?: string;
}

export interface PredictionRequest {
  readonly image: ImageSize;
  readonly plan: Pick<Plan, "patch" | "preprocessing">;
  readonly network: GraphMemory;
  readonly overlap?: number;
  readonly mirror?: Mirror;
  /** Lines of a band; all by default. */
  readonly band?: number;
  /** What else this process holds, e.g. the other network of a cascade. */
  readonly besides?: number;
}

export interface PredictionMemory {
  /** Windows that go through the network; each once, or once for each of its mirror images. */
  readonly windows: number;
  /** Resident memory of the process at the worst moment. */
  readonly bytes: number;
  /** Lines of a band, where the volume is done in several. */
  readonly band?: number;
  /** While windows are predicted. */
  readonly parts: {
    /** Node, medvox and ONNX Runtime themselves. */
    readonly program: number;
    readonly network: number;
    readonly image: number;
    readonly slab: number;
    readonly scores: number;
    readonly windows: number;
    readonly classes: number;
    readonly mask: number;
  };
}

/** Node, the code and ONNX Runtime's library, and what the collector leaves lying about. */
const programBytes = 150e6;

/** A loaded network: fitted on measurements of ResNet-10 and 18, not on deeper ones. */
export function networkBytes({ weightBytes, foldedBytes, liveBytes }: GraphMemory): number {
  return 150e6 + 1.5 * (weightBytes + foldedBytes) + 2.2 * liveBytes;
}

/** While it is being loaded the weights are there as bytes of the file, as values, and as what is computed from them. */
export function loadingBytes({ weightBytes, foldedBytes }: GraphMemory): number {
  return programBytes + 3 * (weightBytes + foldedBytes);
}

/** The formula. */
export function predictionMemory(request: PredictionRequest): PredictionMemory {
  const { image, plan, network, overlap, mirror, band, besides = 0 } = request;
  const { patch, preprocessing } = plan;
  const { channels, labels } = preprocessing;
  const [x, y, z] = workingSize(image, preprocessing);
  const size = [z, y, x] as const;
  const bands = bandsOf(size, { patch, overlap, band });
  const lines = Math.max(...bands.map((one) => scoreLines(size, patch, one)));
  const stored = image.size[0] * image.size[1] * image.size[2];
  const patchVoxels = patch[0] * patch[1] * patch[2];
  const turns = mirrorAxes(mirror).length;
  const picked = image.channels > channels && channels > 1 ? channels : 0;
  const rows = bands.length === 1 ? y : slabRows(Math.ceil(y / bands.length) + 1, patch[1], y);
  const parts = {
    program: programBytes + besides,
    network: networkBytes(network),
    image: stored * (image.channels + picked) * image.bytesPerVoxel,
    slab: 4 * channels * Math.min(patch[0], z) * rows * x,
    scores: 4 * labels.length * lines * x,
    // Two on each side of the engine's thread; mirrored, the window's mirror image and a sum for each axis beside them.
    windows:
      4 * patchVoxels * (turns > 0 ? 5 * channels + (3 + turns) * labels.length : 3 * channels + 2 * labels.length),
    classes: x * y * z,
    mask: stored * bytesOf(labelTypeFor(labels)),
  };
  const predicting = Object.values(parts).reduce((sum, bytes) => sum + bytes, 0);
  const bytes = Math.max(predicting, loadingBytes(network) + besides);
  return { windows: countWindows(bands), bytes, ...(bands.length > 1 && { band }), parts };
}

/**
 * The formula for as few bands as fit `maxMemory`.
 * @throws ConfigError saying what is needed at least, where none does
 */
export function fitMemory(request: PredictionRequest, maxMemory: number | undefined): PredictionMemory {
  const whole = predictionMemory(request);
  if (maxMemory === undefined || whole.bytes <= maxMemory) return whole;
  const [, height] = workingSize(request.image, request.plan.preprocessing);
  let least = whole;
  for (let count = 2; height / count >= 1; count++) {
    const memory = predictionMemory({ ...request, band: Math.ceil(height / count) });
    if (memory.bytes <= maxMemory) return memory;
    if (memory.bytes < least.bytes) least = memory;
  }
  const { program, network, image, classes, mask } = least.parts;
  throw new ConfigError(
    `${request.image.name ?? "image"}: ${request.image.size.join("×")} voxels need at least ${bytesText(least.bytes)} ` +
      `(${bytesText(program + network)} for the network, ${bytesText(image + classes + mask)} for image and mask), ` +
      `--max-memory is ${bytesText(maxMemory)}; allow more, or train a smaller patch or a coarser spacing`,
  );
}

function workingSize(image: ImageSize, { orientation, spacingMm }: Plan["preprocessing"]): Grid["size"] {
  const nothing = { ...image, data: new Uint8Array(0), channels: 1 };
  const view = orderView(viewOf(nothing), axisOrderTo(image, orientation));
  return spacingMm === null ? view.size : gridWithSpacing(view, spacingMm).size;
}
