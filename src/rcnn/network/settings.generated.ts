/** The settings of a detector. Written by `npm run reference`; a test fails where it differs from the schema. */
import type { RegionHead } from "./head.ts";

/** The settings of a detector as they are given: what has a default may be left out. */
export interface DetectorSettings {
  /** 2 for pictures, 3 for volumes. */
  readonly axes: 2 | 3;
  /** Channels of an image. A whole number, above 0. */
  readonly channels: number;
  /** Classes, the background included. A whole number, at least 2. */
  readonly classes: number;
  /** How images come to the network. */
  readonly input: {
    /**
     * 2D: short sides to choose from in training; the last is used in inference. null: images as they are.
     * @default null
     */
    readonly minSide?: readonly number[] | null;
    /**
     * The long side is at most this. A whole number, above 0.
     * @default null
     */
    readonly maxSide?: number | null;
    /**
     * What is subtracted from each channel, in the units of the image (0 … 1 for pictures); empty: nothing.
     * @default []
     */
    readonly mean?: readonly number[];
    /**
     * What each channel is divided by after that; empty: nothing.
     * @default []
     */
    readonly deviation?: readonly number[];
    /**
     * Padded sizes are multiples of this. A whole number, above 0.
     * @default 32
     */
    readonly divisor?: number;
  };
  /** What makes feature maps of an image. */
  readonly backbone: {
    /** `resnet`: torchvision's, or in 3D MedicalNet's with stride 2 in every stage; `medicalnet`: stages 3 and 4 dilated, output at 1/8; `vgg16`: 2D only, without a pyramid. */
    readonly kind: "resnet" | "medicalnet" | "vgg16";
    /**
     * Layers of the ResNet.
     * @default 50
     */
    readonly depth?: 10 | 18 | 34 | 50 | 101 | 152 | 200;
    /**
     * Of the ResNets: channels of the first stage, a multiple of 4; all others are as much narrower. A whole number, a multiple of 4, above 0.
     * @default 64
     */
    readonly width?: number;
    /**
     * Shortcuts as MedicalNet's A or B; null: B, but as released for `medicalnet`.
     * @default null
     */
    readonly shortcut?: "A" | "B" | null;
    /**
     * `frozen`: batch norm with given statistics that nothing trains, as detectors use with ImageNet's weights.
     * @default "frozen"
     */
    readonly norm?: "frozen" | "batch" | "group";
    /**
     * Added to variances before the root. torchvision's COCO weights want 0. At least 0.
     * @default 0.00001
     */
    readonly normEpsilon?: number;
    /**
     * Of `norm: "group"`: into how many groups the channels fall; it divides the channels of every stage. A whole number, above 0.
     * @default 32
     */
    readonly normGroups?: number;
    /** Stages whose maps are used, finest first; one alone makes a detector without a pyramid. */
    readonly levels: readonly ("stem" | "layer1" | "layer2" | "layer3" | "layer4" | "conv5")[];
    /**
     * Channels of the feature pyramid; null: no pyramid. A whole number, above 0.
     * @default 256
     */
    readonly pyramidChannels?: number | null;
    /**
     * A coarser level above the pyramid that only the RPN looks at.
     * @default true
     */
    readonly extraLevel?: boolean;
  };
  /** The boxes that the first stage starts from, in voxels of the network's input. */
  readonly anchors: {
    /** How sides are rounded: `paper` as py-faster-rcnn does, `torchvision` corners to whole voxels around the cell's first corner, `exact` not at all, around the middle of the cell. */
    readonly style: "paper" | "torchvision" | "exact";
    /** For each level, finest first, the sides of its anchors: of a square (in 3D of the square in plane). As many lists as the RPN has levels, each with as many sides as the others. */
    readonly sizes: readonly (readonly number[])[];
    /** Height divided by width, at the same area. */
    readonly ratios: readonly number[];
    /**
     * Of volumes: depth divided by the side of the square.
     * @default [1]
     */
    readonly depthRatios?: readonly number[];
  };
  /** The first stage, which proposes regions. */
  readonly rpn: {
    /**
     * Channels of the 3-wide convolution; null: those of the maps. A whole number, above 0.
     * @default null
     */
    readonly channels?: number | null;
    /** Two-way softmax as in the paper, or a sigmoid. */
    readonly objectness: "softmax" | "sigmoid";
    /** Leave anchors that cross the image's edge out of training (paper §3.1.3). */
    readonly dropBoundary: boolean;
    /**
     * An anchor with at least this IoU with an object is positive. At least 0, at most 1.
     * @default 0.7
     */
    readonly positiveOverlap?: number;
    /**
     * An anchor with less IoU than this with every object is negative; those between are left out. At least 0, at most 1.
     * @default 0.3
     */
    readonly negativeOverlap?: number;
    /**
     * Anchors of an image that the loss is computed on. A whole number, above 0.
     * @default 256
     */
    readonly sampleCount?: number;
    /**
     * The largest share of them that may be positive. At least 0, at most 1.
     * @default 0.5
     */
    readonly positiveShare?: number;
    /**
     * What deltas are multiplied by: those of the middle, and those of the sides.
     * @default [1,1]
     */
    readonly coderWeights?: readonly [number, number];
    /** `paper`: 1/sampleCount · classification + λ/locations · regression, per image, averaged over images. `sampled`: both divided by how many anchors were sampled in the batch. */
    readonly lossNormalisation: "paper" | "sampled";
    /**
     * Weight of the regression's loss beside the classification's (the paper's λ). Above 0.
     * @default 1
     */
    readonly lambda?: number;
    /**
     * Where smooth L1 turns from a square into a line. At least 0.
     * @default 0.1111111111111111
     */
    readonly smoothL1Beta?: number;
    /** Proposals that training steps take. */
    readonly training: {
      /** How many of the best of each level are kept before suppression. A whole number, above 0. */
      readonly before: number;
      /** How many of the best of all levels are kept after it. A whole number, above 0. */
      readonly after: number;
    };
    /** Proposals that detection takes. */
    readonly inference: {
      /** How many of the best of each level are kept before suppression. A whole number, above 0. */
      readonly before: number;
      /** How many of the best of all levels are kept after it. A whole number, above 0. */
      readonly after: number;
    };
    /**
     * Of proposals with more IoU than this, the weaker one goes. At least 0, at most 1.
     * @default 0.7
     */
    readonly suppressionOverlap?: number;
    /**
     * Whether overlapping proposals are suppressed at all; off for an ablation.
     * @default true
     */
    readonly suppress?: boolean;
    /**
     * Shortest side of a proposal, in voxels of the network's input. At least 0.
     * @default 0.001
     */
    readonly minimumSide?: number;
    /**
     * Lowest objectness of a proposal. At least 0, at most 1.
     * @default 0
     */
    readonly minimumScore?: number;
  };
  /** The second stage, which tells classes and boxes of regions. */
  readonly regions: {
    /** RoIAlign, or max-pooling of quantised regions as in the paper (one level only). */
    readonly pooling: "align" | "max";
    /** Bins x y (z). */
    readonly outputSize: readonly number[];
    /**
     * Of `align`: samples along each axis of a bin; 0: as many as the bin is long. A whole number, at least 0.
     * @default 2
     */
    readonly samplingRatio?: number;
    /**
     * Of `align`: shift regions by half a cell, as later versions of RoIAlign do.
     * @default false
     */
    readonly aligned?: boolean;
    /**
     * A region with sides of `canonicalSide` is pooled from the level of stride 2^canonicalLevel. Above 0.
     * @default 224
     */
    readonly canonicalSide?: number;
    /**
     * The level for regions of `canonicalSide`, as the power of two of its stride. A whole number, at least 0.
     * @default 4
     */
    readonly canonicalLevel?: number;
    /** What stands between a pooled region and its scores: `fc`, two fully connected layers; `layer4`, the ResNet's layer4 (C4 detectors); in TypeScript also a function that builds the nodes of another one (`RegionHead`), which files call `custom`. */
    readonly head: "fc" | "layer4" | "custom" | RegionHead;
    /**
     * Of `fc`: width of both layers. A whole number, above 0.
     * @default 1024
     */
    readonly hidden?: number;
    /**
     * Of `fc`: share of values dropped behind each layer in training. At least 0.
     * @default 0
     */
    readonly dropout?: number;
    /**
     * `gaussian`: N(0, 0.01), and N(0, 0.001) for regression, as in the paper; `default`: PyTorch's.
     * @default "default"
     */
    readonly initialisation?: "default" | "gaussian";
    /**
     * One regression for all classes instead of one each.
     * @default false
     */
    readonly classAgnostic?: boolean;
    /**
     * A region with at least this IoU with an object is positive. At least 0, at most 1.
     * @default 0.5
     */
    readonly positiveOverlap?: number;
    /**
     * A region with less IoU than this with every object is negative; those between are left out. At least 0, at most 1.
     * @default 0.5
     */
    readonly negativeOverlap?: number;
    /**
     * Negatives overlap at least this much: 0.1 in Fast R-CNN. At least 0, at most 1.
     * @default 0
     */
    readonly lowestOverlap?: number;
    /**
     * Regions of an image that the loss is computed on. A whole number, above 0.
     * @default 512
     */
    readonly sampleCount?: number;
    /**
     * The largest share of them that may be positive. At least 0, at most 1.
     * @default 0.25
     */
    readonly positiveShare?: number;
    /**
     * Ground truth stands among the regions in training.
     * @default true
     */
    readonly appendTruth?: boolean;
    /**
     * What deltas are multiplied by: those of the middle, and those of the sides.
     * @default [10,5]
     */
    readonly coderWeights?: readonly [number, number];
    /**
     * Where smooth L1 turns from a square into a line. At least 0.
     * @default 0.1111111111111111
     */
    readonly smoothL1Beta?: number;
  };
  /** Which of its boxes are detections. */
  readonly detections: {
    /**
     * Only detections with a score above this. At least 0, at most 1.
     * @default 0.05
     */
    readonly minimumScore?: number;
    /**
     * Of detections of one class with more IoU than this, the weaker one goes. At least 0, at most 1.
     * @default 0.5
     */
    readonly suppressionOverlap?: number;
    /**
     * At most so many detections of an image. A whole number, above 0.
     * @default 100
     */
    readonly limit?: number;
    /**
     * Shortest side of a detection, in voxels of the network's input. At least 0.
     * @default 0.01
     */
    readonly minimumSide?: number;
    /**
     * Soft suppression: scores of overlapping boxes are lowered instead of dropping the boxes; null: they are dropped.
     * @default null
     */
    readonly soft?: {
      /** How the score falls with the overlap. */
      readonly method: "linear" | "gaussian";
      /**
       * Of `gaussian`: how slowly it falls. Above 0.
       * @default 0.5
       */
      readonly sigma?: number;
    } | null;
  };
  /**
   * Sides grow at most by e^clamp in one regression. Above 0.
   * @default 4.135166556742356
   */
  readonly sideClamp?: number;
}

