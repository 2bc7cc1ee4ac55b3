/** `medvox detect predict`: boxes for pictures and volumes, from a run or from torchvision's weights. */
import { Option } from "commander";
import { detection, TILE_OVERLAP, torchvisionDetector } from "../../rcnn/index.ts";
import { openForPrediction } from "../../tasks.ts";
import { defineCommand } from "../command.ts";
import { nameList } from "../detection-options.ts";
import { inputPath, predict, predictionJson } from "../prediction.ts";
import {
  addTorchvisionOptions,
  forWeights,
  type TorchvisionChoice,
  torchvisionSource,
} from "../torchvision-options.ts";
import { decimal, deviceHelp, sizes, whichDevice, whichWeights, wholeNumber } from "../values.ts";

interface Options extends TorchvisionChoice {
  in: string;
  out?: string;
  pictures?: boolean;
  score?: number;
  use?: "last" | "best";
  max?: number;
  classes?: string[];
  tile?: number[];
  overlap?: number;
  threads?: number;
  device?: "cpu" | "webgpu" | "cuda";
  strict?: boolean;
  repair?: boolean;
  format?: "sr";
}

/** Runs and torchvision's detectors agree on what is found where nothing is asked. */
const usual = torchvisionDetector("fasterrcnn_resnet50_fpn", { numClasses: 91 }).detections;

export const command = defineCommand<Options, [string | undefined]>({
  configure: (command) =>
    addTorchvisionOptions(
      command
        .argument("[run]", "a run's folder; not with --weights")
        .requiredOption("--in <path>", "a picture or volume, a folder of them, or a data set")
        .option("--out <folder>", "where detections.json, of volumes detections.csv, and pictures/ are written")
        .option("--no-pictures", "write no pictures")
        .option(
          "--score <least>",
          `only detections with a score above it (default ${usual.minimumScore}; pictures show 0.5)`,
          decimal({ min: 0, max: 1 }),
        )
        .option("--max <n>", `at most so many an image (default ${usual.limit})`, wholeNumber({ min: 1 }))
        .option("--classes <names>", "only these, e.g. RBC,WBC", nameList)
        .option("--use <which>", "weights of a run: last or best (default: as the run says)", whichWeights),
    )
      .option(
        "--tile <w,h,d>",
        "of volumes: most voxels that go through at once (default: twice those of training)",
        sizes(3),
      )
      .option(
        "--overlap <share>",
        `of volumes: what neighbouring tiles have in common (default ${TILE_OVERLAP})`,
        decimal({ min: 0, max: 0.95 }),
      )
      .option("--threads <n>", "threads of the engine (default: all cores)", wholeNumber({ min: 1 }))
      .option("--device <name>", `${deviceHelp} (default cpu)`, whichDevice)
      .addOption(
        new Option("--format <kind>", "sr: also CASE.dcm, a DICOM report (TID 1500), of each DICOM image").choices([
          "sr",
        ]),
      )
      .option("--repair", "of DICOM: resample slices that make no regular volume (gaps, tilt) instead of refusing them")
      .option("--strict", "refuse to begin where a file has to be left out"),
  examples: [
    "medvox detect predict runs/cells --in smears/ --out found --score 0.5",
    "medvox detect predict runs/nodules --in scan.nii.gz --out found --json",
    "medvox detect predict --weights fasterrcnn_resnet50_fpn_coco-258fb6c6.pth --arch fasterrcnn_resnet50_fpn --num-classes 91 --in street.jpg --json",
  ],
  details:
    "torchvision runs its COCO weights with an epsilon of 0 in all norms, and others with 1e-5; which one is taken follows the file's\nname, or what medvox import wrote into it.",
  json: predictionJson,
  writes: true,
  async run(context, options, run) {
    const settings = torchvisionSource("detect predict", run, options);
    const opened =
      settings === undefined
        ? await openForPrediction(run!, options.use)
        : { task: detection, source: { weights: options.weights!, settings }, path: options.weights! };
    const asked = Object.fromEntries(
      Object.entries(options).filter(
        ([key]) =>
          key !== "use" && key !== "repair" && key !== "weights" && !(forWeights as readonly string[]).includes(key),
      ),
    );
    return predict(context, opened, { ...asked, in: inputPath(options.in, options.repair) });
  },
});
