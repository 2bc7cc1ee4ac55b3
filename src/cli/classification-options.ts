/** The options that `train classification`, `transfer classification` and `transfer nodule` have in common. */
import { type Command, InvalidArgumentError } from "commander";
import { type ClassificationRequest, usualBatch } from "../med3d/index.ts";
import { encoderNames } from "../nn/index.ts";
import { nameOf } from "../text/index.ts";
import { archOf, augmentationNames } from "./segmentation-options.ts";
import { addComputeOptions, addRunOptions, requestOf, type TrainingOptions } from "./training-options.ts";
import { decimal, decimals, lowHigh, sizes, wholeNumber } from "./values.ts";

export interface ClassificationOptions extends TrainingOptions {
  label?: string;
  group?: string;
  positive?: number[];
  negative?: number[];
  target?: ClassificationRequest["target"];
  auxiliary?: string[];
  auxiliaryWeight?: number;
  arch?: string;
  width?: number;
  stages?: ClassificationRequest["stages"];
  mask?: boolean;
  pooling?: ClassificationRequest["pooling"];
  loss?: ClassificationRequest["loss"];
  optimizer?: ClassificationRequest["optimizer"];
  patch?: [number, number, number];
  plan?: string;
  dropout?: number;
  folds?: number;
  seeds?: number;
  freeze?: boolean;
  newLayerRate?: number;
}

export function addClassificationOptions(command: Command): Command {
  addRunOptions(
    command.option("--data <path>", "a folder with labels.csv, or a CSV, TSV or JSON list of images and their labels"),
  )
    .option("--label <column>", "the label's column (default: label, rating, malignancy or class)")
    .option("--group <column>", "the patient's column; a patient's cases stay together (default: group or patient)")
    .option("--positive <ratings>", "ratings that are positive, e.g. 4,5 (default 4,5)", ratings)
    .option("--negative <ratings>", "ratings that are negative, e.g. 1,2 (default: the rest)", ratings)
    .option("--target <what>", "class, or rating: learn the rating itself, and let any rule make classes of it")
    .option("--auxiliary <columns>", "columns of numbers to learn beside the label, e.g. margin,diameter", columns)
    .option("--auxiliary-weight <factor>", "what they count beside the label", decimal({ min: 0 }))
    .option("--arch <name>", encoderNames.join(", "))
    .option(
      "--width <channels>",
      "of the encoder's first stage, a multiple of 4; fewer make all layers narrower",
      wholeNumber({ min: 4 }),
    )
    .option("--stages <n>", "stages of the encoder that are used, 1 to 4", wholeNumber({ min: 1, max: 4 }))
    .option("--mask", "give the network the mask of the lesion as a further channel")
    .option("--pooling <what>", "global, or mask: features' mean under the mask as well")
    .option("--loss <name>", "crossEntropy, binaryCrossEntropy or focal")
    .option("--optimizer <name>", "adamW, adam or sgd")
    .option("--epochs <n>", "passes over the training cases", wholeNumber({ min: 1 }))
    .option("--batch <n>", `cases a step (default: from the plan, ${usualBatch} as a rule)`, wholeNumber({ min: 1 }))
    .option("--patch <d,h,w>", "what is cut from the middle, multiples of 8 (default: from the plan)", sizes(3))
    .option("--plan <file>", "a plan that medvox plan wrote: it decides spacing, intensities, patch and batch")
    .option("--spacing <x,y,z>", "voxel size in mm (default: the data set's median)", decimals(3))
    .option("--window <low,high>", "CT window in HU, e.g. --window=-1000,400 (default: from the plan)", lowHigh)
    .option("--lr <rate>", "learning rate", decimal({ min: 0 }))
    .option("--augmentation <preset>", augmentationNames)
    .option("--dropout <share>", "share of the pooled features dropped in training", decimal({ min: 0, max: 0.95 }))
    .option(
      "--folds <k>",
      "cross-validation: every case is scored by a network that never saw it",
      wholeNumber({ min: 2 }),
    )
    .option("--seeds <n>", "networks whose probabilities are averaged", wholeNumber({ min: 1 }))
    .option("--held-out <n>", "cases kept for the final score, a number or a share", decimal({ min: 0 }))
    .option("--validation <n>", "training cases watched during training", decimal({ min: 0 }));
  return addComputeOptions(command)
    .option("--from <weights>", "weights or a run to start from, or none")
    .option("--freeze", "leave the encoder's weights as they are")
    .option("--new-layer-rate <factor>", "factor on the learning rate of the new layer", decimal({ min: 0 }));
}

/** What the options and the configuration file ask for; `usual` is what the command itself would have. */
export async function classificationRequest(
  options: ClassificationOptions,
  usual: (from: string | null | undefined) => Partial<ClassificationRequest> = () => ({}),
): Promise<ClassificationRequest> {
  return requestOf<ClassificationRequest>(options, {
    data: "name a list of cases, e.g. --data labels.csv",
    keys: () => ({
      labelColumn: options.label,
      groupColumn: options.group,
      positive: options.positive,
      negative: options.negative,
      target: options.target,
      auxiliary: options.auxiliary,
      auxiliaryWeight: options.auxiliaryWeight,
      ...(options.arch === undefined ? {} : archOf(options.arch)),
      width: options.width,
      stages: options.stages,
      mask: options.mask,
      pooling: options.pooling,
      loss: options.loss,
      optimizer: options.optimizer,
      patch: options.patch,
      plan: options.plan,
      dropout: options.dropout,
      folds: options.folds,
      seeds: options.seeds,
      freeze: options.freeze,
      newLayerRate: options.newLayerRate,
    }),
    usual,
  });
}

/** The folder of a run that nobody named. */
export function runFolderOf({ data }: ClassificationRequest): string {
  return `runs/${nameOf(data.replace(/[\\/]labels\.(csv|tsv|json)$/i, ""))}`;
}

/** Whole numbers separated by commas. */
export function ratings(text: string): number[] {
  const values = text.split(",").map((part) => (/^\s*-?\d+\s*$/.test(part) ? Number(part) : Number.NaN));
  if (!values.every(Number.isSafeInteger))
    throw new InvalidArgumentError("must be whole numbers separated by commas, e.g. 4,5");
  return values;
}

function columns(text: string): string[] {
  const names = text.split(",").map((part) => part.trim());
  if (names.includes("")) throw new InvalidArgumentError("must be names of columns separated by commas");
  return names;
}
