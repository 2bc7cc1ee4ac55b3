/** The options that name torchvision's weights where a run could stand. */
import type { Command } from "commander";
import { ConfigError } from "../errors.ts";
import { type DetectorOpenOptions, type TorchvisionOptions, torchvisionDetector } from "../rcnn/index.ts";
import { flagOf } from "../train/index.ts";
import { numberText } from "./defaults.ts";
import { nameList } from "./detection-options.ts";
import { decimal, wholeNumber } from "./values.ts";

export interface TorchvisionChoice {
  weights?: string;
  arch?: string;
  numClasses?: number;
  minSize?: number;
  maxSize?: number;
  names?: string[];
  normEpsilon?: number;
}

/** What torchvision does where nothing is asked. */
const { input, backbone } = torchvisionDetector("fasterrcnn_resnet50_fpn", { numClasses: 91 });

export function addTorchvisionOptions(command: Command): Command {
  return command
    .option("--weights <file>", "torchvision's weights instead of a run: .pth or .safetensors")
    .option("--arch <name>", "what they are of: fasterrcnn_resnet50_fpn")
    .option("--num-classes <n>", "as torchvision counts, with the background: 91 for COCO", wholeNumber({ min: 2 }))
    .option(
      "--min-size <pixels>",
      `bring the short side to this (default ${input.minSide?.join()})`,
      wholeNumber({ min: 1 }),
    )
    .option(
      "--max-size <pixels>",
      `and the long side at most to this (default ${input.maxSide})`,
      wholeNumber({ min: 1 }),
    )
    .option("--names <names>", "names of their classes, the background left out", nameList)
    .option(
      "--norm-epsilon <value>",
      `of the frozen norms (default 0 for files called …_coco…, else ${numberText(backbone.normEpsilon)})`,
      decimal({ min: 0 }),
    );
}

/** @throws ConfigError naming the first of these options that was given */
function refuseOptions<T extends object>(options: T, keys: readonly (keyof T & string)[], why: string): void {
  const wrong = keys.find((key) => options[key] !== undefined);
  if (wrong !== undefined) throw new ConfigError(`${flagOf(wrong)}: ${why}`);
}

/** What only weights without a run need to be told. */
export const forWeights = ["arch", "numClasses", "minSize", "maxSize", "names", "normEpsilon"] as const;

/**
 * What must be known of weights; undefined where a run was named.
 * @throws ConfigError where it is neither or both, or half said
 */
export function torchvisionSource(
  name: string,
  run: string | undefined,
  { use, ...options }: TorchvisionChoice & { use?: "last" | "best" },
): Omit<TorchvisionOptions, keyof DetectorOpenOptions | "weights"> | undefined {
  const { weights, arch, numClasses, minSize, maxSize, names, normEpsilon } = options;
  if ((run === undefined) === (weights === undefined))
    throw new ConfigError(`${name}: name either a run or --weights FILE`);
  if (run !== undefined) {
    refuseOptions(options, forWeights, "is for --weights; a run knows its own");
    return undefined;
  }
  if (use !== undefined) throw new ConfigError(`--use ${use}: is for runs`);
  if (arch === undefined || numClasses === undefined)
    throw new ConfigError(
      "--weights: needs --arch and --num-classes, too, e.g. --arch fasterrcnn_resnet50_fpn --num-classes 91",
    );
  return { arch, numClasses, minSize, maxSize, names, normEpsilon };
}
