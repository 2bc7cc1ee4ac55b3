/** Predicting from the command line, with whatever network was named. */
import { basename, dirname } from "node:path";
import { ConfigError } from "../errors.ts";
import { dicomPath, dicomPlace } from "../files/index.ts";
import { type OpenedSource, type PredictAllOptions, predictAll } from "../train/index.ts";
import type { CommandContext, Outcome } from "./command.ts";

/** What `--in` names; with `--repair`, its slices are resampled where they make no regular volume. */
export function inputPath(path: string, repair = false): string {
  return repair ? dicomPath({ ...dicomPlace(path), repair }) : path;
}

/** Where `--out` leads: a folder, or the one DICOM object that it names. */
export function outputOf(out: string, format?: string): { out: string; fileName?: string; format?: string } {
  if (!out.toLowerCase().endsWith(".dcm")) return { out, ...(format && { format }) };
  if (format === "nifti") throw new ConfigError(`--out ${out}: names a DICOM object, --format nifti writes NIfTI`);
  return { out: dirname(out), fileName: basename(out), format: format ?? "seg" };
}

/** Predicts what `--in` names; images that could not be predicted are listed, and then the exit status is 1. */
export async function predict(
  { signal, progress, force }: CommandContext,
  opened: OpenedSource,
  { in: input, ...options }: PredictAllOptions & { readonly in: string },
): Promise<Outcome> {
  const { predicting = "predicting" } = opened.task.progressWords ?? {};
  const made = await predictAll(opened, input, {
    ...options,
    force,
    signal,
    onNote: (text) => progress.note(text),
    onProgress: (share, at, of, id, detail) =>
      progress.update({
        label: `${predicting}  ${at}/${of}  ${id}`,
        fraction: share,
        details: detail === "" ? [] : [detail],
      }),
  }).finally(() => progress.clear());
  return {
    document: { run: opened.path, ...(opened.paths && { runs: opened.paths }), ...made.json },
    text: made.lines.join("\n"),
    ok: made.failed.length === 0,
  };
}

/** The keys of what `--json` prints of predictions. */
export const predictionJson = {
  task: "segmentation, classification or detection",
  run: "the run, model or weights that predicted; of several the first",
  runs: "where several were averaged: all of them",
  predictions:
    "of a segmentation, per image: case, image, prediction (file), probabilities (file, with --probabilities), voxels by class, seconds, windows, networkSeconds; of a classifier: case, image, class, probabilities, ratings",
  table: "of a classifier: predictions.csv",
  networks: "of a classifier: how many were averaged",
  images: "of a detector: how many were looked at",
  detections:
    "of a detector: COCO's results: image_id (COCO's number, else the image's name), category_id, bbox [x, y, width, height] in pixels of the image, score; of volumes [x, y, z, width, height, depth] in voxels",
  classes: "of a detector: category_id and name of each class",
  files: "of a detector: detections.json, of volumes detections.csv, and the pictures, where --out is given",
  kept: "with --continue: the cases that were predicted before and left as they are",
  failed:
    "images that were left out or could not be predicted: case, image, message; with any of them the exit status is 1",
  "problems.count": "what is wrong with the input",
  "problems.rules": "how often each rule was broken",
  "problems.list": "each of them: severity, case, rule, message",
};
