/** Predicting label maps: a run (or its exported `model.onnx`) as a function from an image file to classes on the file's own grid. */

import { readFile, stat } from "node:fs/promises";
import { bytesText } from "../bytes-text.ts";
import {
  type DataCase,
  type Plan,
  preprocessSlices,
  readCaseSize,
  readImage,
  regionOf,
  restoreClasses,
} from "../data/index.ts";
import { ConfigError, DataError } from "../errors.ts";
import { type GraphMemory, readOnnx } from "../graph/index.ts";
import { createEngine, type Engine, type Program } from "../runtime/index.ts";
import {
  cropOrPad,
  keepLargestComponents,
  type LoadedVolume,
  type Vec3,
  type Volume,
  type VoxelArray,
  type VoxelBox,
} from "../volume/index.ts";
import { fitMemory, type ImageSize, loadingBytes, networkBytes, type PredictionMemory } from "./prediction-memory.ts";
import { readRun } from "./run-folder.ts";
import { encodeFastInference, encodeInference, inferenceMemory, networkOf, runWeights } from "./segmentation-export.ts";
import type { NetworkConfig } from "./segmentation-network.ts";
import { coarseFolder } from "./segmentation-train.ts";
import { predictByWindows, slicedImage } from "./sliding-window.ts";

export interface PredictOptions {
  /** Share that neighbouring windows have in common; ½ by default. */
  readonly overlap?: number;
  /** Also predict the image mirrored left to right and average: a little better, twice the time. */
  readonly mirror?: boolean;
  /** After each window; `networkMs` is what the engine computed so far. A cascade counts twice, once for each network. */
  readonly onWindow?: (done: number, of: number, networkMs: number) => void;
  readonly signal?: AbortSignal;
}

export interface Segmenter {
  readonly plan: Plan;
  /** Classes of a case on its own grid, with the data set's label values. */
  segment(item: DataCase, options?: PredictOptions): Promise<{ volume: Volume<VoxelArray>; image: LoadedVolume }>;
  /** Those of an image in memory, on its grid. */
  segmentImage(image: Volume, options?: PredictOptions): Promise<Volume<VoxelArray>>;
  /**
   * What predicting an image of a size takes, and in how many bands it is done.
   * @throws ConfigError where that is more than `maxMemory`, however it is done
   */
  memory(image: ImageSize, options?: Pick<PredictOptions, "overlap" | "mirror">): PredictionMemory;
  close(): Promise<void>;
}

export interface SegmenterOptions {
  readonly use?: "last" | "best";
  readonly threads?: number;
  readonly device?: "cpu" | "webgpu" | "cuda";
  /**
   * Resident memory of this process, in bytes, that a prediction may take. What does not fit whole is done in bands, which takes
   * longer and gives the same classes.
   */
  readonly maxMemory?: number;
}

/**
 * Opens a run folder or an exported model. The run of a cascade opens as the whole: the first network finds the region, the second
 * says what is in it; an exported model is the second alone.
 * @throws ConfigError or DataError if it is neither, ConfigError where loading it alone takes more than `maxMemory`
 */
export async function openSegmenter(path: string, options: SegmenterOptions = {}): Promise<Segmenter> {
  return open(path, options, 0);
}

/** @param besides bytes that another network of the same process takes */
async function open(path: string, options: SegmenterOptions, besides: number): Promise<OpenSegmenter> {
  const isFile = (await stat(path).catch(() => undefined))?.isFile() ?? false;
  if (isFile) return openOne(options, besides, () => exportedModel(path));
  const { record } = await readRun(path);
  if (record.config.coarse == null) return openOne(options, besides, (device) => runModel(path, options.use, device));
  const coarse = await open(coarseFolder(path), options, besides);
  try {
    const fine = await openOne(options, besides + coarse.resident(), (device) => runModel(path, options.use, device));
    coarse.share(fine.resident());
    return cascade(coarse, fine, record.config.marginMm);
  } catch (error) {
    await coarse.close();
    throw error;
  }
}

/** What the halves of a cascade know of each other. */
interface OpenSegmenter extends Segmenter {
  /** Bytes that the loaded network takes. */
  resident(): number;
  /** Counts so many bytes more as taken. */
  share(bytes: number): void;
}

