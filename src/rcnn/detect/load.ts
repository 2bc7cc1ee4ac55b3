/// <reference lib="esnext.disposable" preserve="true" />
/** A trained detector, or one of torchvision's weights, ready for pictures and volumes. */
import { worldBoxOf } from "../../boxes/index.ts";
import type { DetectionClass, DetectionItem } from "../../data/index.ts";
import { ConfigError } from "../../errors.ts";
import { readWeightsFile } from "../../files/index.ts";
import type { Image2d } from "../../images/index.ts";
import { createEngine } from "../../runtime/index.ts";
import {
  BEST_CHECKPOINT,
  folderStore,
  LAST_CHECKPOINT,
  placeOf,
  readRunOf,
  readWeights,
  type StateMap,
} from "../../train/index.ts";
import type { Vec3, Volume } from "../../volume/index.ts";
import type { WeightTensor } from "../../weights/index.ts";
import { COCO_CLASSES, cocoName } from "../network/coco-names.ts";
import { type DetectorConfig, parseDetector, withHead } from "../network/config.ts";
import type { RegionHead } from "../network/head.ts";
import { imageName } from "../network/input.ts";
import { epsilonOf, matchDetector, torchvisionDetector } from "../network/weights.ts";
import { type DetectedBoxes, filterDetections } from "../parts/post-process.ts";
import type { DetectionPlan, DetectionRun } from "../run/data.ts";
import { detectionSchemas } from "../run/schemas.ts";
import { createDetector, type DetectionTimes, type DetectOptions } from "./detector.ts";
import { type DetectionEstimate, estimateDetection } from "./estimate.ts";
import { type OpenedImage, openImage, pictureFor, volumeFor } from "./images.ts";
import { detectWhole } from "./tiles.ts";

export interface DetectorOpenOptions {
  /** Only detections with a score above this; default the detector's own, 0.05. */
  readonly score?: number;
  /** At most so many of an image; default the detector's own, 100. */
  readonly max?: number;
  /** Of volumes: most voxels along x, y, z that go through at once; default twice the windows of training. */
  readonly tile?: readonly number[];
  /** Share of a tile that neighbours have in common; default a quarter. */
  readonly overlap?: number;
  /** Names of the classes that are wanted. */
  readonly classes?: readonly string[];
  readonly threads?: number;
  readonly device?: "cpu" | "webgpu" | "cuda";
}

export interface LoadRunOptions extends DetectorOpenOptions {
  /** Default: as the run says. */
  readonly use?: "last" | "best";
  /** The head of a run that was trained with one of its own: a function cannot be written down, so it is given again. */
  readonly head?: RegionHead;
}

export interface TorchvisionOptions extends DetectorOpenOptions {
  /** `.pth`, `.pt` or `.safetensors` with torchvision's names, old or new. */
  readonly weights: string;
  /** `fasterrcnn_resnet50_fpn`, or the same on another ResNet. */
  readonly arch: string;
  /** As torchvision counts: the background included, 91 for COCO. */
  readonly numClasses: number;
  readonly minSize?: number;
  readonly maxSize?: number;
  /** Names of the classes without the background; by default COCO's where there are 91, else `class 1`, `class 2`, … */
  readonly names?: readonly string[];
  /** Of the frozen batch norms; default 0 for torchvision's COCO weights (by their file's name), else 1e-5. */
  readonly normEpsilon?: number;
}

/** One detection. */
export interface DetectedObject {
  /** x1 y1 (z1) x2 y2 (z2), half-open, in pixels or voxels of the image as given. */
  readonly box: readonly number[];
  readonly label: string;
  readonly score: number;
  /** Of a volume: centre and sides in RAS millimetres. */
  readonly world?: { readonly centreMm: Vec3; readonly sizeMm: Vec3 };
}

/** One box of the first stage: where an object may be, of whichever class. */
export interface ProposedObject {
  /** x1 y1 (z1) x2 y2 (z2), half-open, in pixels or voxels of the image as given. */
  readonly box: readonly number[];
  /** How likely it holds an object, 0 to 1. */
  readonly score: number;
  /** Of a volume: centre and sides in RAS millimetres. */
  readonly world?: DetectedObject["world"];
}

export interface LoadedDetector extends AsyncDisposable {
  readonly plan: Plan;
  readonly axes: 2 | 3;
  readonly classes: readonly DetectionClass[];
  readonly config: DetectorConfig;
  /** What was found in an image, best first; of a list of images, a list for each. */
  detect(image: Image2d | Volume, options?: DetectOptions): Promise<DetectedObject[]>;
  detect(images: readonly (Image2d | Volume)[], options?: DetectOptions): Promise<DetectedObject[][]>;
  /** The first stage alone, best first: where objects may be, without classes. Images go through whole, volumes too. */
  propose(image: Image2d | Volume, options?: DetectOptions): Promise<ProposedObject[]>;
  propose(images: readonly (Image2d | Volume)[], options?: DetectOptions): Promise<ProposedObject[][]>;
  /** What `detect` finds in a file, as arrays; labels are places in `classes`. */
  detectFile(
    item: Pick<DetectionItem, "id" | "image">,
    options?: DetectOptions,
  ): Promise<{ found: DetectedBoxes; opened: OpenedImage }>;
  /** How often the network runs for an image of this size, x y (z), on the detector's own spacing, and the memory that takes; nothing is run. */
  estimate(size: readonly number[]): DetectionEstimate;
  /** Of the last image. */
  readonly times: DetectionTimes | undefined;
  close(): Promise<void>;
}

