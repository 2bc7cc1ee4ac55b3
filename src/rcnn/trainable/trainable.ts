/// <reference lib="esnext.disposable" preserve="true" />
/**
 * A detector in the caller's hands: it is shown images with their boxes, step by step, and finds boxes in others at any time between.
 * Both stages are trained at once (approximate joint training, Faster R-CNN §3.2). Calls take turns.
 */
import { scaleBoxes } from "../../boxes/index.ts";
import { ConfigError, DataError } from "../../errors.ts";
import { writeSafetensors } from "../../files/index.ts";
import { random } from "../../random.ts";
import type { Engine } from "../../runtime/index.ts";
import { createModel, type Model, type StateMap } from "../../train/index.ts";
import { takingTurns } from "../../turns.ts";
import type { WeightTensor } from "../../weights/index.ts";
import { createDetector, type DetectOptions, type Detector, type WatchOptions } from "../detect/detector.ts";
import { type DetectionEstimate, estimateDetection } from "../detect/estimate.ts";
import { detectWhole, tilesOfWhole } from "../detect/tiles.ts";
import { encodeDetector, exportCanvas } from "../export/export.ts";
import { type DetectorConfig, plainDetector } from "../network/config.ts";
import { imageName, inputBatch } from "../network/input.ts";
import { detectorShapes } from "../network/weights.ts";
import type { DetectedBoxes } from "../parts/post-process.ts";
import type { Proposals } from "../parts/proposals.ts";
import type { Truth } from "../parts/targets.ts";
import { trainingDefinition } from "../training/training.ts";
import { asDetectorImage, checkedBoxes, type ImageInput, type ImageTruth } from "./images.ts";
import { type DetectorTrainingOptions, optimizerOf } from "./options.ts";

/** What was found in one image, best first, in its own pixels or voxels. */
export interface ImageDetections extends DetectedBoxes {
  /** Of the image, where it has one. */
  readonly id?: string;
}

/** The first stage's boxes of one image, best first, in its own pixels or voxels. */
export interface ImageProposals extends Proposals {
  /** Of the image, where it has one. */
  readonly id?: string;
}

/** What a step came to. */
export interface DetectorStep {
  /** From 1. */
  readonly step: number;
  /** The sum of `losses`. */
  readonly loss: number;
  /** In torchvision's words: `loss_objectness`, `loss_rpn_box_reg`, `loss_classifier`, `loss_box_reg`. */
  readonly losses: Readonly<Record<string, number>>;
}

