/** Predicting label maps: a run, the mean of its folds, or an exported `model.onnx` as a function from an image file to classes on the file's own grid. */
import type { Axis } from "../../../augment/index.ts";
import {
  checkedJson,
  type DataCase,
  type Plan,
  planSchema,
  preprocessSlices,
  readCaseSize,
  readImage,
  regionOf,
  restoreClasses,
} from "../../../data/index.ts";
import { ConfigError, DataError } from "../../../errors.ts";
import { type GraphMemory, readOnnx } from "../../../graph/index.ts";
import { createEngine, type Engine, type Program } from "../../../runtime/index.ts";
import { bytesText } from "../../../text/index.ts";
import { notOfWeights, type Source } from "../../../train/index.ts";
import {
  cropOrPad,
  keepLargestComponents,
  type LoadedVolume,
  type Vec3,
  type Volume,
  type VoxelArray,
  type VoxelBox,
} from "../../../volume/index.ts";
import { mirroredAxes } from "../config.ts";
import {
  encodeFastInference,
  encodeInference,
  inferenceMemory,
  networkOf,
  networkSchema,
  openCoarse,
  runWeights,
  usedWeights,
} from "../export.ts";
import type { SegmentationRun } from "../session.ts";
import { fitMemory, type ImageSize, loadingBytes, networkBytes, type PredictionMemory } from "./memory.ts";
import { predictByWindows, slicedImage } from "./sliding-window.ts";
import { ensembleRunner, type Mirror } from "./window-runner.ts";

export interface PredictOptions {
  /** Share that neighbouring windows have in common; ½ by default. */
  readonly overlap?: number;
  /**
   * Predict the image's mirror images, too, and average: a little better where training mirrored along these axes (`mirrored`), for
   * twice the time an axis, eight times with all three.
   */
  readonly mirror?: Mirror;
  /** After each window; `networkMs` is what the engine computed so far. A cascade counts twice, once for each network. */
  readonly onWindow?: (done: number, of: number, networkMs: number) => void;
  readonly signal?: AbortSignal;
}

export interface Segmenter {
  readonly plan: Plan;
  /** Axes along which training mirrored; undefined where the model does not say. */
  readonly mirrored?: readonly Axis[];
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
  readonly threads?: number;
  readonly device?: "cpu" | "webgpu" | "cuda";
  /**
   * Resident memory of this process, in bytes, that a prediction may take. What does not fit whole is done in bands, which takes
   * longer and gives the same classes.
   */
  readonly maxMemory?: number;
}

/**
 * Opens a run or an exported model. The run of a cascade opens as the whole: the first network finds the region, the second says
 * what is in it; an exported model is the second alone. Of several members the probabilities are averaged.
 * @throws DataError for a model without a plan, ConfigError where loading it alone takes more than `maxMemory`
 */
export function openSegmenterOf(source: Source<SegmentationRun>, options: SegmenterOptions = {}): Promise<Segmenter> {
  return openWhole(source, options, 0);
}

