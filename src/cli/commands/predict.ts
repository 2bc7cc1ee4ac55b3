/** `medvox predict RUN --in … --out …`: label maps on the images' own grids; of a classifier a table, of a detector boxes. */
import type { Axis } from "../../augment/index.ts";
import { WINDOW_OVERLAP } from "../../med3d/index.ts";
import { openForPrediction } from "../../tasks.ts";
import { defineCommand } from "../command.ts";
import { readConfig } from "../config-file.ts";
import { inputPath, outputOf, predict, predictionJson } from "../prediction.ts";
import {
  axes,
  decimal,
  deviceHelp,
  type KeptComponents,
  keptComponents,
  keptComponentsHelp,
  memorySize,
  segmentationFormat,
  segmentationFormats,
  whichDevice,
  whichWeights,
  wholeNumber,
} from "../values.ts";

interface Options {
  in: string;
  out: string;
  set?: string;
  use?: "last" | "best";
  mirror?: boolean;
  mirrorAxes?: Axis[];
  overlap?: number;
  keepLargest?: KeptComponents;
  threads?: number;
  device?: "cpu" | "webgpu" | "cuda";
  maxMemory?: number;
  report?: string;
  probabilities?: boolean;
  continue?: boolean;
  strict?: boolean;
  repair?: boolean;
  format?: "nifti" | "seg" | "seg-fractional";
  codes?: string;
}

export const command = defineCommand<Options, [string[]]>({
  configure: (command) =>
    command
      .argument(
        "<run...>",
        "a run's folder, or a model.onnx that medvox wrote; of segmentations several, whose probabilities are averaged",
      )
      .requiredOption("--in <path>", "an image, a folder of images, or a data set")
      .requiredOption(
        "--out <folder>",
        "where CASE.nii.gz are written, or FILE.dcm of one DICOM image; of a classifier, predictions.csv; of a detector, detections.json and pictures",
      )
      .option("--set <name>", "of a pre-training: whose branch")
      .option("--use <which>", "weights: last or best (default: as the run says)", whichWeights)
      .option("--mirror", "average the predictions of all eight mirror images (eight times the time)")
      .option("--mirror-axes <axes>", "of a segmentation: mirror along these only, e.g. x for left to right", axes)
      .option(
        "--overlap <share>",
        `what neighbouring windows have in common (default ${WINDOW_OVERLAP})`,
        decimal({ min: 0, max: 0.95 }),
      )
      .option(
        "--keep-largest <which>",
        `of a segmentation: ${keptComponentsHelp} (default: as the run says)`,
        keptComponents,
      )
      .option("--device <name>", `${deviceHelp} (default cpu)`, whichDevice)
      .option("--threads <n>", "threads of the engine (default: all cores)", wholeNumber({ min: 1 }))
      .option(
        "--max-memory <size>",
        "most resident memory to take, e.g. 2.5GB; what does not fit whole is done in bands",
        memorySize,
      )
      .option("--probabilities", "of a segmentation: also write probabilities/CASE.nii.gz, a channel for each class")
      .option(
        "--continue",
        "of a segmentation: leave out images whose files are all in --out, and do only what is missing",
      )
      .option(
        "--format <kind>",
        `of a segmentation of DICOM images: ${segmentationFormats.join(", ")} (default: nifti; seg for --out FILE.dcm)`,
        segmentationFormat,
      )
      .option("--codes <file>", "of seg: JSON with codes for labels, { NAME: { type: [VALUE, SCHEME, MEANING] } }")
      .option("--repair", "of DICOM: resample slices that make no regular volume (gaps, tilt) instead of refusing them")
      .option("--strict", "refuse to begin where a file has to be left out")
      .option("--report <file>", "also write what was done as JSON"),
  examples: [
    "medvox predict runs/hippocampus --in scan.nii.gz --out masks",
    "medvox predict model.onnx --in imagesTs --out masks --json",
    "medvox predict runs/fine runs/coarse --in imagesTs --out masks --probabilities",
    "medvox predict runs/hippocampus --in imagesTs --out masks --continue",
    "medvox predict runs/organs --in study/ct --out study/organs.dcm",
    "medvox predict runs/organs --in whole-body.nii.gz --out masks --max-memory 2GB",
  ],
  details:
    "Of a run of folds or seeds the networks' probabilities are averaged; of several runs, too, on the image's own grid, whatever spacing and\n" +
    "patch each has. --continue does not ask which run made the files that are there. medvox detect predict has more options for detectors.\n" +
    "One image that cannot be read costs only itself: the others are predicted, it is listed, and the exit status is 1.\n" +
    "Scores exist only for the lines that overlapping windows share, about classes × half the patch's depth × height × width × 4 bytes; " +
    "docs/how-to/large-volumes.md has the whole formula.",
  json: predictionJson,
  writes: true,
  run: async (context, { use, mirror, mirrorAxes, repair, codes, ...options }, path) =>
    predict(context, await openForPrediction(path, use), {
      ...options,
      ...outputOf(options.out, options.format),
      ...(codes !== undefined && { codes: await readConfig(codes, "--codes") }),
      in: inputPath(options.in, repair),
      mirror: mirrorAxes ?? mirror,
    }),
});