interface OpenedModel {
  readonly plan: Plan;
  readonly keepLargest: number | null;
  readonly memory: () => GraphMemory;
  readonly encode: () => Promise<Uint8Array>;
}

async function openOne(
  { device, threads, maxMemory }: SegmenterOptions,
  besides: number,
  modelOf: (device: string) => Promise<OpenedModel>,
): Promise<OpenSegmenter> {
  const opened = await modelOf(device ?? "cpu");
  if (maxMemory !== undefined) {
    const least = besides + loadingBytes(opened.memory());
    if (least > maxMemory) {
      throw new ConfigError(
        `network: loading it takes ${bytesText(least)}, --max-memory is ${bytesText(maxMemory)}; allow more, or train a smaller network`,
      );
    }
  }
  const engine = await createEngine({ device, threads });
  try {
    return await segmenter(engine, opened, maxMemory, besides);
  } catch (error) {
    await engine.close();
    throw error;
  }
}

/** Two networks as one; where the first finds nothing, nothing is there. */
function cascade(coarse: OpenSegmenter, fine: OpenSegmenter, marginMm: number): OpenSegmenter {
  const segmentImage: Segmenter["segmentImage"] = async (image, options) => {
    const region = regionOf(await coarse.segmentImage(image, options), marginMm);
    const [nx, ny, nz] = image.size;
    if (region === undefined) return { ...image, data: new Uint8Array(nx * ny * nz), channels: 1 };
    const part = await fine.segmentImage({ ...cropOrPad(image, region), name: image.name }, options);
    return { ...image, data: pasted(part, region, image.size), channels: 1 };
  };
  return {
    plan: fine.plan,
    segmentImage,
    segment: async (item, options) => {
      const image = await readImage(item);
      return { volume: await segmentImage(image, options), image };
    },
    memory: (image, options) => {
      const first = coarse.memory(image, options);
      // The region is not known yet; it is the whole image at most. The image and the first mask stay beside it.
      fine.share(first.parts.image + first.parts.mask);
      try {
        const second = fine.memory(image, options);
        return first.total > second.total ? first : second;
      } finally {
        fine.share(-first.parts.image - first.parts.mask);
      }
    },
    resident: () => coarse.resident() + fine.resident(),
    share: (bytes) => {
      coarse.share(bytes);
      fine.share(bytes);
    },
    close: async () => {
      await coarse.close();
      await fine.close();
    },
  };
}

/** A part's labels in the whole grid, 0 around it. */
function pasted({ data, size }: Volume<VoxelArray>, { start }: VoxelBox, whole: Vec3): VoxelArray {
  const out = new (data.constructor as new (length: number) => VoxelArray)(whole[0] * whole[1] * whole[2]);
  for (let z = 0; z < size[2]; z++) {
    for (let y = 0; y < size[1]; y++) {
      const from = (z * size[1] + y) * size[0];
      const to = ((z + start[2]) * whole[1] + y + start[1]) * whole[0] + start[0];
      (out as Uint8Array).set((data as Uint8Array).subarray(from, from + size[0]), to);
    }
  }
  return out;
}

async function exportedModel(path: string): Promise<OpenedModel> {
  const model = await readFile(path);
  const { metadata } = readOnnx(model, path);
  if (metadata.plan === undefined)
    throw new DataError(`${path}: has no medvox plan in its metadata, so its preprocessing is unknown`);
  const keepLargest = metadata.keepLargest === undefined ? null : Number(metadata.keepLargest);
  const plan = JSON.parse(metadata.plan) as Plan;
  const memory = (): GraphMemory =>
    metadata.network === undefined
      ? unknownMemory(model.length, plan)
      : inferenceMemory(JSON.parse(metadata.network) as NetworkConfig, plan, "portable");
  return { plan, keepLargest, memory, encode: async () => model };
}

/** A graph that does not say what network it is: 64 maps of the patch's size. */
function unknownMemory(bytes: number, { patch }: Plan): GraphMemory {
  const map = 4 * patch[0] * patch[1] * patch[2];
  return { weightBytes: bytes, foldedBytes: 0, liveBytes: 64 * map, largestBytes: 16 * map };
}

