/**
 * The architecture: which folder may import which, what runs in a browser, how large a folder and a door may be. A layer is a folder
 * of `src`, or a file directly in it. A new folder has to be entered here, which is the moment to think where it belongs.
 *
 * What breaks a bound today stands in a list of its own below, by name. Those lists only get shorter: lower a number or take an entry
 * out when the check says that it can go, and enter nothing new.
 */
export interface Layer {
  /** Layers it may import from. */
  readonly may: readonly string[];
  /** Runs in a browser: no Node API, and nothing it imports has one. */
  readonly browser: boolean;
  /** Files and folders of the layer for which it is otherwise, by their paths in it without extension. */
  readonly parts?: Readonly<Record<string, boolean>>;
}

const base = ["errors", "random", "bounded-cache"];
const images = [...base, "boxes", "volume"];
const engine = [...base, "graph", "runtime", "nn"];
const training = [
  ...engine,
  "boxes",
  "images",
  "volume",
  "metrics",
  "weights",
  "files",
  "augment",
  "data",
  "closest",
  "command-line",
  "bytes-text",
  "progress",
  "machine",
  "threads",
];

/** Parts of a layer that run in a browser though the layer as a whole does not. */
const inBrowser = (...parts: readonly string[]): Record<string, boolean> =>
  Object.fromEntries(parts.map((part) => [part, true]));

/** Bottom first: every layer may only name layers above it in this list. */
export const LAYERS: Readonly<Record<string, Layer>> = {
  errors: { may: [], browser: true },
  random: { may: ["errors"], browser: true },
  "bounded-cache": { may: [], browser: true },
  closest: { may: [], browser: true },
  "command-line": { may: [], browser: true },
  "bytes-text": { may: [], browser: true },
  progress: { may: [], browser: true },
  machine: { may: [], browser: false },
  threads: { may: ["errors"], browser: false },
  volume: { may: base, browser: true },
  boxes: { may: [...base, "volume"], browser: true },
  images: { may: [...base, "volume"], browser: true },
  metrics: { may: images, browser: true },
  weights: { may: base, browser: true },
  augment: { may: [...images, "images"], browser: true },
  files: { may: [...images, "images", "weights"], browser: false },
  data: {
    may: [...images, "images", "files", "augment", "progress", "threads", "closest", "bytes-text"],
    browser: false,
    parts: inBrowser("counted", "order", "pick", "preprocess"),
  },
  graph: { may: base, browser: true },
  // Its door gives Node's engine; who shall run in a browser imports `runtime/types.ts`.
  runtime: { may: [...base, "graph", "threads", "machine"], browser: true, parts: { index: false, node: false } },
  nn: { may: [...base, "graph"], browser: true },
  train: {
    may: training,
    browser: false,
    parts: inBrowser("model", "executable", "stages", "step", "baked", "checked-config", "shared-config"),
  },
  report: {
    may: [...images, "images", "metrics", "files", "data", "machine", "command-line", "bytes-text"],
    browser: false,
  },
  experiments: { may: [...training, "train", "report"], browser: false },
  med3d: {
    may: [...training, "train", "report", "experiments"],
    browser: false,
    parts: inBrowser("sliding-window", "encoder-config"),
  },
  rcnn: {
    may: [...training, "train", "report", "experiments"],
    browser: false,
    parts: inBrowser(
      ...["anchors", "box-coder", "config", "input", "layout", "losses", "matcher", "network", "nms", "order"],
      ...[
        "post-process",
        "presets",
        "proposals",
        "roi-levels",
        "roi-max-pool",
        "roi-pooling",
        "roi-windows",
        "sampler",
      ],
      ...["targets", "truth-feeds", "training", "detector", "recent-programs", "tiles"],
      ...["export-graph", "export-pooling"],
    ),
  },
  index: { may: [...training, "train", "report", "experiments", "med3d", "rcnn"], browser: false },
  cli: { may: [...training, "train", "report", "experiments", "med3d", "rcnn"], browser: false },
};

/** The one layer that may import ONNX Runtime. */
export const ENGINE_LAYER = "runtime";

/** Source files of a folder, tests apart. */
export const FOLDER_BOUND = 10;
/** Folders of any size: a file for each command. */
export const FOLDERS_OF_ANY_SIZE = ["cli", "cli/commands"];
/** Folders larger than the bound, and how large they may be. */
export const LARGER_FOLDERS: Readonly<Record<string, number>> = {
  augment: 15,
  data: 44,
  med3d: 36,
  metrics: 17,
  nn: 13,
  rcnn: 42,
  report: 29,
  train: 15,
  volume: 22,
};

/** Names of a door. Doors whose path ends in `/internal` promise nothing and have no bound. */
export const DOOR_BOUND = 25;
/** Doors that have as many names as there are operators and layers. */
export const DOORS_OF_ANY_SIZE = ["medvox/graph", "medvox/nn"];
/** Doors wider than the bound, and how wide they may be. */
export const WIDER_DOORS: Readonly<Record<string, number>> = {
  "medvox/augment": 64,
  "medvox/boxes": 28,
  "medvox/data": 112,
  "medvox/med3d": 127,
  "medvox/metrics": 99,
  "medvox/rcnn": 126,
  "medvox/report": 44,
  "medvox/train": 59,
  "medvox/volume": 99,
};

/** Circles of imports that there still are, by the files in them; types count. */
export const CIRCLES: readonly (readonly string[])[] = [
  // A data set and its formats: the formats need the type that the set's opener, which calls them, declares.
  [
    "data/lists/dataset.ts",
    "data/lists/decathlon.ts",
    "data/lists/folders.ts",
    "data/masks/labels.ts",
    "data/lists/list.ts",
    "data/lists/selection.ts",
  ],
  // The same for detection.
  [
    ...[
      "data/boxes/detection.ts",
      "data/boxes/collect.ts",
      "data/boxes/coco/coco.ts",
      "data/boxes/formats/findings.ts",
    ],
    ...["data/boxes/formats/masks.ts", "data/boxes/formats/voc.ts", "data/boxes/formats/yolo.ts"],
  ],
  ["med3d/classification/network.ts", "med3d/classification/plan.ts"],
  // The run folder and the tasks whose runs it reads.
  ["med3d/pretraining/sets.ts", "med3d/run-folder.ts", "med3d/segmentation/export.ts", "med3d/segmentation-train.ts"],
];

/** Exported names that nothing uses, in files that are being rebuilt: `file name`. */
export const UNUSED: readonly string[] = [
  "cli/detected-images.ts imagesIn",
  "data/dataset.ts sortLabels",
  "data/detection-findings.ts gridOf",
  "data/detection-voc.ts parseVoc",
  "data/detection-yolo.ts parseYolo",
  "data/problem.ts countProblems",
  "data/problem.ts problemEffects",
  "data/problem.ts problemsText",
  "data/problem.ts refuseProblems",
  "med3d/pretraining-train.ts branchesOf",
  "med3d/pretraining-train.ts foregroundOf",
  "med3d/segmentation-train.ts openFor",
];
