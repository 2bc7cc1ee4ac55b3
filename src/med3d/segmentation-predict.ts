/** Predicting label maps: a run (or its exported `model.onnx`) as a function from an image file to classes on the file's own grid. */
import { readFile, stat } from "node:fs/promises";
import { type DataCase, type Plan, preprocess, readImage, regionOf, restoreClasses } from "../data/index.ts";
import { DataError } from "../errors.ts";
import { readOnnx } from "../graph/index.ts";
import { createEngine, type Engine } from "../runtime/index.ts";
import {
  cropOrPad,
  keepLargestComponents,
  type LoadedVolume,
  type Vec3,
  type Volume,
  type VoxelArray,
  type VoxelBox,
} from "../volume/index.ts";
import { readRun } from "./run-folder.ts";
import { encodeFastInference, encodeInference, networkOf, runWeights } from "./segmentation-export.ts";
import { coarseFolder } from "./segmentation-train.ts";
import { predictByWindows } from "./sliding-window.ts";

export interface PredictOptions {
  /** Share that neighbouring windows have in common; ½ by default. */
  readonly overlap?: number;
  /** Also predict the image mirrored left to right and average: a little better, twice the time. */
  readonly mirror?: boolean;
  readonly onWindow?: (done: number, of: number) => void;
  readonly signal?: AbortSignal;
}

export interface Segmenter {
  readonly plan: Plan;
  /** Classes of a case on its own grid, with the data set's label values. */
  segment(item: DataCase, options?: PredictOptions): Promise<{ volume: Volume<VoxelArray>; image: LoadedVolume }>;
  /** Those of an image in memory, on its grid. */
  segmentImage(image: Volume, options?: PredictOptions): Promise<Volume<VoxelArray>>;
  close(): Promise<void>;
}

export interface SegmenterOptions {
  readonly use?: "last" | "best";
  readonly threads?: number;
  readonly device?: "cpu" | "webgpu" | "cuda";
}

/**
 * Opens a run folder or an exported model. The run of a cascade opens as the whole: the first network finds the region, the second
 * says what is in it; an exported model is the second alone.
 * @throws ConfigError or DataError if it is neither
 */
export async function openSegmenter(path: string, options: SegmenterOptions = {}): Promise<Segmenter> {
  const isFile = (await stat(path).catch(() => undefined))?.isFile() ?? false;
  if (isFile) return openOne(options, () => exportedModel(path));
  const { record } = await readRun(path);
  const fine = await openOne(options, (engine) => runModel(path, options.use, engine));
  if (record.config.coarse == null) return fine;
  try {
    const coarse = await openSegmenter(coarseFolder(path), options);
    return cascade(coarse, fine, record.config.marginMm);
  } catch (error) {
    await fine.close();
    throw error;
  }
}

interface OpenedModel {
  readonly plan: Plan;
  readonly model: Uint8Array;
  readonly keepLargest: number | null;
}

async function openOne(
  { device, threads }: SegmenterOptions,
  modelOf: (engine: Engine) => Promise<OpenedModel>,
): Promise<Segmenter> {
  const engine = await createEngine({ device, threads });
  try {
    return await segmenter(engine, await modelOf(engine));
  } catch (error) {
    await engine.close();
    throw error;
  }
}

/** Two networks as one; where the first finds nothing, nothing is there. */
function cascade(coarse: Segmenter, fine: Segmenter, marginMm: number): Segmenter {
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
  return { plan: JSON.parse(metadata.plan) as Plan, model, keepLargest };
}

async function runModel(folder: string, use: "last" | "best" | undefined, engine: Engine): Promise<OpenedModel> {
  const { record, plan } = await readRun(folder);
  const weights = await runWeights(folder, use ?? (record.splits.validation.length > 0 ? record.config.use : "last"));
  const { keepLargest = null } = record.config;
  const network = networkOf(record);
  if (engine.device === "cpu") return { plan, model: encodeFastInference(network, plan, weights), keepLargest };
  return { plan, model: encodeInference(network, plan, weights, {}), keepLargest };
}

async function segmenter(engine: Engine, { plan, model, keepLargest }: OpenedModel): Promise<Segmenter> {
  const program = await engine.load(model, { label: "segmentation" });
  const { patch, preprocessing } = plan;
  const { channels } = preprocessing;
  const run = async (window: Float32Array): Promise<Float32Array> => {
    const { outputs } = await program.run({ input: { data: window, shape: [1, channels, ...patch] } });
    return outputs.probability.data as Float32Array;
  };
  const segmentImage: Segmenter["segmentImage"] = async (image, { overlap, mirror = false, onWindow, signal } = {}) => {
    const { volume, original } = preprocess(image, preprocessing);
    const [width, height, depth] = volume.size;
    const classes = await predictByWindows(volume.data, channels, [depth, height, width], {
      patch,
      classes: preprocessing.labels.length,
      overlap,
      onWindow,
      signal,
      predict: async (window) => {
        const direct = await run(window);
        if (!mirror) return direct;
        const other = mirrored(await run(mirrored(window, patch[2])), patch[2]);
        for (let i = 0; i < direct.length; i++) direct[i] += other[i];
        return direct;
      },
    });
    if (keepLargest !== null) keepLargestComponents(classes, volume.size, keepLargest);
    return restoreClasses({ ...volume, data: classes, channels: 1 }, original, preprocessing);
  };
  return {
    plan,
    segmentImage,
    segment: async (item, options) => {
      const image = await readImage(item);
      return { volume: await segmentImage(image, options), image };
    },
    close: async () => {
      await program.close();
      await engine.close();
    },
  };
}

/** Rows reversed: left and right exchanged. */
function mirrored(data: Float32Array, width: number): Float32Array {
  const out = new Float32Array(data.length);
  for (let row = 0; row < data.length; row += width)
    for (let x = 0; x < width; x++) out[row + x] = data[row + width - 1 - x];
  return out;
}
