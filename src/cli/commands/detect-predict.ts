/** `medvox detect predict`: boxes for pictures and volumes, from a run or from torchvision's weights. */
import { ConfigError } from "../../errors.ts";
import { fasterRcnn } from "../../rcnn/index.ts";
import { defineCommand } from "../command.ts";
import { type DetectOptions, detectedJson, detectImages } from "../detected-images.ts";
import { nameList } from "../detection-options.ts";
import { refuseToOverwrite } from "../outputs.ts";
import { decimal, sizes, wholeNumber } from "../values.ts";

interface Options extends DetectOptions {
  weights?: string;
  arch?: string;
  numClasses?: number;
  minSize?: number;
  maxSize?: number;
  names?: string[];
  normEpsilon?: number;
  use?: "last" | "best";
  max?: number;
  classes?: string[];
  tile?: number[];
  overlap?: number;
  threads?: number;
  device?: "cpu" | "webgpu" | "cuda";
}

const forWeights = ["arch", "numClasses", "minSize", "maxSize", "names", "normEpsilon"] as const;

export const command = defineCommand<Options, [string | undefined]>({
  configure: (command) =>
    command
      .argument("[run]", "a run's folder; not with --weights")
      .requiredOption("--in <path>", "a picture or volume, a folder of them, or a data set")
      .option("--out <folder>", "where detections.json, of volumes detections.csv, and pictures/ are written")
      .option("--no-pictures", "write no pictures")
      .option(
        "--score <least>",
        "only detections with a score above it (default 0.05; pictures show 0.5)",
        decimal({ min: 0, max: 1 }),
      )
      .option("--max <n>", "at most so many an image (default 100)", wholeNumber({ min: 1 }))
      .option("--classes <names>", "only these, e.g. RBC,WBC", nameList)
      .option("--use <which>", "weights of a run: last or best (default: as the run says)")
      .option("--weights <file>", "torchvision's weights instead of a run: .pth or .safetensors")
      .option("--arch <name>", "what they are of: fasterrcnn_resnet50_fpn")
      .option("--num-classes <n>", "as torchvision counts, with the background: 91 for COCO", wholeNumber({ min: 2 }))
      .option("--min-size <pixels>", "bring the short side to this (default 800)", wholeNumber({ min: 1 }))
      .option("--max-size <pixels>", "and the long side at most to this (default 1333)", wholeNumber({ min: 1 }))
      .option("--names <names>", "names of their classes, the background left out", nameList)
      .option(
        "--norm-epsilon <value>",
        "of the frozen norms (default 0 for files called …_coco…, else 1e-5)",
        decimal({ min: 0 }),
      )
      .option(
        "--tile <w,h,d>",
        "of volumes: most voxels that go through at once (default: twice those of training)",
        sizes(3),
      )
      .option(
        "--overlap <share>",
        "of volumes: what neighbouring tiles have in common (default 0.25)",
        decimal({ min: 0, max: 0.95 }),
      )
      .option("--threads <n>", "threads of the engine (default: all cores)", wholeNumber({ min: 1 }))
      .option("--device <name>", "cpu, webgpu or cuda (default cpu)"),
  examples: [
    "medvox detect predict runs/cells --in smears/ --out found --score 0.5",
    "medvox detect predict runs/nodules --in scan.nii.gz --out found --json",
    "medvox detect predict --weights fasterrcnn_resnet50_fpn_coco-258fb6c6.pth --arch fasterrcnn_resnet50_fpn --num-classes 91 --in street.jpg --json",
  ],
  details:
    "torchvision runs its COCO weights with an epsilon of 0 in all norms, and others with 1e-5; which one is taken follows the file's\nname, or what medvox import wrote into it.",
  json: detectedJson,
  writes: true,
  async run(context, options, run) {
    const { weights, arch, numClasses, minSize, maxSize, names, normEpsilon, use, ...rest } = options;
    if ((run === undefined) === (weights === undefined))
      throw new ConfigError("detect predict: name either a run or --weights FILE");
    if (options.out !== undefined) refuseToOverwrite(options.out, context.force);
    const { score, max, tile, overlap, classes, threads, device } = rest;
    const common = { score, max, tile, overlap, classes, threads, device };
    if (run !== undefined) {
      const wrong = forWeights.find((key) => options[key] !== undefined);
      if (wrong !== undefined)
        throw new ConfigError(
          `--${wrong.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}: is for --weights; a run knows its own`,
        );
      return detectImages(context, await fasterRcnn.load(run, { use, ...common }), rest);
    }
    if (use !== undefined) throw new ConfigError(`--use ${use}: is for runs`);
    if (arch === undefined || numClasses === undefined)
      throw new ConfigError(
        "--weights: needs --arch and --num-classes, too, e.g. --arch fasterrcnn_resnet50_fpn --num-classes 91",
      );
    const detector = await fasterRcnn.fromWeights({
      weights: weights!,
      arch,
      numClasses,
      minSize,
      maxSize,
      names,
      normEpsilon,
      ...common,
    });
    return detectImages(context, detector, rest);
  },
});
