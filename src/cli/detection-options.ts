/** The options of `detect train`, and what they ask for. */
import { type Command, InvalidArgumentError } from "commander";
import { augmentationPresets, pictureAugmentations } from "../augment/index.ts";
import type { DetectionRequest } from "../rcnn/index.ts";
import { addComputeOptions, addRunOptions, requestOf, type TrainingOptions } from "./training-options.ts";
import { decimal, decimals, lowHigh, wholeNumber } from "./values.ts";

export interface DetectionOptions extends TrainingOptions {
  images?: string;
  classes?: string[];
  preset?: DetectionRequest["preset"];
  arch?: Pick<DetectionRequest, "network" | "depth">;
  norm?: DetectionRequest["norm"];
  minSize?: number;
  maxSize?: number;
  canvas?: number[];
  anchors?: number[][];
  schedule?: DetectionRequest["schedule"];
  phaseEpochs?: [number, number, number, number];
  optimizer?: DetectionRequest["optimizer"];
  backbone?: string;
  trainableStages?: number;
}

const pictureNames = Object.keys(pictureAugmentations).join(", ");
/** Boxes cannot follow an elastic deformation. */
const volumeNames = Object.entries(augmentationPresets)
  .filter(([, { elastic }]) => elastic === undefined)
  .map(([name]) => name)
  .join(", ");

export function addDetectionOptions(command: Command): Command {
  addRunOptions(
    command.option(
      "--data <path>",
      "a folder or file: Pascal VOC, COCO, YOLO; of volumes a CSV of findings or label maps",
    ),
  )
    .option("--images <folder>", "where the pictures or volumes are, if not beside their annotations")
    .option("--classes <names>", "the classes that are wanted, e.g. RBC,WBC (default: all there are)", nameList)
    .option("--preset <name>", "modern (torchvision's settings) or paper (as published, 2D)")
    .option("--arch <name>", "resnet10 to resnet200, or vgg16 (default: the preset's)", networkOf)
    .option("--norm <kind>", "frozen, batch or group (default: frozen with weights to start from, else batch)")
    .option(
      "--min-size <pixels>",
      "bring pictures' short side to this (default: the preset's)",
      wholeNumber({ min: 1 }),
    )
    .option("--max-size <pixels>", "and their long side at most to this", wholeNumber({ min: 1 }))
    .option(
      "--canvas <w,h[,d]>",
      "size of a step's images (default: what holds all pictures; 96,96,64 voxels)",
      canvasOf,
    )
    .option("--anchors <sides>", "sides of anchors by level, e.g. 16/32/64/128/256 or 8,12/16,24/…", anchorsOf)
    .option("--spacing <x,y,z>", "of volumes: voxel size in mm (default: as scanned)", decimals(3))
    .option("--window <low,high>", "of volumes: CT window in HU, e.g. --window=-1000,400", lowHigh)
    .option(
      "--augmentation <preset>",
      `of pictures ${pictureNames}; of volumes ${volumeNames} (default: flip for pictures, lesion for volumes)`,
    )
    .option("--schedule <kind>", "joint: both stages at once, or alternating: the paper's four steps")
    .option("--optimizer <name>", "sgd or adamW")
    .option("--lr <rate>", "learning rate", decimal({ min: 0 }))
    .option("--epochs <n>", "passes over the training images, in each of four steps", wholeNumber({ min: 1 }))
    .option("--phase-epochs <list>", "epochs of each of the four alternating steps, e.g. 20,20,10,10", phaseEpochsOf)
    .option("--batch <n>", "images a step", wholeNumber({ min: 1 }))
    .option(
      "--held-out <n>",
      "images kept for the score, a number or a share (default: the data set's own list)",
      decimal({ min: 0 }),
    )
    .option(
      "--validation <n>",
      "training images watched during training (default: its own list, or 0.1)",
      decimal({ min: 0 }),
    );
  return addComputeOptions(command)
    .option("--from <weights>", "a detector's weights or run to start from; what is for other classes stays new")
    .option("--backbone <weights>", "weights or a run for the backbone alone, e.g. of medvox pretrain")
    .option(
      "--trainable-stages <n>",
      "how many of the backbone's five stages learn, from its end (default 3 with weights to start from, else 5)",
      wholeNumber({ min: 0, max: 5 }),
    );
}

/** What the options and the configuration file ask for. */
export async function detectionRequest(options: DetectionOptions): Promise<DetectionRequest> {
  return requestOf<DetectionRequest>(options, {
    data: "name a data set with boxes, e.g. --data BCCD",
    keys: () => ({
      images: options.images,
      classes: options.classes,
      preset: options.preset,
      ...options.arch,
      norm: options.norm,
      minSide: options.minSize,
      maxSide: options.maxSize,
      canvas: options.canvas,
      anchorSizes: options.anchors,
      schedule: options.schedule,
      optimizer: options.optimizer,
      phaseEpochs: options.phaseEpochs,
      backbone: options.backbone,
      trainableStages: options.trainableStages,
    }),
  });
}

/** Names separated by commas. */
export function nameList(text: string): string[] {
  const names = text.split(",").map((name) => name.trim());
  if (names.includes("")) throw new InvalidArgumentError("must be names separated by commas");
  return names;
}

function networkOf(text: string): Pick<DetectionRequest, "network" | "depth"> {
  if (text === "vgg16") return { network: "vgg16" };
  const depth = Number(/^resnet(10|18|34|50|101|152|200)$/.exec(text)?.[1]);
  if (Number.isNaN(depth)) throw new InvalidArgumentError("must be vgg16 or resnet10, 18, 34, 50, 101, 152, 200");
  return { network: "resnet", depth: depth as 18 };
}

/** `320,256` or `96,96,64`. */
export function canvasOf(text: string): number[] {
  const sizes = text.split(",").map((part) => (/^\s*\d+\s*$/.test(part) ? Number(part) : 0));
  if (sizes.length < 2 || sizes.length > 3 || sizes.includes(0))
    throw new InvalidArgumentError("must be width,height or width,height,depth, e.g. 320,256");
  return sizes;
}

function phaseEpochsOf(text: string): [number, number, number, number] {
  const epochs = text.split(",").map((part) => (/^\s*\d+\s*$/.test(part) ? Number(part) : 0));
  if (epochs.length !== 4 || epochs.includes(0))
    throw new InvalidArgumentError("must be four numbers above 0, one for each step, e.g. 20,20,10,10");
  return epochs as [number, number, number, number];
}

function anchorsOf(text: string): number[][] {
  const levels = text
    .split("/")
    .map((level) => level.split(",").map((side) => (side.trim() === "" ? 0 : Number(side))));
  if (!levels.every((level) => level.every((side) => side > 0)))
    throw new InvalidArgumentError("must be numbers above 0, levels separated by /, e.g. 16/32/64/128/256");
  return levels;
}
