/** What the commands that train a segmentation have in common: options, and the request they make. */
import type { Command } from "commander";
import { augmentationPresets } from "../augment/index.ts";
import { openDataset, readSplitsFile } from "../data/index.ts";
import { ConfigError } from "../errors.ts";
import { readVolumeHeader } from "../files/index.ts";
import type { SegmentationRequest } from "../med3d/index.ts";
import { type EncoderArchitecture, encoderNames, parseArchitecture } from "../nn/index.ts";
import { nameOf } from "../text/index.ts";
import { addComputeOptions, addRunOptions, requestOf, type TrainingOptions } from "./training-options.ts";
import {
  decimal,
  decimals,
  type KeptComponents,
  keptComponents,
  keptComponentsHelp,
  lowHigh,
  sizes,
  wholeNumber,
} from "./values.ts";

export interface SegmentationOptions extends TrainingOptions {
  arch?: string;
  width?: number;
  mirror?: boolean;
  deepSupervision?: boolean;
  decoder?: SegmentationRequest["decoder"];
  loss?: SegmentationRequest["loss"];
  optimizer?: SegmentationRequest["optimizer"];
  patch?: string;
  freeze?: boolean;
  newLayerRate?: number;
  intensity?: SegmentationRequest["intensity"];
  keepLargest?: KeptComponents;
  trainCases?: number;
  plan?: string;
  folds?: number;
  splits?: string;
  fold?: number | "all";
}

/** The presets of `--augmentation`, as help names them. */
export const augmentationNames = Object.keys(augmentationPresets).join(", ");

export function addSegmentationOptions(command: Command): Command {
  addRunOptions(
    command.option(
      "--data <path>",
      "data set: a folder with dataset.json, imagesTr/labelsTr or images/labels, or a CSV/JSON list",
    ),
  )
    .option("--arch <name>", encoderNames.join(", "))
    .option(
      "--width <channels>",
      "of the encoder's first stage, a multiple of 4; fewer make all layers narrower",
      wholeNumber({ min: 4 }),
    )
    .option("--decoder <kind>", "skip, upsampling, convSeg, transposed or denseAspp")
    .option(
      "--deep-supervision",
      "of the skip decoder: in training, count losses at 1/2 and 1/4 of the resolution, too",
    )
    .option("--loss <name>", "diceCrossEntropy, crossEntropy, dice or focal")
    .option("--optimizer <name>", "adamW, adam or sgd")
    .option("--epochs <n>", "passes over the training cases", wholeNumber({ min: 1 }))
    .option("--batch <n>", "patches a step (default: from the plan)", wholeNumber({ min: 1 }))
    .option("--patch <d,h,w>", "patch size, multiples of 8 (default: from the plan)")
    .option("--lr <rate>", "learning rate", decimal({ min: 0 }))
    .option("--augmentation <preset>", augmentationNames)
    .option("--mirror", "in training, mirror along all axes, as nnU-Net does (default: what the augmentation says)")
    .option("--held-out <n>", "cases kept for the final score, a number or a share", decimal({ min: 0 }))
    .option("--validation <n>", "training cases watched during training", decimal({ min: 0 }))
    .option("--plan <file>", "a plan that medvox plan wrote: spacing, intensities, patch and batch")
    .option("--spacing <x,y,z>", "voxel size in mm (default: the data set's median)", decimals(3))
    .option(
      "--window <low,high>",
      "CT window in HU, scaled to 0–1, e.g. --window=-200,250 (default: from the plan)",
      lowHigh,
    )
    .option("--intensity <scheme>", "plan, percentile (the paper's), medicalnet or none")
    .option("--keep-largest <which>", keptComponentsHelp, keptComponents)
    .option(
      "--folds <k>",
      "cross-validation: k networks, each of which never saw its part of the cases",
      wholeNumber({ min: 2 }),
    )
    .option(
      "--splits <file>",
      "cross-validation by the folds of an nnU-Net splits_final.json, as many as it has; its fold 0 is fold-1 here",
    )
    .option(
      "--fold <n>",
      "of --folds or --splits, train this network alone, 1 to k, or all that are not trained yet; each may be begun by another machine",
      foldNumber,
    )
    .option("--train-cases <n>", "train on so many cases only, a number or a share", decimal({ min: 0 }));
  return addComputeOptions(command)
    .option("--from <weights>", "weights (.safetensors, .pth) or a run to start from, or none")
    .option("--freeze", "leave the encoder as it is")
    .option(
      "--new-layer-rate <factor>",
      "factor on the learning rate of what stands on the encoder",
      decimal({ min: 0 }),
    );
}

function foldNumber(text: string): number | "all" {
  return text === "all" ? text : wholeNumber({ min: 1 })(text);
}

/** The members of a run that `--fold` names. @throws ConfigError where there are no folds, or not so many */
export function foldsOf(
  { fold }: Pick<SegmentationOptions, "fold">,
  asked: Pick<SegmentationRequest, "folds" | "splits">,
): readonly string[] | undefined {
  if (fold === undefined) return undefined;
  const folds = asked.splits == null ? asked.folds : readSplitsFile(asked.splits).length;
  if (folds == null) throw new ConfigError(`--fold ${fold}: needs --folds, the number of networks, e.g. --folds 5`);
  if (fold !== "all" && fold > folds) throw new ConfigError(`--fold ${fold}: there are ${folds}`);
  return fold === "all" ? Array.from({ length: folds }, (_, i) => `fold-${i + 1}`) : [`fold-${fold}`];
}

/** What the options and the configuration file ask for; `usual` is what the command itself would have. */
export async function segmentationRequest(
  options: SegmentationOptions,
  usual: (from: string | null | undefined) => Partial<SegmentationRequest> = () => ({}),
): Promise<SegmentationRequest> {
  return requestOf<SegmentationRequest>(options, {
    data: "name a data set, e.g. --data Task04_Hippocampus",
    keys: async (data) => ({
      ...(options.arch === undefined ? {} : archOf(options.arch)),
      width: options.width,
      mirror: options.mirror,
      deepSupervision: options.deepSupervision,
      decoder: options.decoder,
      loss: options.loss,
      optimizer: options.optimizer,
      patch: options.patch === undefined ? undefined : await patchOf(options.patch, data),
      freeze: options.freeze,
      newLayerRate: options.newLayerRate,
      intensity: options.intensity,
      keepLargest: options.keepLargest,
      trainCases: options.trainCases,
      plan: options.plan,
      folds: options.folds,
      splits: options.splits,
    }),
    usual,
  });
}

/** The keys that an architecture's name stands for. */
export function archOf(arch: string): EncoderArchitecture {
  try {
    return parseArchitecture(arch);
  } catch (error) {
    throw new ConfigError(`--arch ${(error as Error).message}`);
  }
}

async function patchOf(text: string, data: string): Promise<[number, number, number]> {
  try {
    return sizes(3)(text) as [number, number, number];
  } catch {
    const shape = await medianShape(data).catch(() => undefined);
    const about = shape === undefined ? nameOf(data) : `${nameOf(data)}, median shape ${shape.join("×")}`;
    throw new ConfigError(`--patch ${text}: a 3D set needs three sizes, e.g. 48,64,48 (${about})`);
  }
}

/** Along x, y, z, from the headers alone. */
async function medianShape(data: string): Promise<number[]> {
  const { cases } = await openDataset(data);
  const sizes = await Promise.all(cases.map(async ({ image }) => (await readVolumeHeader(image)).size));
  return [0, 1, 2].map((axis) => sizes.map((size) => size[axis]).sort((a, b) => a - b)[sizes.length >> 1]);
}