/** The settings of a detector, whole. */
export interface DetectorConfig {
  /** 2 for pictures, 3 for volumes. */
  readonly axes: 2 | 3;
  /** Channels of an image. A whole number, above 0. */
  readonly channels: number;
  /** Classes, the background included. A whole number, at least 2. */
  readonly classes: number;
  /** How images come to the network. */
  readonly input: {
    /**
     * 2D: short sides to choose from in training; the last is used in inference. null: images as they are.
     * @default null
     */
    readonly minSide: readonly number[] | null;
    /**
     * The long side is at most this. A whole number, above 0.
     * @default null
     */
    readonly maxSide: number | null;
    /**
     * What is subtracted from each channel, in the units of the image (0 … 1 for pictures); empty: nothing.
     * @default []
     */
    readonly mean: readonly number[];
    /**
     * What each channel is divided by after that; empty: nothing.
     * @default []
     */
    readonly deviation: readonly number[];
    /**
     * Padded sizes are multiples of this. A whole number, above 0.
     * @default 32
     */
    readonly divisor: number;
  };
  /** What makes feature maps of an image. */
  readonly backbone: {
    /** `resnet`: torchvision's, or in 3D MedicalNet's with stride 2 in every stage; `medicalnet`: stages 3 and 4 dilated, output at 1/8; `vgg16`: 2D only, without a pyramid. */
    readonly kind: "resnet" | "medicalnet" | "vgg16";
    /**
     * Layers of the ResNet.
     * @default 50
     */
    readonly depth: 10 | 18 | 34 | 50 | 101 | 152 | 200;
    /**
     * Of the ResNets: channels of the first stage, a multiple of 4; all others are as much narrower. A whole number, a multiple of 4, above 0.
     * @default 64
     */
    readonly width: number;
    /**
     * Shortcuts as MedicalNet's A or B; null: B, but as released for `medicalnet`.
     * @default null
     */
    readonly shortcut: "A" | "B" | null;
    /**
     * `frozen`: batch norm with given statistics that nothing trains, as detectors use with ImageNet's weights.
     * @default "frozen"
     */
    readonly norm: "frozen" | "batch" | "group";
    /**
     * Added to variances before the root. torchvision's COCO weights want 0. At least 0.
     * @default 0.00001
     */
    readonly normEpsilon: number;
    /**
     * Of `norm: "group"`: into how many groups the channels fall; it divides the channels of every stage. A whole number, above 0.
     * @default 32
     */
    readonly normGroups: number;
    /** Stages whose maps are used, finest first; one alone makes a detector without a pyramid. */
    readonly levels: readonly ("stem" | "layer1" | "layer2" | "layer3" | "layer4" | "conv5")[];
    /**
     * Channels of the feature pyramid; null: no pyramid. A whole number, above 0.
     * @default 256
     */
    readonly pyramidChannels: number | null;
    /**
     * A coarser level above the pyramid that only the RPN looks at.
     * @default true
     */
    readonly extraLevel: boolean;
  };
  /** The boxes that the first stage starts from, in voxels of the network's input. */
  readonly anchors: {
    /** How sides are rounded: `paper` as py-faster-rcnn does, `torchvision` corners to whole voxels around the cell's first corner, `exact` not at all, around the middle of the cell. */
    readonly style: "paper" | "torchvision" | "exact";
    /** For each level, finest first, the sides of its anchors: of a square (in 3D of the square in plane). As many lists as the RPN has levels, each with as many sides as the others. */
    readonly sizes: readonly (readonly number[])[];
    /** Height divided by width, at the same area. */
    readonly ratios: readonly number[];
    /**
     * Of volumes: depth divided by the side of the square.
     * @default [1]
     */
    readonly depthRatios: readonly number[];
  };
  /** The first stage, which proposes regions. */
  readonly rpn: {
    /**
     * Channels of the 3-wide convolution; null: those of the maps. A whole number, above 0.
     * @default null
     */
    readonly channels: number | null;
    /** Two-way softmax as in the paper, or a sigmoid. */
    readonly objectness: "softmax" | "sigmoid";
    /** Leave anchors that cross the image's edge out of training (paper §3.1.3). */
    readonly dropBoundary: boolean;
    /**
     * An anchor with at least this IoU with an object is positive. At least 0, at most 1.
     * @default 0.7
     */
    readonly positiveOverlap: number;
    /**
     * An anchor with less IoU than this with every object is negative; those between are left out. At least 0, at most 1.
     * @default 0.3
     */
    readonly negativeOverlap: number;
    /**
     * Anchors of an image that the loss is computed on. A whole number, above 0.
     * @default 256
     */
    readonly sampleCount: number;
    /**
     * The largest share of them that may be positive. At least 0, at most 1.
     * @default 0.5
     */
    readonly positiveShare: number;
    /**
     * What deltas are multiplied by: those of the middle, and those of the sides.
     * @default [1,1]
     */
    readonly coderWeights: readonly [number, number];
    /** `paper`: 1/sampleCount · classification + λ/locations · regression, per image, averaged over images. `sampled`: both divided by how many anchors were sampled in the batch. */
    readonly lossNormalisation: "paper" | "sampled";
    /**
     * Weight of the regression's loss beside the classification's (the paper's λ). Above 0.
     * @default 1
     */
    readonly lambda: number;
    /**
     * Where smooth L1 turns from a square into a line. At least 0.
     * @default 0.1111111111111111
     */
    readonly smoothL1Beta: number;
    /** Proposals that training steps take. */
    readonly training: {
      /** How many of the best of each level are kept before suppression. A whole number, above 0. */
      readonly before: number;
      /** How many of the best of all levels are kept after it. A whole number, above 0. */
      readonly after: number;
    };
    /** Proposals that detection takes. */
    readonly inference: {
      /** How many of the best of each level are kept before suppression. A whole number, above 0. */
      readonly before: number;
      /** How many of the best of all levels are kept after it. A whole number, above 0. */
      readonly after: number;
    };
    /**
     * Of proposals with more IoU than this, the weaker one goes. At least 0, at most 1.
     * @default 0.7
     */
    readonly suppressionOverlap: number;
    /**
     * Whether overlapping proposals are suppressed at all; off for an ablation.
     * @default true
     */
    readonly suppress: boolean;
    /**
     * Shortest side of a proposal, in voxels of the network's input. At least 0.
     * @default 0.001
     */
    readonly minimumSide: number;
    /**
     * Lowest objectness of a proposal. At least 0, at most 1.
     * @default 0
     */
    readonly minimumScore: number;
  };
  /** The second stage, which tells classes and boxes of regions. */
  readonly regions: {
    /** RoIAlign, or max-pooling of quantised regions as in the paper (one level only). */
    readonly pooling: "align" | "max";
    /** Bins x y (z). */
    readonly outputSize: readonly number[];
    /**
     * Of `align`: samples along each axis of a bin; 0: as many as the bin is long. A whole number, at least 0.
     * @default 2
     */
    readonly samplingRatio: number;
    /**
     * Of `align`: shift regions by half a cell, as later versions of RoIAlign do.
     * @default false
     */
    readonly aligned: boolean;
    /**
     * A region with sides of `canonicalSide` is pooled from the level of stride 2^canonicalLevel. Above 0.
     * @default 224
     */
    readonly canonicalSide: number;
    /**
     * The level for regions of `canonicalSide`, as the power of two of its stride. A whole number, at least 0.
     * @default 4
     */
    readonly canonicalLevel: number;
    /** What stands between a pooled region and its scores: `fc`, two fully connected layers; `layer4`, the ResNet's layer4 (C4 detectors); in TypeScript also a function that builds the nodes of another one (`RegionHead`), which files call `custom`. */
    readonly head: "fc" | "layer4" | "custom" | RegionHead;
    /**
     * Of `fc`: width of both layers. A whole number, above 0.
     * @default 1024
     */
    readonly hidden: number;
    /**
     * Of `fc`: share of values dropped behind each layer in training. At least 0.
     * @default 0
     */
    readonly dropout: number;
    /**
     * `gaussian`: N(0, 0.01), and N(0, 0.001) for regression, as in the paper; `default`: PyTorch's.
     * @default "default"
     */
    readonly initialisation: "default" | "gaussian";
    /**
     * One regression for all classes instead of one each.
     * @default false
     */
    readonly classAgnostic: boolean;
    /**
     * A region with at least this IoU with an object is positive. At least 0, at most 1.
     * @default 0.5
     */
    readonly positiveOverlap: number;
    /**
     * A region with less IoU than this with every object is negative; those between are left out. At least 0, at most 1.
     * @default 0.5
     */
    readonly negativeOverlap: number;
    /**
     * Negatives overlap at least this much: 0.1 in Fast R-CNN. At least 0, at most 1.
     * @default 0
     */
    readonly lowestOverlap: number;
    /**
     * Regions of an image that the loss is computed on. A whole number, above 0.
     * @default 512
     */
    readonly sampleCount: number;
    /**
     * The largest share of them that may be positive. At least 0, at most 1.
     * @default 0.25
     */
    readonly positiveShare: number;
    /**
     * Ground truth stands among the regions in training.
     * @default true
     */
    readonly appendTruth: boolean;
    /**
     * What deltas are multiplied by: those of the middle, and those of the sides.
     * @default [10,5]
     */
    readonly coderWeights: readonly [number, number];
    /**
     * Where smooth L1 turns from a square into a line. At least 0.
     * @default 0.1111111111111111
     */
    readonly smoothL1Beta: number;
  };
  /** Which of its boxes are detections. */
  readonly detections: {
    /**
     * Only detections with a score above this. At least 0, at most 1.
     * @default 0.05
     */
    readonly minimumScore: number;
    /**
     * Of detections of one class with more IoU than this, the weaker one goes. At least 0, at most 1.
     * @default 0.5
     */
    readonly suppressionOverlap: number;
    /**
     * At most so many detections of an image. A whole number, above 0.
     * @default 100
     */
    readonly limit: number;
    /**
     * Shortest side of a detection, in voxels of the network's input. At least 0.
     * @default 0.01
     */
    readonly minimumSide: number;
    /**
     * Soft suppression: scores of overlapping boxes are lowered instead of dropping the boxes; null: they are dropped.
     * @default null
     */
    readonly soft: {
      /** How the score falls with the overlap. */
      readonly method: "linear" | "gaussian";
      /**
       * Of `gaussian`: how slowly it falls. Above 0.
       * @default 0.5
       */
      readonly sigma: number;
    } | null;
  };
  /**
   * Sides grow at most by e^clamp in one regression. Above 0.
   * @default 4.135166556742356
   */
  readonly sideClamp: number;
}
