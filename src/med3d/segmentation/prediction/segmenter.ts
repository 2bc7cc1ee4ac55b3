/// <reference lib="esnext.disposable" preserve="true" />
/** Predicting label maps: a run, the mean of its folds, an exported `model.onnx`, or weights and a network, from an image to classes on its own grid. */
import type { Axis } from "../../../augment/index.ts";
import { type DataCase, type Plan, readCaseSize, readImage } from "../../../data/index.ts";
import { writeVolume } from "../../../files/index.ts";
import { notOfWeights, type Source } from "../../../train/index.ts";
import { takingTurns } from "../../../turns.ts";
import type { Grid, LoadedVolume, Vec3, Volume, VoxelArray } from "../../../volume/index.ts";
import { openCoarse } from "../export.ts";
import type { KeepLargest } from "../keep-largest.ts";
import type { SegmentationRun } from "../session.ts";
import { cascadePass } from "./cascade.ts";
import { ensemblePass, type NamedPass } from "./ensemble.ts";
import { openMembers, type Pass, type PassOptions } from "./members.ts";
import type { ImageSize, PredictionMemory } from "./memory.ts";
import { exportedModel, modelOfParts, runModel, type SegmenterParts } from "./models.ts";
import type { Mirror } from "./window-runner.ts";

/** How an image is predicted. */
export interface PredictOptions {
  /** Share that neighbouring windows have in common; ½ by default. */
  readonly overlap?: number;
  /**
   * Predict the image's mirror images, too, and average: a little better where training mirrored along these axes (`mirrored`), for
   * twice the time an axis, eight times with all three.
   */
  readonly mirror?: Mirror;
  /**
   * Which connected components are kept, instead of what the run was told: `{ foreground: 1 }` the largest of all classes together, a
   * number so many of each class, `{ classes: { liver: 1 } }` of those that are named, null all. Of a cascade in the second network's mask.
   */
  readonly keepLargest?: KeepLargest | null;
  /** Also gives the probabilities of all classes: 4 bytes a voxel and class, twice while they are made. */
  readonly probabilities?: boolean;
  /** Called after each window. */
  readonly onProgress?: (progress: SegmentationProgress) => void;
  /** Stops between two windows, or at once while the call waits for its turn; the call is rejected with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** How far a prediction is. */
export interface SegmentationProgress {
  /** From 0 to 1. */
  readonly share: number;
  /** Windows that are done. */
  readonly window: number;
  /** Windows in all, as far as they are known: a cascade knows those of its second network when the first has found the region. */
  readonly windows: number;
  /** Milliseconds that the engine computed so far. */
  readonly networkMs: number;
}

/** An image's classes, and what finding them took. */
export interface Segmentation {
  /** Label values of the data set on the image's own grid: its size and affine, bit for bit. */
  readonly volume: Volume<VoxelArray>;
  /**
   * With `probabilities`: those of every class on the same grid, channels in the order of `plan.labels`; interpolated linearly where the
   * plan has another spacing.
   */
  readonly probabilities?: Volume<Float32Array>;
  /** Windows that went through the network. */
  readonly windows: number;
  /** Milliseconds in the engine alone. */
  readonly networkMs: number;
}

/** What predicting an image will take. */
export type PredictionEstimate = PredictionMemory;

/**
 * An image's size, as far as an estimate needs it: a volume, the header of one (`readVolumeHeader`), or voxels along x, y, z alone, which
 * are then taken to lie at the plan's spacing. Channels are the network's and voxels 4 bytes where nothing says more.
 */
export type SizeOfImage = Vec3 | (Grid & Partial<Pick<ImageSize, "channels" | "bytesPerVoxel" | "name">>);

/** A trained segmentation, opened. Calls take turns, so one network may serve many requests; only so many may wait (`mostWaiting`). */
export interface Segmenter extends AsyncDisposable {
  readonly plan: Plan;
  /** Axes along which training mirrored; undefined where the model does not say. */
  readonly mirrored?: readonly Axis[];
  /**
   * Which connected components are kept where a call does not say.
   * @throws ConfigError where several networks are averaged that keep different ones
   */
  readonly keepLargest: KeepLargest | null;
  /** Classes of an image in memory. @throws DataError for an image that the plan was not made for */
  predict(image: Volume, options?: PredictOptions): Promise<Segmentation>;
  /**
   * Classes of an image file, written to another. The ending says the format, as of `writeVolume`; grid fields of the image's header are
   * copied.
   * @param image its path; several for an image with a file for each channel
   * @throws DataError for what cannot be read, ConfigError for a mask that is there already, without `force`
   */
  predictFile(
    image: string | readonly string[],
    mask: string,
    options?: PredictOptions & { readonly force?: boolean },
  ): Promise<Segmentation>;
  /** Classes of a case of a data set; its image, too, as it was read. */
  predictCase(item: DataCase, options?: PredictOptions): Promise<Segmentation & { readonly image: LoadedVolume }>;
  /**
   * What predicting an image of a size takes, before anything runs: windows, bytes, and in how many bands it is done.
   * @throws ConfigError where that is more than `maxMemory`, however it is done
   */
  estimate(
    image: SizeOfImage,
    options?: Pick<PredictOptions, "overlap" | "mirror" | "probabilities">,
  ): PredictionEstimate;
  /** Ends the engine; what waits or runs is rejected. */
  close(): Promise<void>;
}

/** What a segmenter may take. */
export interface SegmenterOptions {
  /** Of the engine; all cores by default. */
  readonly threads?: number;
  /** Where ONNX Runtime computes; `cpu` by default. */
  readonly device?: "cpu" | "webgpu" | "cuda";
  /**
   * Resident memory of this process, in bytes, that a prediction may take. What does not fit whole is done in bands, which takes
   * longer and gives the same classes.
   */
  readonly maxMemory?: number;
  /** Calls that may wait while another is at work; one more is refused at once. 1000 by default. */
  readonly mostWaiting?: number;
}

/** Where a segmentation comes from, and what it is called in messages. */
export type SegmenterSource = { readonly name: string } & (
  | { readonly source: Source<SegmentationRun> }
  | { readonly parts: SegmenterParts }
);

/**
 * Opens runs, exported models, weights with their networks. Several are averaged as {@link ensemblePass} does. The run of a cascade opens as the whole: the first network finds the region, the second says
 * what is in it; its exported model is the second alone and refused. Of several members the probabilities are averaged.
 * @throws DataError for a model without a plan, ConfigError where loading it alone takes more than `maxMemory`; for weights as
 * {@link modelOfParts}
 */
export async function openSegmenterOf(
  sources: readonly SegmenterSource[],
  options: SegmenterOptions = {},
): Promise<Segmenter> {
  const opened: NamedPass[] = [];
  try {
    for (const one of sources) {
      const besides = opened.reduce((sum, { pass }) => sum + pass.resident(), 0);
      const pass =
        "parts" in one
          ? await openMembers(await modelOfParts(one.parts), options, besides)
          : await openPass(one.source, options, besides);
      opened.push({ name: one.name, pass });
    }
    return segmenterOf(opened.length === 1 ? opened[0].pass : ensemblePass(opened), options);
  } catch (error) {
    for (const { pass } of opened) await pass.close();
    throw error;
  }
}

/** Writes what was found in an image, with the grid fields of the image's header. */
export function writeLike(
  path: string,
  volume: Volume,
  { header }: Pick<LoadedVolume, "header">,
  how: { readonly force?: boolean; readonly signal?: AbortSignal },
): Promise<void> {
  return writeVolume(path, volume, { like: header, ...how });
}

/** @param besides bytes that another network of the same process takes */
async function openPass(source: Source<SegmentationRun>, options: SegmenterOptions, besides: number): Promise<Pass> {
  if ("weights" in source) throw notOfWeights(source.weights);
  if ("model" in source) return openMembers(() => [exportedModel(source.model, source.path)], options, besides);
  const { run, members, use } = source;
  const networks = (device: string) => members.map((member) => runModel(member, use, device));
  if (run.record.config.coarse === null) return openMembers(networks, options, besides);
  const first = await openCoarse(run);
  const coarse = await openPass({ run: first, members: [first], use }, options, besides);
  try {
    const fine = await openMembers(networks, options, besides + coarse.resident());
    coarse.share(fine.resident());
    return cascadePass(coarse, fine, run.record.config.marginMm);
  } catch (error) {
    await coarse.close();
    throw error;
  }
}

function segmenterOf(pass: Pass, { maxMemory, mostWaiting = 1000 }: SegmenterOptions): Segmenter {
  const turns = takingTurns({ name: "segmenter", mostWaiting });
  const { plan, mirrored } = pass;
  let closing: Promise<void> | undefined;
  const find = async (image: Volume, { onProgress, ...options }: PredictOptions): Promise<Segmentation> => {
    options.signal?.throwIfAborted();
    let [windows, networkMs] = [0, 0];
    const onWindow: PassOptions["onWindow"] = (window, known, ms) => {
      [windows, networkMs] = [window, ms];
      onProgress?.({ share: window / known, window, windows: known, networkMs: ms });
    };
    const found = await pass.predict(image, { ...options, onWindow });
    return { ...found, windows, networkMs };
  };
  // Images are read when their turn has come, so that those that wait take no memory.
  const findCase = async (item: DataCase, options: PredictOptions) => {
    if (maxMemory !== undefined) pass.memory(await readCaseSize(item), options);
    const image = await readImage(item);
    return { ...(await find(image, options)), image };
  };
  const close = (): Promise<void> => {
    closing ??= pass.close();
    return closing;
  };
  return {
    plan,
    mirrored,
    get keepLargest() {
      return pass.keepLargest;
    },
    predict: (image, options = {}) => turns.take(() => find(image, options), options.signal),
    predictCase: (item, options = {}) => turns.take(() => findCase(item, options), options.signal),
    predictFile: (image, mask, { force, ...options } = {}) =>
      turns.take(async () => {
        const [first, ...moreChannels] = [image].flat();
        const { image: read, ...found } = await findCase({ id: first, image: first, moreChannels }, options);
        await writeLike(mask, found.volume, read, { force, signal: options.signal });
        return found;
      }, options.signal),
    estimate: (image, options = {}) => pass.memory(sizeOf(image, plan), options),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function sizeOf(image: SizeOfImage, { preprocessing: { channels, spacingMm } }: Plan): ImageSize {
  if ("size" in image) {
    const bytes = "data" in image ? (image as Volume).data.BYTES_PER_ELEMENT : 4;
    return { channels, ...image, bytesPerVoxel: image.bytesPerVoxel ?? bytes };
  }
  const [x, y, z] = spacingMm ?? [1, 1, 1];
  return { size: image, affine: [x, 0, 0, 0, 0, y, 0, 0, 0, 0, z, 0, 0, 0, 0, 1], channels, bytesPerVoxel: 4 };
}
