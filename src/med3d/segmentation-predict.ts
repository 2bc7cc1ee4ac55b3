/** Predicting label maps: a run (or its exported `model.onnx`) as a function from an image file to classes on the file's own grid. */
import { readFile, stat } from "node:fs/promises";
import { type DataCase, type Plan, preprocess, readImage, restoreClasses } from "../data/index.ts";
import { DataError } from "../errors.ts";
import { readOnnx } from "../graph/index.ts";
import { createEngine, type Engine } from "../runtime/index.ts";
import type { LoadedVolume, Volume, VoxelArray } from "../volume/index.ts";
import { readRun } from "./run-folder.ts";
import { encodeFastInference, encodeInference, networkOf, runWeights } from "./segmentation-export.ts";
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
  close(): Promise<void>;
}

export interface SegmenterOptions {
  readonly use?: "last" | "best";
  readonly threads?: number;
  readonly device?: "cpu" | "webgpu" | "cuda";
}

/**
 * Opens a run folder or an exported model.
 * @throws ConfigError or DataError if it is neither
 */
export async function openSegmenter(path: string, options: SegmenterOptions = {}): Promise<Segmenter> {
  const isFile = (await stat(path).catch(() => undefined))?.isFile() ?? false;
  const engine = await createEngine({ device: options.device, threads: options.threads });
  try {
    const { plan, model } = isFile ? await exportedModel(path) : await runModel(path, options.use, engine);
    return await segmenter(engine, plan, model);
  } catch (error) {
    await engine.close();
    throw error;
  }
}

async function exportedModel(path: string): Promise<{ plan: Plan; model: Uint8Array }> {
  const model = await readFile(path);
  const { metadata } = readOnnx(model, path);
  if (metadata.plan === undefined)
    throw new DataError(`${path}: has no medvox plan in its metadata, so its preprocessing is unknown`);
  return { plan: JSON.parse(metadata.plan) as Plan, model };
}

async function runModel(
  folder: string,
  use: "last" | "best" | undefined,
  engine: Engine,
): Promise<{ plan: Plan; model: Uint8Array }> {
  const { record, plan } = await readRun(folder);
  const weights = await runWeights(folder, use ?? (record.splits.validation.length > 0 ? record.config.use : "last"));
  if (engine.device === "cpu") return { plan, model: encodeFastInference(networkOf(record), plan, weights) };
  return { plan, model: encodeInference(networkOf(record), plan, weights, {}) };
}

async function segmenter(engine: Engine, plan: Plan, model: Uint8Array): Promise<Segmenter> {
  const program = await engine.load(model, { label: "segmentation" });
  const { patch, preprocessing } = plan;
  const { channels } = preprocessing;
  const run = async (window: Float32Array): Promise<Float32Array> => {
    const { outputs } = await program.run({ input: { data: window, shape: [1, channels, ...patch] } });
    return outputs.probability.data as Float32Array;
  };
  return {
    plan,
    segment: async (item, { overlap, mirror = false, onWindow, signal } = {}) => {
      const image = await readImage(item);
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
      return { volume: restoreClasses({ ...volume, data: classes, channels: 1 }, original, preprocessing), image };
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