type Plan = Pick<DetectionPlan, "axes" | "classes" | "detector" | "prepare"> & {
  readonly canvas?: readonly number[];
  readonly device?: DetectorOpenOptions["device"];
};

/** A run, or torchvision's weights. */
export type DetectorSource =
  | { readonly run: DetectionRun; readonly use?: "last" | "best"; readonly head?: RegionHead }
  | Omit<TorchvisionOptions, keyof DetectorOpenOptions>;

export interface ReadDetector {
  readonly plan: Plan;
  readonly weights: StateMap;
}

/**
 * Plan and weights of a detector; the plan's thresholds are those asked for.
 * @throws ConfigError for a run that has no such weights, WeightsError where they are another network's
 */
export async function readDetector(
  source: DetectorSource,
  { score, max }: Pick<DetectorOpenOptions, "score" | "max"> = {},
): Promise<ReadDetector> {
  const { plan, weights } = "run" in source ? await readRun(source) : await readTorchvision(source);
  const { detections } = plan.detector;
  const detector = parseDetector({
    ...plan.detector,
    detections: {
      ...detections,
      minimumScore: score ?? detections.minimumScore,
      limit: max ?? detections.limit,
    },
  });
  return { plan: { ...plan, detector }, weights };
}

async function readRun({ run, use, head }: Extract<DetectorSource, { run: DetectionRun }>): Promise<ReadDetector> {
  const { record, store } = run;
  const plan = { ...run.plan, detector: withHead(run.plan.detector, head, store.place) };
  const which = use ?? record.config.use;
  const name = which === "best" ? BEST_CHECKPOINT : LAST_CHECKPOINT;
  if (!(await store.has(name)))
    throw new ConfigError(
      which === "best" && (await store.has(LAST_CHECKPOINT))
        ? `${store.place}: has no best weights, since no image was watched; leave --use out`
        : `${store.place}: has no weights yet; go on with medvox train --resume ${store.place}`,
    );
  const tensors = new Map(
    [...(await readWeights(store, name))].map(([entry, { data, shape }]): [string, WeightTensor] => [
      entry,
      { dtype: "F32", shape, data },
    ]),
  );
  const match = matchDetector(tensors, plan.detector, placeOf(store, name));
  return { plan: { ...plan, device: record.config.device }, weights: new Map(match.tensors) };
}

async function readTorchvision({
  weights,
  arch,
  numClasses,
  minSize,
  maxSize,
  names,
  normEpsilon,
}: Exclude<DetectorSource, { run: DetectionRun }>): Promise<ReadDetector> {
  const config = torchvisionDetector(arch, {
    numClasses,
    minSize,
    maxSize,
    normEpsilon: normEpsilon ?? (await epsilonOf(weights)),
  });
  const { tensors } = matchDetector(await readWeightsFile(weights), config, weights);
  if (names !== undefined && names.length !== numClasses - 1)
    throw new ConfigError(`names: ${names.length} for ${numClasses - 1} classes (the background has none)`);
  const classes = Array.from({ length: numClasses - 1 }, (_, i) => ({
    id: i + 1,
    name: names?.[i] ?? (numClasses === COCO_CLASSES ? cocoName(i + 1) : `class ${i + 1}`),
  }));
  return { plan: { axes: 2, classes, detector: config, prepare: null }, weights: new Map(tensors) };
}

/** Opens a run's detector. @throws ConfigError for a run that has no such weights */
export async function loadDetector(
  folder: string,
  { use, head, ...options }: LoadRunOptions = {},
): Promise<LoadedDetector> {
  const run = await readRunOf(folderStore(folder), { name: "detection", schemas: detectionSchemas });
  return openDetector(await readDetector({ run, use, head }, options), options);
}

/** Opens torchvision's weights without a run. @throws WeightsError where they are another network's */
export async function detectorFromWeights(options: TorchvisionOptions): Promise<LoadedDetector> {
  return openDetector(await readDetector(options, options), options);
}

