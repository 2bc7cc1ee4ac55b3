/** Segmentation as the frame predicts it: label maps as files, voxels by class, what it took. */
import { join } from "node:path";
import { type DataCase, readCaseSize } from "../../../data/index.ts";
import type { CodeTable } from "../../../dicom/index.ts";
import { dicomOriginOf, readVolumeHeader, writeSegmentation } from "../../../files/index.ts";
import type { Host, Options, PredictedFile, Predictor, Source } from "../../../train/index.ts";
import type { LoadedVolume, Volume, VoxelArray } from "../../../volume/index.ts";
import { checkKeepLargest } from "../keep-largest.ts";
import type { SegmentationRun } from "../session.ts";
import {
  openSegmenterOf,
  type PredictOptions,
  type Segmentation,
  type SegmenterOptions,
  writeLike,
} from "./segmenter.ts";
import { mirrorNote } from "./window-runner.ts";

/** A label map on the image's own grid, and what making it took. */
export interface SegmentationFound extends Segmentation {
  readonly image: LoadedVolume;
  readonly seconds: number;
}

/** What `--json` prints of one image. */
interface PredictedVolume {
  readonly case: string;
  readonly image: string;
  /** The label map's file. */
  readonly prediction: string;
  /** The file of the class probabilities, where they are written. */
  readonly probabilities?: string;
  /** Voxels by class. */
  readonly voxels: Readonly<Record<string, number>>;
  /** From the file to the mask. */
  readonly seconds: number;
  readonly windows: number;
  /** In the engine alone. */
  readonly networkSeconds: number;
}

/** The file of a case's predicted label map. */
export function predictionPath(folder: string, { id }: Pick<DataCase, "id">): string {
  return join(folder, fileOf({ id }));
}

const fileOf = ({ id }: Pick<DataCase, "id">): string => `${id}.nii.gz`;

/** How label maps are written, and under which names. */
interface Format {
  readonly format?: "nifti" | "seg" | "seg-fractional";
  readonly fileName?: string;
  readonly codes?: CodeTable;
}

/** Where a case's class probabilities are written, below the folder of the masks. */
const probabilitiesOf = ({ id }: Pick<DataCase, "id">): string => join("probabilities", `${id}.nii.gz`);

/** Opens a run, or the mean of its folds, or an exported model; of several the mean of all. */
export async function segmentationPredictor(
  sources: readonly Source<SegmentationRun>[],
  options: Options,
  { events }: Host,
): Promise<Predictor<DataCase, SegmentationFound>> {
  const { threads, device, maxMemory, ...how } = options as SegmenterOptions & PredictOptions & Format;
  const { overlap, mirror, keepLargest, format = "nifti", fileName, codes } = how;
  const isObject = format !== "nifti";
  // Fractions are probabilities.
  const probabilities = how.probabilities || format === "seg-fractional" || undefined;
  const writesShares = how.probabilities === true;
  const nameOf = (item: DataCase): string => fileName ?? (isObject ? `${item.id}.dcm` : fileOf(item));
  const named = sources.map((source) => ({ name: placeOf(source), source }));
  const segmenter = await openSegmenterOf(named, { threads, device, maxMemory });
  try {
    // Told before the first image is read.
    checkKeepLargest(keepLargest === undefined ? segmenter.keepLargest : keepLargest, segmenter.plan);
  } catch (error) {
    await segmenter.close();
    throw error;
  }
  const note = mirrorNote(mirror, segmenter.mirrored);
  if (note !== undefined) events.onNote?.(note);
  return {
    check: async (item) => {
      if (isObject) dicomOriginOf({ header: await readVolumeHeader(item.image), name: item.id });
      if (maxMemory !== undefined) segmenter.estimate(await readCaseSize(item), { overlap, mirror, probabilities });
    },
    predict: async (item, { signal, onProgress }) => {
      const began = performance.now();
      const found = await segmenter.predictCase(item, {
        ...{ overlap, mirror, keepLargest, probabilities, signal },
        onProgress: ({ share, window, windows }) => onProgress?.(share, `window ${window}/${windows}`),
      });
      return { ...found, seconds: (performance.now() - began) / 1000 };
    },
    fileNames: (item) => [nameOf(item), ...(writesShares ? [probabilitiesOf(item)] : [])],
    tableNames: [],
    present: (item, { volume, image, probabilities: shares, windows, networkMs, seconds }) => {
      const counts = countValues(volume.data);
      const voxels = Object.fromEntries(
        segmenter.plan.labels
          .filter(({ index }) => index !== 0)
          .map(({ index, name }) => [name, counts.get(index) ?? 0]),
      );
      const name = nameOf(item);
      const { labels } = segmenter.plan;
      const fractions = format === "seg-fractional" ? shares : undefined;
      const object: PredictedFile = {
        name,
        write: (path, how) =>
          writeSegmentation(path, volume, image, { labels, codes, probabilities: fractions, name: item.id }, how),
      };
      return {
        files: [
          isObject ? object : fileFor(name, volume, image),
          ...(writesShares && shares !== undefined ? [fileFor(probabilitiesOf(item), shares, image)] : []),
        ],
        row: {
          case: item.id,
          image: item.image,
          prediction: name,
          ...(writesShares && { probabilities: probabilitiesOf(item) }),
          voxels,
          seconds,
          windows,
          networkSeconds: networkMs / 1000,
        },
      };
    },
    conclude: (rows, { folder }) => {
      const predictions = (rows as PredictedVolume[]).map((row) => ({
        ...row,
        prediction: folder === undefined ? row.prediction : join(folder, row.prediction),
        ...(row.probabilities !== undefined &&
          folder !== undefined && { probabilities: join(folder, row.probabilities) }),
      }));
      return {
        tables: {},
        json: { predictions },
        lines: predictions.map(({ prediction, voxels }) => {
          const counts = Object.entries(voxels).map(([name, n]) => `${name} ${n}`);
          return `${prediction}  ${counts.join(" · ")} voxels`;
        }),
      };
    },
    close: () => segmenter.close(),
  };
}

function fileFor(name: string, volume: Volume, image: LoadedVolume): PredictedFile {
  return { name, write: (path, how) => writeLike(path, volume, image, how) };
}

/** What a network is called in messages. */
function placeOf(source: Source<SegmentationRun>): string {
  if ("run" in source) return source.run.store.place;
  return "path" in source ? source.path : source.weights;
}

function countValues(data: VoxelArray): Map<number, number> {
  const counts = new Map<number, number>();
  // Runs of one value are long, so the map is asked once per run.
  for (let start = 0; start < data.length; ) {
    const value = data[start];
    let end = start + 1;
    while (end < data.length && data[end] === value) end++;
    counts.set(Number(value), (counts.get(Number(value)) ?? 0) + end - start);
    start = end;
  }
  return counts;
}