async function runModel(folder: string, use: "last" | "best" | undefined, device: string): Promise<OpenedModel> {
  const { record, plan } = await readRun(folder);
  const { keepLargest = null } = record.config;
  const network = networkOf(record);
  const form = device === "cpu" ? "fast" : "portable";
  return {
    plan,
    keepLargest,
    memory: () => inferenceMemory(network, plan, form),
    encode: async () => {
      const which = use ?? (record.splits.validation.length > 0 ? record.config.use : "last");
      const weights = await runWeights(folder, which);
      return form === "fast"
        ? encodeFastInference(network, plan, weights)
        : encodeInference(network, plan, weights, {});
    },
  };
}

async function segmenter(
  engine: Engine,
  opened: OpenedModel,
  maxMemory: number | undefined,
  held: number,
): Promise<OpenSegmenter> {
  const { plan, keepLargest } = opened;
  const { patch, preprocessing } = plan;
  const { channels, labels } = preprocessing;
  const program = await engine.load(await opened.encode(), { label: "segmentation", compact: true });
  let network: GraphMemory | undefined;
  const networkMemory = (): GraphMemory => {
    network ??= opened.memory();
    return network;
  };
  let besides = held;
  const memory: Segmenter["memory"] = (image, { overlap, mirror } = {}) =>
    fitMemory({ image, plan, network: networkMemory(), overlap, mirror, besides }, maxMemory);
  const segmentImage: Segmenter["segmentImage"] = async (image, options = {}) => {
    const { overlap, mirror = false, onWindow, signal } = options;
    const sized = { ...image, bytesPerVoxel: image.data.BYTES_PER_ELEMENT };
    const band = maxMemory === undefined ? undefined : memory(sized, options).band;
    const run = windowRunner(program, [1, channels, ...patch], labels.length);
    const prepared = preprocessSlices(image, preprocessing);
    const classes = await predictByWindows(slicedImage(prepared), {
      patch,
      classes: labels.length,
      overlap,
      band,
      onWindow: (done, of) => onWindow?.(done, of, run.ms()),
      signal,
      predict: mirror ? (window) => run.mirrored(window) : (window) => run.direct(window),
    });
    signal?.throwIfAborted();
    if (keepLargest !== null) keepLargestComponents(classes, prepared.size, keepLargest);
    const { size, affine, name } = prepared;
    const map = { data: classes, size, affine, name, channels: 1 };
    return restoreClasses(map, image, preprocessing);
  };
  return {
    plan,
    memory,
    segmentImage,
    segment: async (item, options) => {
      if (maxMemory !== undefined) memory(await readCaseSize(item), options);
      const image = await readImage(item);
      return { volume: await segmentImage(image, options), image };
    },
    resident: () => networkBytes(networkMemory()),
    share: (bytes) => {
      besides += bytes;
    },
    close: async () => {
      await program.close();
      await engine.close();
    },
  };
}

/** Runs windows into arrays that are used again: one is read while the next is computed, so none is made per window. */
function windowRunner(program: Program, shape: readonly number[], classes: number) {
  const [, , ...patch] = shape;
  const outShape = [1, classes, ...patch];
  const count = outShape.reduce((a, b) => a * b);
  const given: Float32Array[] = [];
  let total = 0;
  const ask = async (window: Float32Array, place: Float32Array): Promise<Float32Array> => {
    const { outputs, ms } = await program.run(
      { input: { data: window, shape } },
      { into: { probability: { data: place, shape: outShape } } },
    );
    total += ms;
    return outputs.probability.data as Float32Array;
  };
  // What was given two calls ago has been read.
  const place = (): Float32Array => (given.length < 2 ? new Float32Array(count) : given.shift()!);
  let spare: Float32Array = new Float32Array(0);
  return {
    ms: () => total,
    direct: async (window: Float32Array): Promise<Float32Array> => {
      const out = await ask(window, place());
      given.push(out);
      return out;
    },
    mirrored: async (window: Float32Array): Promise<Float32Array> => {
      const turned = window.slice();
      mirrorRows(turned, patch[2]);
      const out = await ask(window, place());
      given.push(out);
      spare = await ask(turned, spare.length === 0 ? new Float32Array(count) : spare);
      mirrorRows(spare, patch[2]);
      for (let i = 0; i < out.length; i++) out[i] += spare[i];
      return out;
    },
  };
}

/** Reverses rows in place: left and right exchanged. */
function mirrorRows(data: Float32Array, width: number): void {
  for (let row = 0; row < data.length; row += width) data.subarray(row, row + width).reverse();
}