/** Opens what was read. */
export async function openDetector(
  { plan, weights }: ReadDetector,
  options: DetectorOpenOptions,
): Promise<LoadedDetector> {
  const { classes, axes, canvas } = plan;
  const { tile, overlap } = options;
  if (axes === 2 && (tile ?? overlap) !== undefined)
    throw new ConfigError("tile and overlap: are for volumes; pictures go through whole");
  const wanted = options.classes?.map((name) => {
    const at = classes.findIndex((one) => one.name === name);
    if (at < 0)
      throw new ConfigError(`classes: ${JSON.stringify(name)}; there are ${classes.map((one) => one.name).join(", ")}`);
    return at;
  });
  const { detections, rpn } = plan.detector;
  const { limit } = detections;
  // Other classes must not take the places of those wanted.
  const room = wanted === undefined ? limit : rpn.inference.after * classes.length;
  const config = { ...plan.detector, detections: { ...detections, limit: room } };
  const engine = await createEngine({ device: options.device ?? plan.device, threads: options.threads });
  const detector = createDetector({ engine, config, weights, canvas });
  let times: DetectionTimes | undefined;
  const foundIn = async (image: OpenedImage, id: string, watch: DetectOptions): Promise<DetectedBoxes> => {
    const { signal, onProgress } = watch;
    const onTile = (done: number, total: number): void => onProgress?.(done, total, id);
    const whole = await detectWhole(detector, image.input, { canvas, tile, overlap, signal, onTile });
    const { found } = whole;
    times = whole.times;
    return image.back(wanted === undefined ? found : filterDetections(found, { classes: wanted, limit }));
  };
  /** The image as the network takes it. @throws ConfigError for a volume where pictures are wanted, and the reverse */
  const opened = (image: Image2d | Volume): OpenedImage => {
    const isVolume = "affine" in image;
    if (isVolume !== (axes === 3))
      throw new ConfigError(
        `detector: is for ${axes === 2 ? "pictures" : "volumes"}, and got a ${isVolume ? "volume" : "picture"}`,
      );
    return isVolume ? volumeFor(image, plan) : pictureFor(image, plan);
  };
  const placed = (boxes: Float32Array, i: number, { affine }: OpenedImage): Pick<DetectedObject, "box" | "world"> => ({
    box: [...boxes.subarray(2 * axes * i, 2 * axes * (i + 1))],
    ...(affine === undefined ? {} : { world: worldBoxOf(boxes, i, affine) }),
  });
  const detectOne = async (image: Image2d | Volume, id: string, watch: DetectOptions): Promise<DetectedObject[]> => {
    const own = opened(image);
    watch.signal?.throwIfAborted();
    const { boxes, scores, labels } = await foundIn(own, id, watch);
    return Array.from(scores, (score, i) => {
      const { box, ...world } = placed(boxes, i, own);
      return { box, label: classes[labels[i]].name, score, ...world };
    });
  };
  const proposeOne = async (image: Image2d | Volume, id: string, watch: DetectOptions): Promise<ProposedObject[]> => {
    const own = opened(image);
    watch.signal?.throwIfAborted();
    const [found] = await detector.propose([own.input], {}, { signal: watch.signal });
    const { boxes, scores } = own.back({ ...found, labels: new Int32Array(found.scores.length) });
    watch.onProgress?.(1, 1, id);
    return Array.from(scores, (score, i) => {
      const { box, ...world } = placed(boxes, i, own);
      return { box, score, ...world };
    });
  };
  const close = async (): Promise<void> => {
    await detector.close();
    await engine.close();
  };
  return {
    plan,
    axes,
    classes,
    config,
    get times() {
      return times;
    },
    detect: ofOneOrList(detectOne),
    propose: ofOneOrList(proposeOne),
    detectFile: async (item, watch = {}) => {
      watch.signal?.throwIfAborted();
      const own = await openImage(item, plan);
      return { opened: own, found: await foundIn(own, item.id, watch) };
    },
    estimate: (size) => estimateDetection(config, size, { canvas, tile, overlap }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

type Given = Image2d | Volume;

/** Work on one image or on each of a list, one after the other; progress of a list counts its images. */
interface OfOneOrList<R> {
  (image: Given, options?: DetectOptions): Promise<R[]>;
  (images: readonly Given[], options?: DetectOptions): Promise<R[][]>;
}

function ofOneOrList<R>(work: (image: Given, id: string, watch: DetectOptions) => Promise<R[]>): OfOneOrList<R> {
  const idOf = (image: Given, n: number): string => imageName({ id: image.name }, n);
  function run(image: Given, watch?: DetectOptions): Promise<R[]>;
  function run(images: readonly Given[], watch?: DetectOptions): Promise<R[][]>;
  async function run(given: Given | readonly Given[], watch: DetectOptions = {}): Promise<R[] | R[][]> {
    if (!isList(given)) return work(given, idOf(given, 0), watch);
    const found: R[][] = [];
    for (const [n, image] of given.entries()) {
      found.push(await work(image, idOf(image, n), { signal: watch.signal }));
      watch.onProgress?.(n + 1, given.length, idOf(image, n));
    }
    return found;
  }
  return run;
}

/** `Array.isArray` for lists that nobody may change. */
const isList = (value: Given | readonly Given[]): value is readonly Given[] => Array.isArray(value);
