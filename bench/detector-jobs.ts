/** The medvox side of the detector rows: images, weights that keep activations in bounds, and boxes to learn from. */
import { type Optimizer, sgd } from "../src/nn/index.ts";
import { random } from "../src/random.ts";
import {
  createDetector,
  type Detector,
  type DetectorConfig,
  parseDetector,
  preset,
  trainingDefinition,
} from "../src/rcnn/index.ts";
import type { Engine } from "../src/runtime/index.ts";
import { createModel, type StateMap } from "../src/train/index.ts";

/** `modern` in 2D for pictures that come at the size they are looked at. @param size width and height */
export function pictureDetector(depth: 18 | 50, classes: number, [width, height]: readonly number[]): DetectorConfig {
  const settings = preset("modern", { classes, depth });
  return parseDetector({ ...settings, input: { ...settings.input, minSide: [height], maxSide: width } });
}

/** Values 0 … 1. */
export function noise(count: number, stream: string): Float32Array {
  const source = random(1, `bench detector ${stream}`);
  return Float32Array.from({ length: count }, () => source.uniform());
}

const usual = (): Optimizer => sgd({ lr: 1e-4, momentum: 0.9, weightDecay: 1e-4 });

/**
 * First weights of a detector. Frozen norms do not tame a ResNet of random weights, so the last norm of each block has a gain of 0.3;
 * classification and regression weights are enlarged, so that scores and boxes differ.
 */
export async function firstWeights(engine: Engine, config: DetectorConfig): Promise<StateMap> {
  const definition = trainingDefinition(config, "joint", { seed: 1 });
  const side = new Array<number>(config.axes).fill(64);
  const model = await createModel({ engine, ...definition, optimizer: usual(), seed: 1 }, definition.example(1, side));
  const weights = await model.weights();
  await model.close();
  const last = config.backbone.depth < 50 ? "bn2" : "bn3";
  for (const [name, { data, shape }] of weights) {
    const factor = name.endsWith(`${last}.weight`) ? 0.3 : /cls_(logits|score)\.weight$/.test(name) ? 10 : 1;
    weights.set(name, { shape, data: data.map((value) => factor * value) });
  }
  return weights;
}

export interface DetectorStep {
  /** One joint step on the same batch. */
  step(): Promise<{ ms: number; loss: number }>;
  readonly weights: StateMap;
  /** [N, 3, H, W], 0 … 1, and the boxes that every image has, x1 y1 x2 y2. */
  readonly images: Float32Array;
  readonly boxes: Float32Array;
  readonly labels: Int32Array;
  close(): Promise<void>;
}

/** A joint training step on `images` pictures of noise with twelve boxes each. @param size width and height */
export async function detectorStep(
  engine: Engine,
  config: DetectorConfig,
  images: number,
  size: readonly number[],
): Promise<DetectorStep> {
  const [width, height] = size;
  const { divisor, mean, deviation } = config.input;
  const padded = size.map((length) => Math.ceil(length / divisor) * divisor);
  const weights = await firstWeights(engine, config);
  const definition = trainingDefinition(config, "joint", { seed: 1 });
  const model = await createModel(
    { engine, ...definition, optimizer: usual(), seed: 1 },
    definition.example(images, padded),
  );
  await model.load(weights);
  const pixels = noise(images * 3 * width * height, "step");
  const data = new Float32Array(images * 3 * padded[0] * padded[1]);
  for (let plane = 0; plane < images * 3; plane++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++)
        data[(plane * padded[1] + y) * padded[0] + x] =
          (pixels[(plane * height + y) * width + x] - mean[plane % 3]) / deviation[plane % 3];
  const boxes = Float32Array.from(
    Array.from({ length: 12 }, (_, b) => [18 * b, 30 + 14 * (b % 10), 18 * b + 50, 80 + 14 * (b % 10)]).flat(),
  );
  const labels = Int32Array.from({ length: 12 }, (_, b) => b % (config.classes - 1));
  const truth = Array.from({ length: images }, () => ({ boxes, labels }));
  const sizes = truth.map(() => size);
  let steps = 0;
  return {
    weights,
    images: pixels,
    boxes,
    labels,
    step: async () => {
      const began = performance.now();
      steps++;
      const feeds = definition.feeds({ data: data.slice(), size: padded, sizes, truth }, `step ${steps}`);
      const { loss } = await model.step([feeds], steps, 1e-4);
      return { ms: performance.now() - began, loss };
    },
    close: () => model.close(),
  };
}

export interface DetectorInference {
  readonly detector: Detector;
  readonly weights: StateMap;
  /** [3, H, W], 0 … 1, or [1, D, H, W] of unit deviation. */
  readonly image: { readonly data: Float32Array; readonly size: readonly number[] };
}

/** A detector and an image of noise. @param size x y (z) */
export async function detectorInference(
  engine: Engine,
  config: DetectorConfig,
  size: readonly number[],
): Promise<DetectorInference> {
  const weights = await firstWeights(engine, config);
  const count = size.reduce((a, b) => a * b, config.channels);
  return {
    detector: createDetector({ engine, config, weights }),
    weights,
    image: { data: noise(count, "image"), size },
  };
}