/** @param besides bytes that another network of the same process takes */
async function openWhole(
  source: Source<SegmentationRun>,
  options: SegmenterOptions,
  besides: number,
): Promise<OpenSegmenter> {
  if ("weights" in source) throw notOfWeights(source.weights);
  if ("model" in source) return openOne(options, besides, () => [exportedModel(source.model, source.path)]);
  const { run, members, use } = source;
  const networks = (device: string): OpenedModel[] => members.map((member) => runModel(member, use, device));
  if (run.record.config.coarse === null) return openOne(options, besides, networks);
  const first = await openCoarse(run);
  const coarse = await openWhole({ run: first, members: [first], use }, options, besides);
  try {
    const fine = await openOne(options, besides + coarse.resident(), networks);
    coarse.share(fine.resident());
    return cascade(coarse, fine, run.record.config.marginMm);
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
  readonly mirrored?: readonly Axis[];
  readonly keepLargest: number | null;
  readonly memory: () => GraphMemory;
  readonly encode: () => Promise<Uint8Array>;
}

async function openOne(
  { device, threads, maxMemory }: SegmenterOptions,
  besides: number,
  modelsOf: (device: string) => OpenedModel[],
): Promise<OpenSegmenter> {
  const opened = modelsOf(device ?? "cpu");
  if (maxMemory !== undefined) {
    const [first, ...others] = opened.map((model) => model.memory());
    const least = besides + loadingBytes(first) + others.reduce((sum, one) => sum + networkBytes(one), 0);
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
    mirrored: fine.mirrored,
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

function exportedModel(model: Uint8Array, path: string): OpenedModel {
  const { metadata } = readOnnx(model, path);
  if (metadata.plan === undefined)
    throw new DataError(`${path}: has no medvox plan in its metadata, so its preprocessing is unknown`);
  const keepLargest = metadata.keepLargest === undefined ? null : Number(metadata.keepLargest);
  const plan = checkedJson(planSchema, metadata.plan, `${path}: metadata.plan`) as Plan;
  const network = metadata.network && checkedJson(networkSchema, metadata.network, `${path}: metadata.network`);
  const memory = (): GraphMemory =>
    network ? inferenceMemory(network, plan, "portable") : unknownMemory(model.length, plan);
  const mirrored = metadata.mirrored?.split(",").filter((axis): axis is Axis => /^[xyz]$/.test(axis));
  return { plan, mirrored, keepLargest, memory, encode: async () => model };
}

/** A graph that does not say what network it is: 64 maps of the patch's size. */
function unknownMemory(bytes: number, { patch }: Plan): GraphMemory {
  const map = 4 * patch[0] * patch[1] * patch[2];
  return { weightBytes: bytes, foldedBytes: 0, liveBytes: 64 * map, largestBytes: 16 * map };
}

function runModel(run: SegmentationRun, use: "last" | "best" | undefined, device: string): OpenedModel {
  const { record, plan } = run;
  const network = networkOf(record);
  const form = device === "cpu" ? "fast" : "portable";
  return {
    plan,
    mirrored: mirroredAxes(record.config),
    keepLargest: record.config.keepLargest,
    memory: () => inferenceMemory(network, plan, form),
    encode: async () => {
      const weights = await runWeights(run, use ?? usedWeights(record));
      return form === "fast"
        ? encodeFastInference(network, plan, weights)
        : encodeInference(network, plan, weights, {});
    },
  };
}

async function segmenter(
  engine: Engine,
  opened: readonly OpenedModel[],
  maxMemory: number | undefined,
  elsewhere: number,
): Promise<OpenSegmenter> {
  const [{ plan, mirrored, keepLargest }] = opened;
  const { patch, preprocessing } = plan;
  const { channels, labels } = preprocessing;
  const programs: Program[] = [];
  for (const model of opened)
    programs.push(await engine.load(await model.encode(), { label: "segmentation", compact: true }));
  let network: GraphMemory | undefined;
  const networkMemory = (): GraphMemory => {
    network ??= opened[0].memory();
    return network;
  };
  // Networks run one after another, so of all but one only the weights count.
  let besides = elsewhere + opened.slice(1).reduce((sum, model) => sum + networkBytes(model.memory()), 0);
  const memory: Segmenter["memory"] = (image, { overlap, mirror } = {}) =>
    fitMemory({ image, plan, network: networkMemory(), overlap, mirror, besides }, maxMemory);
  const segmentImage: Segmenter["segmentImage"] = async (image, options = {}) => {
    const { overlap, mirror, onWindow, signal } = options;
    const sized = { ...image, bytesPerVoxel: image.data.BYTES_PER_ELEMENT };
    const band = maxMemory === undefined ? undefined : memory(sized, options).band;
    const run = ensembleRunner(programs, [1, channels, ...patch], labels.length, mirror);
    const prepared = preprocessSlices(image, preprocessing);
    const classes = await predictByWindows(slicedImage(prepared), {
      patch,
      classes: labels.length,
      overlap,
      band,
      onWindow: (done, of) => onWindow?.(done, of, run.ms()),
      signal,
      predict: (window) => run.predict(window),
    });
    signal?.throwIfAborted();
    if (keepLargest !== null) keepLargestComponents(classes, prepared.size, keepLargest);
    const { size, affine, name } = prepared;
    const map = { data: classes, size, affine, name, channels: 1 };
    return restoreClasses(map, image, preprocessing);
  };
  return {
    plan,
    mirrored,
    memory,
    segmentImage,
    segment: async (item, options) => {
      if (maxMemory !== undefined) memory(await readCaseSize(item), options);
      const image = await readImage(item);
      return { volume: await segmentImage(image, options), image };
    },
    resident: () => opened.reduce((sum, model) => sum + networkBytes(model.memory()), 0),
    share: (bytes) => {
      besides += bytes;
    },
    close: async () => {
      for (const program of programs) await program.close();
      await engine.close();
    },
  };
}