/** A detector that learns and detects. */
export interface TrainableDetector extends AsyncDisposable {
  readonly config: DetectorConfig;
  /** Names of the classes; labels are places in this list. */
  readonly classes: readonly string[];
  /** Steps taken so far. */
  readonly steps: number;
  /**
   * One update of all weights from a batch of images.
   * @param truth of each image; those behind the end of the list have no objects
   * @param options `lr`: learning rate of this step, the optimizer's by default
   * @throws DataError naming image and box for truth that cannot be, and where the loss is no number
   */
  step(
    images: readonly ImageInput[],
    truth: readonly ImageTruth[],
    options?: WatchOptions & { readonly lr?: number },
  ): Promise<DetectorStep>;
  /** What is found in each image, with the weights as they are. Images go through one by one, volumes in tiles. */
  detect(images: readonly ImageInput[], options?: DetectOptions): Promise<ImageDetections[]>;
  /** The first stage alone: where objects may be, without classes. Images go through one by one, and whole. */
  propose(images: readonly ImageInput[], options?: DetectOptions): Promise<ImageProposals[]>;
  /** How often the network runs for an image of this size, x y (z), and the memory that takes; nothing is run. */
  estimate(size: readonly number[]): DetectionEstimate;
  /** Parameters and buffers by name. */
  weights(): Promise<StateMap>;
  /** Writes configuration, classes, weights and the optimizer's state as one safetensors file, for `fasterRcnn.resume`. */
  save(path: string, options?: { readonly force?: boolean }): Promise<void>;
  /**
   * The whole detector as one ONNX file of standard operators, as `exportDetector` writes it.
   * @param options `canvas`: what images are brought onto, x y (z)
   */
  toOnnx(options?: { readonly canvas?: readonly number[] }): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** What a detector is made of, new or saved. */
export interface TrainableParts {
  readonly config: DetectorConfig;
  readonly classes: readonly string[];
  readonly options: DetectorTrainingOptions;
  /** Values to begin with, as far as given: weights, and of a saved detector the optimizer's state. */
  readonly start?: StateMap;
  /** Steps that were taken already. */
  readonly steps?: number;
}

/** @param release what else is to be closed in the end */
export function trainableDetector(
  engine: Engine,
  { config, classes, options, start = new Map(), steps: taken = 0 }: TrainableParts,
  release: () => Promise<void>,
): TrainableDetector {
  const { seed = 0, clipNorm = 10, canvas, tile, overlap } = options;
  const { axes, input } = config;
  const optimizer = optimizerOf(options);
  refuseNothing(options.freeze, config);
  const definition = trainingDefinition(config, "joint", { seed });
  let steps = taken;
  /** Steps asked for, some of which may wait. */
  let asked = taken;
  let closed = false;
  let model: Model | undefined;
  /** Of the weights as they are; a step makes it stale. */
  let current: Detector | undefined;
  const turns = takingTurns({ name: "detector", mostWaiting: Number.POSITIVE_INFINITY });
  const inTurn = <T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> =>
    turns.take(async () => {
      if (closed) throw new ConfigError("detector: is closed");
      return work();
    }, signal);
  /** Made when its first images are known, whose size its first program is for. */
  const modelFor = async (images: number, size: readonly number[]): Promise<Model> => {
    if (model !== undefined) return model;
    const made = await createModel(
      { engine, ...definition, optimizer, seed, clipNorm: clipNorm ?? undefined },
      definition.example(images, size),
    );
    try {
      await made.load(start);
    } catch (error) {
      await made.close();
      throw error;
    }
    model = made;
    return made;
  };
  const anyModel = (): Promise<Model> => modelFor(1, new Array<number>(axes).fill(2 * Math.max(input.divisor, 32)));
  const detectorNow = async (): Promise<Detector> => {
    current ??= createDetector({ engine, config, weights: await (await anyModel()).weights(), canvas });
    return current;
  };
  const step: TrainableDetector["step"] = (given, truth, { lr = optimizer.lr, signal } = {}) => {
    // Before anything waits, so that what a caller does with its arrays afterwards changes nothing.
    const images = given.map((image, n) => asDetectorImage(image, n, config));
    if (images.length === 0) throw new ConfigError("detector: no images; at least one is needed");
    const boxes = checkedBoxes(truth, images, config);
    const side = sideOf(config, seed, ++asked);
    const batch = inputBatch(images, config, side, canvas);
    return inTurn(async () => {
      const scaled = boxes.map((own, n) => scaledTruth(own, images[n].size, batch.sizes[n], axes));
      const learning = await modelFor(images.length, batch.size);
      const at = steps + 1;
      const feeds = definition.feeds({ ...batch, truth: scaled }, `step ${at}`);
      const { loss, monitored = {} } = await learning.step([feeds], at, lr);
      await current?.close();
      current = undefined;
      steps = at;
      if (!Number.isFinite(loss))
        throw new DataError(
          `step ${at}: the loss is ${loss} (${images.map(imageName).join(", ")}); lower the learning rate, or look at these images`,
        );
      const losses = Object.fromEntries(Object.entries(monitored).map(([name, [value]]) => [name, value]));
      return { step: at, loss, losses };
    }, signal);
  };
  const detect: TrainableDetector["detect"] = (given, { signal, onProgress } = {}) => {
    const images = given.map((image, n) => asDetectorImage(image, n, config));
    const total = images.reduce(
      (sum, { size }) => sum + tilesOfWhole(size, config, { canvas, tile, overlap }).length,
      0,
    );
    return inTurn(async () => {
      const detector = await detectorNow();
      const found: ImageDetections[] = [];
      let done = 0;
      for (const [n, image] of images.entries()) {
        signal?.throwIfAborted();
        const onTile = (): void => onProgress?.(++done, total, imageName(image, n));
        const own = await detectWhole(detector, image, { canvas, tile, overlap, signal, onTile });
        found.push({ ...(image.id !== undefined && { id: image.id }), ...own.found });
      }
      return found;
    }, signal);
  };
  const propose: TrainableDetector["propose"] = (given, { signal, onProgress } = {}) => {
    const images = given.map((image, n) => asDetectorImage(image, n, config));
    return inTurn(async () => {
      const detector = await detectorNow();
      const found: ImageProposals[] = [];
      for (const [n, image] of images.entries()) {
        const [own] = await detector.propose([image], {}, { signal });
        found.push({ ...(image.id !== undefined && { id: image.id }), ...own });
        onProgress?.(n + 1, images.length, imageName(image, n));
      }
      return found;
    }, signal);
  };
  const close = (): Promise<void> =>
    closed
      ? Promise.resolve()
      : inTurn(async () => {
          closed = true;
          await current?.close();
          await model?.close();
          await release();
        });
  return {
    config,
    classes,
    get steps() {
      return steps;
    },
    step: async (...all) => step(...all),
    detect: async (...all) => detect(...all),
    propose: async (...all) => propose(...all),
    estimate: (size) => estimateDetection(config, size, { canvas, tile, overlap }),
    weights: () => inTurn(async () => (await anyModel()).weights()),
    save: (path, { force } = {}) =>
      inTurn(async () => {
        const state = await (await anyModel()).state();
        const tensors = new Map(
          [...state].map(([name, { data, shape }]): [string, WeightTensor] => [name, { dtype: "F32", shape, data }]),
        );
        await writeSafetensors(path, tensors, savedMetadata({ config, classes, steps, seed, canvas }), { force });
      }),
    toOnnx: ({ canvas: asked } = {}) =>
      inTurn(async () => {
        const plan = { axes, classes: classes.map((name, i) => ({ id: i, name })), detector: config, prepare: null };
        return encodeDetector(plan, await (await anyModel()).weights(), exportCanvas({ ...plan, canvas }, asked));
      }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** What stands in the head of a saved detector's file. */
function savedMetadata(parts: {
  readonly config: DetectorConfig;
  readonly classes: readonly string[];
  readonly steps: number;
  readonly seed: number;
  readonly canvas?: readonly number[];
}): Record<string, string> {
  const { config, classes, steps, seed, canvas } = parts;
  return {
    format: "medvox detector",
    detector: JSON.stringify(plainDetector(config)),
    classes: JSON.stringify(classes),
    steps: String(steps),
    seed: String(seed),
    ...(canvas && { canvas: JSON.stringify(canvas) }),
  };
}

/** The short side that this step's pictures are brought to: one of the configuration's, drawn by the step. */
function sideOf({ input: { minSide } }: DetectorConfig, seed: number, step: number): number | undefined {
  if (minSide === null) return undefined;
  return minSide[minSide.length === 1 ? 0 : random(seed, `side of step ${step}`).integer(minSide.length)];
}

/** Truth in the network's pixels. */
function scaledTruth(truth: Truth, from: readonly number[], to: readonly number[], axes: 2 | 3): Truth {
  const factors = to.map((length, axis) => length / from[axis]);
  const scaled = (boxes: Float32Array): Float32Array => scaleBoxes(boxes, factors, axes);
  const { boxes, labels, difficult, crowds } = truth;
  return {
    boxes: scaled(boxes),
    labels,
    ...(difficult && { difficult: scaled(difficult) }),
    ...(crowds && { crowds: scaled(crowds) }),
  };
}

/** @throws ConfigError where the pattern names no parameter */
function refuseNothing(freeze: RegExp | undefined, config: DetectorConfig): void {
  if (freeze === undefined) return;
  const names = [...detectorShapes(config).keys()];
  if (names.some((name) => freeze.test(name))) return;
  throw new ConfigError(`freeze: ${freeze} matches no parameter; there are ${names.slice(0, 3).join(", ")}, …`);
}
