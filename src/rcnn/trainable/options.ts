/** From what `fasterRcnn.create` is told to a whole configuration: a preset, with any of the detector's settings laid over it. */
import { ConfigError } from "../../errors.ts";
import { type Optimizer, sgd } from "../../nn/index.ts";
import type { Engine, EngineOptions } from "../../runtime/index.ts";
import { type DetectorChanges, type DetectorConfig, laidOver, parseDetector } from "../network/config.ts";
import { type PresetName, preset } from "../network/presets.ts";
import { WEIGHT_DECAY_EXEMPT } from "../run/config.ts";

/** Parts of the detector's settings: keys that are left out are the preset's. */
/** The settings of a detector that a program may change, part by part. */
export type DetectorSections = Pick<
  DetectorChanges,
  "input" | "backbone" | "anchors" | "rpn" | "regions" | "detections"
>;

/** Where first values come from. */
export interface DetectorStartOptions {
  /** `.pth`, `.safetensors`, or a run's folder. */
  readonly from: string;
  /** `detector`: all that fits; `backbone`: a classifier or an encoder for the backbone alone. `detector` by default. */
  readonly into?: "detector" | "backbone";
}

/** How a detector is trained; a detector that is opened again may be told other things. */
export interface DetectorTrainingOptions {
  /** SGD with learning rate 0.005, momentum 0.9 and weight decay 1e-4 by default. */
  readonly optimizer?: Optimizer;
  /**
   * Parameters that stay as they are, by name: `/^backbone\.body\.(conv1|bn1|layer1)\./`. Batch norms whose names match use their running
   * statistics and leave them as they are.
   */
  readonly freeze?: RegExp;
  /** Joint norm above which gradients are scaled down; null for none. 10 by default. */
  readonly clipNorm?: number | null;
  /** Decides first values and all that is drawn. 0 by default. */
  readonly seed?: number;
  /** An engine of the caller's, which stays open, or options for one of its own. */
  readonly engine?: Engine | EngineOptions;
  /**
   * Images that fit are padded to this, x y (z), multiples of `input.divisor`: one program for many sizes. Volumes are looked at in tiles
   * twice as long. By default images are padded to the next multiple, and volumes go through whole.
   */
  readonly canvas?: readonly number[];
  /** Of volumes: most voxels along x, y, z that go through at once; twice the canvas by default. */
  readonly tile?: readonly number[];
  /** Of volumes: share of a tile that neighbours have in common; a quarter by default. */
  readonly overlap?: number;
}

/** What a new detector is made from. The sections `input`, `backbone`, … are laid over the preset, key by key. */
export interface CreateDetectorOptions extends DetectorTrainingOptions, DetectorSections {
  /** Names of the classes, without the background. Labels are places in this list, from 0. */
  readonly classes: readonly string[];
  /** 2 for pictures (default), 3 for volumes. */
  readonly axes?: 2 | 3;
  /** Channels of an image: 3 for pictures, 1 for volumes by default. */
  readonly channels?: number;
  /** `modern`: torchvision's settings (default); `paper`: Faster R-CNN as published, 2D only. */
  readonly preset?: PresetName;
  /** Sides grow at most by e^sideClamp in one regression. */
  readonly sideClamp?: number;
  /** Weights to begin with; random ones by default. */
  readonly start?: DetectorStartOptions;
}

/** Keys that are no setting of the network. */
const others = [
  "preset",
  "classes",
  "start",
  "optimizer",
  "freeze",
  "clipNorm",
  "seed",
  "engine",
  "canvas",
  "tile",
  "overlap",
];

/** The configuration that the options ask for. @throws ConfigError naming the key */
export function configOf(options: CreateDetectorOptions): DetectorConfig {
  const { classes, axes, channels, preset: name = "modern", backbone = {}, start } = options;
  if (!Array.isArray(classes) || classes.length === 0 || !classes.every((one) => typeof one === "string" && one !== ""))
    throw new ConfigError("detector: classes: must be a list of names, without the background");
  const twice = classes.find((one, i) => classes.indexOf(one) !== i);
  if (twice !== undefined) throw new ConfigError(`detector: classes: ${JSON.stringify(twice)} is named twice`);
  const usual = preset(name, {
    classes: classes.length + 1,
    axes,
    channels,
    depth: backbone.depth,
    backbone: backbone.kind === "resnet" || backbone.kind === "vgg16" ? backbone.kind : undefined,
    // Statistics that came with weights are kept; without weights there are none.
    norm: backbone.norm ?? (start === undefined ? "batch" : "frozen"),
  });
  const asked = Object.fromEntries(
    Object.entries(options).filter(([key, value]) => value !== undefined && !others.includes(key)),
  );
  return parseDetector(laidOver(usual, asked));
}

/** The optimizer, with what is frozen in front of its groups. */
export function optimizerOf({ optimizer, freeze }: DetectorTrainingOptions): Optimizer {
  const chosen =
    optimizer ??
    sgd({
      lr: 0.005,
      momentum: 0.9,
      weightDecay: 1e-4,
      groups: [{ match: WEIGHT_DECAY_EXEMPT, weightDecay: 0 }],
    });
  if (freeze === undefined) return chosen;
  return { ...chosen, groups: [{ match: freeze, frozen: true }, ...chosen.groups] };
}
