/**
 * Detectors against the oracle's, for `golden-detector.test.ts` and `golden-paper-detector.test.ts`: weights by formula, BCCD's pictures, every
 * joint of inference, and one training step with the samples fixed.
 */
import { existsSync } from "node:fs";
import { expect } from "vitest";
import { readImage2d } from "../src/files/index.ts";
import { graph } from "../src/graph/index.ts";
import { toPlanar } from "../src/images/index.ts";
import { sgd } from "../src/nn/index.ts";
import type { Random } from "../src/random.ts";
import { createDetector } from "../src/rcnn/detect/detector.ts";
import { columnOf, labelOf } from "../src/rcnn/network/columns.ts";
import type { DetectorConfig } from "../src/rcnn/network/config.ts";
import { type DetectorImage, inputBatch } from "../src/rcnn/network/input.ts";
import { featureMaps, regionOutputs, rpnOutputs } from "../src/rcnn/network/network.ts";
import { layoutOf } from "../src/rcnn/parts/layout.ts";
import { selectProposals } from "../src/rcnn/parts/proposals.ts";
import { trainingDefinition } from "../src/rcnn/training/training.ts";
import type { Engine } from "../src/runtime/index.ts";
import { createModel, encodeBaked, type StateMap } from "../src/train/index.ts";
import { type GoldenArray, numbersOf, relativeError, uniform } from "./golden-values.ts";

/** Of an array's spread, as the issue asks. */
const TOLERANCE = 1e-3;

const folder = new URL("../../shared/data/BCCD/JPEGImages/", import.meta.url).pathname;
export const picturesPresent = existsSync(folder);

interface Detections {
  readonly boxes: readonly (readonly number[])[];
  readonly labels: readonly number[];
  readonly scores: readonly number[];
}
/** What the oracle kept of one image. */
export interface GoldenInference
  extends Record<"objectness" | "deltas" | "proposals" | "pooled" | "scores" | "regression", GoldenArray> {
  readonly image: string;
  readonly minSide: number;
  readonly maps: readonly GoldenArray[];
  readonly proposalCount: number;
  readonly detections: Detections;
}
/** What all cases of a fixture share. */
export interface GoldenDetector {
  readonly depth: 18 | 50;
  readonly classes: number;
  readonly gains: Readonly<Record<string, number>>;
}

/** What the oracle kept of one training step. */
export interface GoldenStep {
  readonly minSide: number;
  readonly images: readonly {
    readonly image: string;
    readonly boxes: readonly (readonly number[])[];
    readonly labels: readonly number[];
  }[];
  readonly losses: Readonly<Record<string, number>>;
  readonly gradientNorms: Readonly<Record<string, number>>;
}

/** The oracle's rule for weights. */
export function weightsByFormula(config: DetectorConfig, gains: Readonly<Record<string, number>>): StateMap {
  const g = graph();
  const layout = layoutOf(config, 1, [64, 64]);
  const maps = featureMaps(g.input("image", layout.input), config);
  rpnOutputs(maps, config);
  regionOutputs(g.input("pooled", [1, maps[0].shape[1], ...config.regions.outputSize]), config);
  const names = [...g.parameters.keys()].sort((a, b) => (a < b ? -1 : 1));
  const state: StateMap = new Map();
  for (const [k, name] of names.entries()) {
    const { shape, size } = g.parameters.get(name)!;
    const r = uniform(k + 1000, size);
    const width = 2 * Math.sqrt(3 / (size / shape[0])) * 1.2;
    const damped = name.includes(".bn3.") || (name.includes(".bn2.") && name.includes("layer")) ? 1 / 3 : 1;
    const gain = Object.entries(gains).find(([prefix]) => name.startsWith(prefix))?.[1] ?? 1;
    const value = (u: number): number => {
      if (name.endsWith("running_var")) return 0.5 + u;
      if (name.endsWith("running_mean")) return 0.2 * (u - 0.5);
      if (shape.length > 1) return (u - 0.5) * width;
      return name.endsWith("weight") ? (0.75 + 0.5 * u) * damped : 0.2 * (u - 0.5);
    };
    const data = new Float32Array(size);
    for (let i = 0; i < size; i++) data[i] = value(r[i]) * gain;
    state.set(name, { data, shape });
  }
  return state;
}

/** One of BCCD's pictures. */
export async function pictureOf(name: string): Promise<DetectorImage> {
  const { width, height, data } = toPlanar(await readImage2d(`${folder}${name}.jpg`));
  return { data, size: [width, height] };
}

/** Fails unless an array is the fixture's, within {@link TOLERANCE} of its standard deviation. */
function expectSpread(what: string, found: Float32Array, golden: GoldenArray): void {
  const wanted = numbersOf(golden);
  const step = golden.every ?? 1;
  const sample = found.filter((_, i) => i % step === 0);
  expect(sample.length, `${what}: count`).toBe(wanted.length);
  const mean = wanted.reduce((a, b) => a + b, 0) / wanted.length;
  const spread = Math.sqrt(wanted.reduce((a, b) => a + (b - mean) ** 2, 0) / wanted.length);
  let worst = 0;
  for (const [i, value] of wanted.entries()) worst = Math.max(worst, Math.abs(sample[i] - value));
  expect(worst / spread, `${what}: error in units of its spread`).toBeLessThan(TOLERANCE);
}

