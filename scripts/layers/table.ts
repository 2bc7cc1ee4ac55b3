/**
 * The architecture: which folder may import which, what runs in a browser, how large a folder and a door may be. A layer is a folder
 * of `src`, or a file directly in it. A new folder has to be entered here, which is the moment to think where it belongs.
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
  "dicom",
  "files",
  "augment",
  "data",
  "text",
  "progress",
  "machine",
  "threads",
  "turns",
];

/** Parts of a layer that run in a browser though the layer as a whole does not. */
const inBrowser = (...parts: readonly string[]): Record<string, boolean> =>
  Object.fromEntries(parts.map((part) => [part, true]));

/** Bottom first: every layer may only name layers above it in this list. */
export const LAYERS: Readonly<Record<string, Layer>> = {
  errors: { may: [], browser: true },
  random: { may: ["errors"], browser: true },
  "bounded-cache": { may: [], browser: true },
  text: { may: [], browser: true },
  progress: { may: [], browser: true },
  machine: { may: [], browser: false },
  threads: { may: ["errors"], browser: false },
  turns: { may: ["errors"], browser: true },
  volume: { may: base, browser: true },
  boxes: { may: [...base, "volume"], browser: true },
  images: { may: [...base, "volume"], browser: true },
  // Its codecs load WebAssembly that knows both worlds.
  dicom: { may: [...images, "images", "text"], browser: true },
  metrics: { may: images, browser: true },
  weights: { may: base, browser: true },
  augment: { may: [...images, "images", "text"], browser: true },
  files: { may: [...images, "images", "weights", "dicom", "threads", "text"], browser: false },
  data: {
    may: [...images, "images", "files", "augment", "progress", "threads", "text"],
    browser: false,
    parts: inBrowser(
      "counted",
      "types",
      "problem",
      "batches/order",
      "masks/pick",
      "masks/values",
      "masks/grid",
      "prepare/preprocess",
    ),
  },
  graph: { may: base, browser: true },
  // Its door gives Node's engine; who shall run in a browser imports `runtime/types.ts`.
  runtime: { may: [...base, "graph", "threads", "machine"], browser: true, parts: { index: false, node: false } },
  nn: { may: [...base, "graph"], browser: true },
  train: {
    may: training,
    browser: false,
    parts: {
      ...inBrowser("model", "loop", "store", "events", "log", "config"),
      "model/portable-weights": false,
      "model/start": false,
      "store/folder-store": false,
    },
  },
  report: {
    may: [...images, "images", "metrics", "files", "data", "machine", "text"],
    browser: false,
  },
  experiments: { may: [...training, "train", "report"], browser: false },
  med3d: {
    may: [...training, "train", "report", "experiments"],
    browser: false,
    parts: inBrowser("segmentation/prediction/sliding-window", "encoder/config"),
  },
  rcnn: {
    may: [...training, "train", "report", "experiments"],
    browser: false,
    parts: inBrowser(
      ...[
        "parts",
        "pooling",
        "network/columns",
        "network/config",
        "network/head",
        "network/settings.generated",
        "network/input",
        "network/network",
        "network/presets",
        "training/losses",
      ],
      ...["training/training", "training/truth-feeds", "detect/detector", "detect/recent-programs", "detect/tiles"],
      ...["export/graph", "export/pooling"],
    ),
  },
  index: { may: [...training, "train", "report", "experiments", "med3d", "rcnn"], browser: false },
  // The one place that knows every task.
  tasks: { may: [...training, "train", "report", "experiments", "med3d", "rcnn"], browser: false },
  // Trainings and predictions as jobs, whatever their task.
  jobs: { may: [...base, "turns", "files", "data", "train", "tasks"], browser: false },
  // HTTP over jobs and a data set.
  serve: { may: [...images, "turns", "files", "data", "machine", "text", "train", "tasks", "jobs"], browser: false },
  cli: {
    may: [...training, "train", "report", "experiments", "med3d", "rcnn", "tasks", "jobs", "serve"],
    browser: false,
  },
};

/** The one layer that may import ONNX Runtime. */
export const ENGINE_LAYER = "runtime";

/** Source files of a folder, tests apart. */
export const FOLDER_BOUND = 10;
/** Folders of any size: a file for each command. */
export const FOLDERS_OF_ANY_SIZE = ["cli", "cli/commands"];
/** Functions, classes and constants of a door; the types in their signatures are not counted. Doors whose path ends in `/internal` promise nothing and have no bound. */
export const DOOR_BOUND = 25;
/** Doors that have as many names as there are operators and layers. */
export const DOORS_OF_ANY_SIZE = ["medvox/graph", "medvox/nn"];
