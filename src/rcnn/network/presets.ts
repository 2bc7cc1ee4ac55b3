/**
 * Two named sets of choices. `paper`: Faster R-CNN as published (Ren et al. 2015, arXiv 1506.01497; the authors' code where the
 * paper is silent). `modern`: torchvision's fasterrcnn_resnet50_fpn. Both in 2D, `modern` also in 3D, where nobody has published
 * one: sizes there are for lesions of 6 to 60 voxels (smaller ones want `stem` among the levels, at stride 2).
 */
import { ConfigError } from "../../errors.ts";
import { type DetectorConfig, type DetectorSettings, parseDetector } from "./config.ts";

export type PresetName = "modern" | "paper";

export interface PresetOptions {
  /** Background included. */
  readonly classes: number;
  readonly axes?: 2 | 3;
  /** 3 for pictures, 1 for volumes, by default. */
  readonly channels?: number;
  readonly depth?: 10 | 18 | 34 | 50 | 101 | 152 | 200;
  /** `paper` only: VGG-16 by default, or ResNet C4. */
  readonly backbone?: "vgg16" | "resnet";
  readonly norm?: "frozen" | "batch" | "group";
}

/** ImageNet's channels, RGB, 0 … 1. */
const IMAGENET = { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] };

/** A preset's configuration, to be spread and changed. @throws ConfigError for what it does not have */
export function preset(name: PresetName, options: PresetOptions): DetectorConfig {
  const { axes = 2, channels = axes === 2 ? 3 : 1 } = options;
  if (name === "paper" && axes === 3) throw new ConfigError("preset paper: is 2D; in 3D there is modern");
  const settings = name === "paper" ? paper(options) : axes === 2 ? modern(options) : modern3d(options);
  return parseDetector({ axes, channels, classes: options.classes, ...settings });
}

type Settings = Omit<DetectorSettings, "axes" | "channels" | "classes">;

function modern({ depth = 50, norm = "frozen", channels = 3 }: PresetOptions): Settings {
  return {
    input: { minSide: [800], maxSide: 1333, divisor: 32, ...(channels === 3 ? IMAGENET : {}) },
    backbone: { kind: "resnet", depth, norm, levels: ["layer1", "layer2", "layer3", "layer4"], pyramidChannels: 256 },
    anchors: { style: "torchvision", sizes: [[32], [64], [128], [256], [512]], ratios: [0.5, 1, 2] },
    rpn: {
      objectness: "sigmoid",
      dropBoundary: false,
      lossNormalisation: "sampled",
      training: { before: 2000, after: 2000 },
      inference: { before: 1000, after: 1000 },
    },
    regions: { pooling: "align", outputSize: [7, 7], head: "fc" },
    detections: {},
  };
}

function paper({ depth = 50, norm = "frozen", backbone = "vgg16", channels = 3 }: PresetOptions): Settings {
  const vgg = backbone === "vgg16";
  return {
    input: { minSide: [600], maxSide: 1000, divisor: 16, ...(channels === 3 ? IMAGENET : {}) },
    backbone: vgg
      ? { kind: "vgg16", levels: ["conv5"], pyramidChannels: null }
      : { kind: "resnet", depth, norm, levels: ["layer3"], pyramidChannels: null },
    anchors: { style: "paper", sizes: [[128, 256, 512]], ratios: [0.5, 1, 2] },
    rpn: {
      channels: 512,
      objectness: "softmax",
      dropBoundary: true,
      lossNormalisation: "paper",
      lambda: 10,
      smoothL1Beta: 1,
      training: { before: 12000, after: 2000 },
      inference: { before: 6000, after: 300 },
      minimumSide: 16,
    },
    regions: {
      pooling: "max",
      // layer4 halves its 14×14 to the 7×7 that the fully connected layers get at once.
      outputSize: vgg ? [7, 7] : [14, 14],
      head: vgg ? "fc" : "layer4",
      hidden: 4096,
      dropout: vgg ? 0.5 : 0,
      initialisation: "gaussian",
      sampleCount: 128,
      smoothL1Beta: 1,
    },
    detections: { suppressionOverlap: 0.3 },
  };
}

function modern3d({ depth = 18, norm = "batch" }: PresetOptions): Settings {
  return {
    input: { divisor: 32 },
    backbone: { kind: "resnet", depth, norm, levels: ["layer1", "layer2", "layer3", "layer4"], pyramidChannels: 128 },
    anchors: {
      style: "exact",
      sizes: [
        [6, 10],
        [14, 20],
        [28, 40],
        [56, 80],
        [112, 160],
      ],
      ratios: [1],
      depthRatios: [0.67, 1],
    },
    rpn: {
      objectness: "sigmoid",
      dropBoundary: false,
      positiveOverlap: 0.5,
      negativeOverlap: 0.2,
      lossNormalisation: "sampled",
      training: { before: 1000, after: 1000 },
      inference: { before: 1000, after: 300 },
      suppressionOverlap: 0.5,
      minimumSide: 1,
    },
    regions: {
      pooling: "align",
      outputSize: [5, 5, 5],
      canonicalSide: 32,
      canonicalLevel: 3,
      head: "fc",
      hidden: 512,
      positiveOverlap: 0.4,
      negativeOverlap: 0.4,
      sampleCount: 128,
    },
    detections: { suppressionOverlap: 0.2, minimumSide: 1 },
  };
}