/** Fails unless every joint of inference is the oracle's. */
export async function expectInference(
  engine: Engine,
  config: DetectorConfig,
  weights: StateMap,
  image: DetectorImage,
  wanted: GoldenInference,
): Promise<void> {
  const { data, size, sizes } = inputBatch([image], config);
  const layout = layoutOf(config, 1, size);
  const first = graph();
  const maps = featureMaps(first.input("image", layout.input), config);
  const outputs = { ...rpnOutputs(maps, config), ...Object.fromEntries(maps.map((map, l) => [`map${l}`, map])) };
  const features = await engine.load(encodeBaked({ graph: first, outputs }, weights));
  const { outputs: found } = await features.run({ image: { data, shape: layout.input } });
  await features.close();
  for (const [l, map] of wanted.maps.entries()) expectSpread(`map ${l}`, found[`map${l}`].data as Float32Array, map);
  const objectness = found.objectness.data as Float32Array;
  const deltas = found.deltas.data as Float32Array;
  expectSpread("objectness", objectness, wanted.objectness);
  expectSpread("deltas", deltas, wanted.deltas);

  const { rpn } = config;
  const proposals = selectProposals(
    layout.anchors,
    objectness,
    deltas,
    sizes[0],
    { weights: rpn.coderWeights, clamp: config.sideClamp },
    { ...rpn.inference, threshold: rpn.suppressionOverlap, minimumSide: rpn.minimumSide },
  );
  expect(proposals.scores.length).toBe(wanted.proposalCount);
  expectSpread("proposals", proposals.boxes.slice(0, wanted.proposals.shape[0] * 4), wanted.proposals);

  const count = wanted.pooled.shape[0];
  const boxes = proposals.boxes.slice(0, count * 4);
  const second = graph();
  const maps2 = layout.maps.slice(0, layout.pooling.levels).map((shape, l) => second.input(`map${l}`, shape));
  const feeds = layout.pooling.feeds(boxes, new Int32Array(count));
  const inputs = Object.fromEntries(
    Object.entries(layout.pooling.types(count)).map(([name, { shape, dtype }]) => [
      name,
      second.input(name, shape, dtype),
    ]),
  );
  const pooled = layout.pooling.pooled(maps2, inputs);
  const head = await engine.load(
    encodeBaked({ graph: second, outputs: { pooled, ...regionOutputs(pooled, config) } }, weights),
  );
  const fed = Object.fromEntries(maps2.map((_, l) => [`map${l}`, found[`map${l}`]]));
  const { outputs: regions } = await head.run({ ...fed, ...feeds });
  await head.close();
  expectSpread("pooled", regions.pooled.data as Float32Array, wanted.pooled);
  expectSpread("scores", regions.scores.data as Float32Array, wanted.scores);
  expectSpread("regression", regions.deltas.data as Float32Array, wanted.regression);

  const detector = createDetector({ engine, config, weights });
  const [result] = await detector.detect([image]);
  await detector.close();
  const { labels, scores, boxes: corners } = wanted.detections;
  // The oracle, too, has the background in column 0.
  expect([...result.labels].map(columnOf)).toEqual(labels);
  expect(relativeError(result.scores, scores)).toBeLessThan(TOLERANCE);
  expect(relativeError(result.boxes, corners.flat())).toBeLessThan(TOLERANCE);
}

/** The oracle's choice: the first candidates. */
const takesFirst = { integer: () => 0 } as unknown as Random;

/** Fails unless the losses and gradient norms of one joint training step are the oracle's. */
export async function expectStep(
  engine: Engine,
  config: DetectorConfig,
  weights: StateMap,
  golden: GoldenStep,
): Promise<void> {
  const images = await Promise.all(golden.images.map(({ image }) => pictureOf(image)));
  const batch = inputBatch(images, config);
  const truth = golden.images.map(({ boxes, labels }, n) => {
    const factors = images[n].size.map((length, axis) => batch.sizes[n][axis] / length);
    return {
      boxes: Float32Array.from(boxes.flat(), (value, i) => value * factors[i % 2]),
      labels: Int32Array.from(labels, labelOf),
    };
  });
  const definition = trainingDefinition(config, "joint", { randomOf: () => takesFirst });
  // After one step the momentum is the gradient.
  const model = await createModel(
    { engine, ...definition, optimizer: sgd({ lr: 1e-3, momentum: 0.9 }) },
    definition.example(batch.sizes.length, batch.size),
  );
  await model.load(weights);
  const { monitored, loss } = await model.step([definition.feeds({ ...batch, truth }, "step")], 1, 1e-3);
  const total = Object.values(golden.losses).reduce((a, b) => a + b, 0);
  for (const [name, value] of Object.entries(golden.losses)) {
    expect(Math.abs(monitored![name][0] - value) / value, name).toBeLessThan(TOLERANCE);
  }
  expect(Math.abs(loss - total) / total).toBeLessThan(TOLERANCE);
  const state = await model.state();
  await model.close();
  const errors = Object.entries(golden.gradientNorms).map(([name, norm]) => {
    const gradient = state.get(`optimizer.momentum.${name}`)!.data;
    const found = Math.sqrt(gradient.reduce((a, g) => a + g * g, 0));
    // Where no sampled box goes through a layer, both are 0.
    return [name, Math.abs(found - norm) / (norm || 1)] as const;
  });
  expect(errors.filter(([, error]) => !(error < TOLERANCE))).toEqual([]);
}
