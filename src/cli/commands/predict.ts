/** `medvox predict RUN --in … --out …`: label maps for images of any size, on the images' own grids; of a classifier, a table. */

import { existsSync } from "node:fs";
import { readCaseSize } from "../../data/index.ts";
import { ConfigError } from "../../errors.ts";
import { makeFolder, writeFileAtomic, writeVolume } from "../../files/index.ts";
import { branchRun, modelTask, openSegmenter, predictionPath } from "../../med3d/index.ts";
import { fasterRcnn } from "../../rcnn/index.ts";
import type { VoxelArray } from "../../volume/index.ts";
import { defineCommand } from "../command.ts";
import { detectedJson, detectImages } from "../detected-images.ts";
import { isDetectionRun } from "../detection.ts";
import { refuseToOverwrite } from "../outputs.ts";
import { predictClasses } from "../predict-classes.ts";
import { casesOf } from "../predicted-cases.ts";
import { decimal, memorySize, wholeNumber } from "../values.ts";

interface Options {
  in: string;
  out: string;
  set?: string;
  use?: "last" | "best";
  mirror?: boolean;
  overlap?: number;
  threads?: number;
  device?: "cpu" | "webgpu" | "cuda";
  maxMemory?: number;
  report?: string;
}

interface Predicted {
  readonly case: string;
  readonly image: string;
  readonly prediction: string;
  readonly voxels: Readonly<Record<string, number>>;
  /** From the file to the mask. */
  readonly seconds: number;
  readonly windows: number;
  /** In the engine alone. */
  readonly networkSeconds: number;
}

export const command = defineCommand<Options, [string]>({
  configure: (command) =>
    command
      .argument("<run>", "a run's folder, or a model.onnx that medvox wrote")
      .requiredOption("--in <path>", "an image, a folder of images, or a data set")
      .requiredOption(
        "--out <folder>",
        "where CASE.nii.gz are written; of a classifier, predictions.csv; of a detector, detections.json and pictures",
      )
      .option("--set <name>", "of a pre-training: whose branch")
      .option("--use <which>", "weights: last or best (default: as the run says)")
      .option(
        "--mirror",
        "average with the prediction of the mirrored image (twice the time; of a classifier, all eight)",
      )
      .option(
        "--overlap <share>",
        "what neighbouring windows have in common (default 0.5)",
        decimal({ min: 0, max: 0.95 }),
      )
      .option("--device <name>", "cpu, webgpu or cuda (default cpu)")
      .option("--threads <n>", "threads of the engine (default: all cores)", wholeNumber({ min: 1 }))
      .option(
        "--max-memory <size>",
        "most resident memory to take, e.g. 2.5GB; what does not fit whole is done in bands",
        memorySize,
      )
      .option("--report <file>", "also write what was done as JSON"),
  examples: [
    "medvox predict runs/hippocampus --in scan.nii.gz --out masks",
    "medvox predict model.onnx --in imagesTs --out masks --json",
    "medvox predict runs/organs --in whole-body.nii.gz --out masks --max-memory 2GB",
  ],
  details:
    "Scores exist only for the lines that overlapping windows share, about classes × half the patch's depth × height × width × 4 bytes; " +
    "docs/how-to/large-volumes.md has the whole formula.",
  json: {
    ...detectedJson,
    detections: "of a detector: as medvox detect predict prints them, with images, classes and files",
    task: "segmentation, classification or detection",
    run: "the run or model that predicted",
    predictions:
      "per image: case, image, prediction (file), voxels by class, seconds, windows, networkSeconds; of a classifier: case, image, class, probabilities, ratings",
    table: "of a classifier: predictions.csv",
    networks: "of a classifier: how many were averaged",
  },
  writes: true,
  async run(context, options, asked) {
    if (await isDetectionRun(asked)) {
      const { in: input, out, use, threads, device } = options;
      const wrong = (["set", "mirror", "overlap", "maxMemory", "report"] as const).find(
        (key) => options[key] !== undefined,
      );
      if (wrong !== undefined)
        throw new ConfigError(
          `--${wrong === "maxMemory" ? "max-memory" : wrong}: ${asked} is a detection run; medvox detect predict has what it takes`,
        );
      refuseToOverwrite(out, context.force);
      return detectImages(context, await fasterRcnn.load(asked, { use, threads, device }), { in: input, out });
    }
    const task = await modelTask(asked);
    if (task === "classification") {
      if (options.maxMemory !== undefined)
        throw new ConfigError(`--max-memory: ${asked} is a classifier, which takes its image whole; leave it out`);
      return predictClasses(context, options, asked);
    }
    const run = task === "pretraining" ? await branchRun(asked, options.set) : asked;
    const { signal, progress, force } = context;
    const cases = await casesOf(options.in);
    const outputs = cases.map((item) => predictionPath(options.out, item));
    const twice = outputs.findIndex((path, i) => outputs.indexOf(path) < i);
    if (twice >= 0) {
      const [first] = cases.filter((_, i) => outputs[i] === outputs[twice]);
      throw new ConfigError(
        `${cases[twice].image}: would be written to ${outputs[twice]}, as ${first.image} would; give them names that differ`,
      );
    }
    const there = outputs.filter((path) => existsSync(path));
    if (there.length > 0 && !force)
      throw new ConfigError(`${there[0]}: exists already (${there.length} of ${outputs.length}); --force replaces it`);
    const segmenter = await openSegmenter(run, options);
    const done: Predicted[] = [];
    try {
      const { overlap, mirror } = options;
      // All of them before the first: a night's predictions do not end in the middle.
      if (options.maxMemory !== undefined)
        for (const item of cases) segmenter.memory(await readCaseSize(item), { overlap, mirror });
      await makeFolder(options.out);
      for (const [i, item] of cases.entries()) {
        const began = performance.now();
        let windows = 0;
        let networkMs = 0;
        const { volume, image } = await segmenter.segment(item, {
          overlap,
          mirror,
          signal,
          onWindow: (window, of, ms) => {
            windows++;
            if (window === of) networkMs += ms;
            progress.update({
              label: `predicting  ${i + 1}/${cases.length}  ${item.id}`,
              fraction: (i + window / of) / cases.length,
              details: [`window ${window}/${of}`],
            });
          },
        });
        await writeVolume(outputs[i], volume, { like: image.header, force, signal });
        const counts = countValues(volume.data);
        const voxels = Object.fromEntries(
          segmenter.plan.labels
            .filter(({ index }) => index !== 0)
            .map(({ index, name }) => [name, counts.get(index) ?? 0]),
        );
        done.push({
          case: item.id,
          image: item.image,
          prediction: outputs[i],
          voxels,
          seconds: (performance.now() - began) / 1000,
          windows,
          networkSeconds: networkMs / 1000,
        });
      }
    } finally {
      await segmenter.close();
      progress.clear();
    }
    const document = { task: "segmentation", run, predictions: done };
    if (options.report !== undefined)
      await writeFileAtomic(options.report, `${JSON.stringify(document, null, 2)}\n`, { force });
    return {
      document,
      text: done
        .map(
          ({ prediction, voxels }) =>
            `${prediction}  ${Object.entries(voxels)
              .map(([name, n]) => `${name} ${n}`)
              .join(" · ")} voxels`,
        )
        .join("\n"),
    };
  },
});

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
