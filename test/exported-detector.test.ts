/**
 * Exported detectors in plain onnxruntime: the same boxes, scores, labels and order as `createDetector` gives, for pictures and
 * volumes of several sizes, with and without detections.
 */
import { existsSync } from "node:fs";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { readImage2d } from "../src/files/index.ts";
import { readOnnx } from "../src/graph/index.ts";
import { toPlanar } from "../src/images/index.ts";
import { random } from "../src/random.ts";
import { createDetector } from "../src/rcnn/detect/detector.ts";
import { encodeDetector } from "../src/rcnn/export/export.ts";
import { labelOf } from "../src/rcnn/network/columns.ts";
import { type DetectorConfig, parseDetector } from "../src/rcnn/network/config.ts";
import type { DetectorImage } from "../src/rcnn/network/input.ts";
import { preset } from "../src/rcnn/network/presets.ts";
import type { DetectedBoxes } from "../src/rcnn/parts/post-process.ts";
import { smallDetector } from "../src/rcnn/test/scenes.ts";
import { randomWeights } from "../src/rcnn/test/weights.ts";
import { createEngine, type Engine } from "../src/runtime/index.ts";
import type { StateMap } from "../src/train/index.ts";

const folder = new URL("../../shared/data/BCCD/JPEGImages/", import.meta.url).pathname;
const present = existsSync(folder);
if (!present) console.warn("skipped: ../shared/data/BCCD is not here, so exported detectors see made-up images only");

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 1 });
});
afterAll(() => engine.close());

/** What the exported file finds. */
async function exported(session: InferenceSession, { data, size }: DetectorImage, axes: 2 | 3): Promise<DetectedBoxes> {
  const voxels = size.reduce((a, b) => a * b, 1);
  const image = new Tensor("float32", data, [1, data.length / voxels, ...[...size].reverse()]);
  const { boxes, scores, labels } = await session.run({ image });
  expect(boxes.dims).toEqual([scores.dims[0], 2 * axes]);
  expect(labels.dims).toEqual(scores.dims);
  return {
    axes,
    boxes: boxes.data as Float32Array,
    scores: scores.data as Float32Array,
    // The file has the network's columns.
    labels: Int32Array.from(labels.data as BigInt64Array, (column) => labelOf(Number(column))),
  };
}

/** Runs both on all images. @returns how many were found in each */
async function compare(
  config: DetectorConfig,
  weights: StateMap,
  canvas: readonly number[],
  images: readonly DetectorImage[],
): Promise<number[]> {
  const { axes } = config;
  const classes = Array.from({ length: config.classes - 1 }, (_, i) => ({ id: i, name: `kind ${i}` }));
  const bytes = encodeDetector({ axes, classes, detector: config, prepare: null }, weights, canvas);
  const { outputs, opsets } = readOnnx(bytes);
  expect(outputs.map(({ shape }) => shape)).toEqual([["detections", 2 * axes], ["detections"], ["detections"]]);
  expect(Object.keys(opsets)).toEqual(["ai.onnx"]);
  const session = await InferenceSession.create(bytes, { intraOpNumThreads: 1 });
  const detector = createDetector({ engine, config, weights, canvas });
  const counts: number[] = [];
  for (const image of images) {
    const [own] = await detector.detect([image]);
    const other = await exported(session, image, axes);
    expect(other.scores.length).toBe(own.scores.length);
    expect([...other.labels]).toEqual([...own.labels]);
    for (const [i, score] of own.scores.entries()) expect(Math.abs(score - other.scores[i])).toBeLessThan(1e-4);
    for (const [i, corner] of own.boxes.entries()) expect(Math.abs(corner - other.boxes[i])).toBeLessThan(1e-3);
    counts.push(own.scores.length);
  }
  await detector.close();
  await session.release();
  return counts;
}

function noise(seed: number, size: readonly number[], channels = 1): DetectorImage {
  const source = random(seed, "image");
  const data = Float32Array.from({ length: size.reduce((a, b) => a * b, channels) }, () => source.normal());
  return { data, size };
}

const few = { detections: { minimumScore: 0.05 } };
const oneLevel = { backbone: { levels: ["layer2"], pyramidChannels: null }, anchors: { sizes: [[16, 8]] } };
const c4 = { ...oneLevel, backbone: { levels: ["layer3"], pyramidChannels: null } };
const parts: Record<string, [2 | 3, Parameters<typeof smallDetector>[1]]> = {
  "2D, a pyramid, RoIAlign": [2, few],
  "2D, as many samples as a bin has cells, half a cell moved": [
    2,
    { ...few, regions: { samplingRatio: 0, aligned: true } },
  ],
  "2D, one regression for all classes, no suppression of proposals, a least objectness": [
    2,
    { ...few, rpn: { suppress: false, minimumScore: 0.4 }, regions: { classAgnostic: true } },
  ],
  "2D, few places: the limits of proposals and detections bind": [
    2,
    { rpn: { inference: { before: 60, after: 25 } }, detections: { minimumScore: 0.05, limit: 3 } },
  ],
  "2D, RoI max-pooling": [2, { ...few, ...oneLevel, regions: { pooling: "max", outputSize: [7, 5] } }],
  "2D, two-way softmax and layer4 as the head": [
    2,
    {
      ...few,
      ...c4,
      rpn: { objectness: "softmax" },
      regions: { pooling: "max", outputSize: [14, 14], head: "layer4" },
    },
  ],
  "3D, a pyramid, RoIAlign": [3, few],
  "3D, RoI max-pooling, half a cell": [
    3,
    {
      ...few,
      ...oneLevel,
      backbone: { levels: ["layer1"], pyramidChannels: null },
      regions: { pooling: "max", outputSize: [4, 3, 2] },
    },
  ],
  "3D, RoIAlign moved by half a cell": [3, { ...few, regions: { aligned: true, samplingRatio: 1 } }],
};

describe("every way to build a detector", () => {
  test.each(Object.entries(parts))("%s", async (_name, [axes, changes]) => {
    const config = smallDetector(axes, changes);
    const sizes =
      axes === 2
        ? [
            [57, 49],
            [64, 64],
            [20, 33],
          ]
        : [
            [22, 19, 13],
            [24, 24, 16],
          ];
    const canvas = axes === 2 ? [64, 64] : [24, 24, 16];
    const images = sizes.map((size, i) => noise(i, size));
    const counts = await compare(config, randomWeights(config), canvas, images);
    expect(Math.max(...counts)).toBeGreaterThan(2);
  });

  it("finds nothing where there is nothing to find", async () => {
    for (const axes of [2, 3] as const) {
      const config = smallDetector(axes, { detections: { minimumScore: 0.9999 } });
      const size = axes === 2 ? [64, 48] : [24, 16, 16];
      expect(await compare(config, randomWeights(config, 1, 0.01), size, [noise(1, size)])).toEqual([0]);
    }
  });

  it("a volume larger than the canvas is an error, not a cut volume", async () => {
    const config = smallDetector(3);
    const bytes = encodeDetector(
      { axes: 3, classes: [], detector: config, prepare: null },
      randomWeights(config),
      [16, 16, 16],
    );
    const session = await InferenceSession.create(bytes, { logSeverityLevel: 4 });
    await expect(exported(session, noise(1, [17, 16, 16]), 3)).rejects.toThrow(/Reshape|reshape/);
    await session.release();
  });
});

/** A piece of a blood picture. */
async function cells(name: string, [left, top, width, height]: readonly number[]): Promise<DetectorImage> {
  const { width: whole, height: high, data } = toPlanar(await readImage2d(`${folder}${name}.jpg`));
  const out = new Float32Array(3 * width * height);
  for (let c = 0, o = 0; c < 3; c++)
    for (let y = top; y < top + height; y++)
      for (let x = left; x < left + width; x++, o++) out[o] = data[(c * high + y) * whole + x];
  return { data: out, size: [width, height] };
}

describe.skipIf(!present)("blood cells, resized inside", () => {
  /** A preset at an eighth of the pixels, with fewer proposals and hidden units. */
  const small = (name: "modern" | "paper", sizes: number[][]): DetectorConfig => {
    const usual = preset(name, { classes: 4, depth: 18, backbone: "resnet" });
    return parseDetector({
      ...usual,
      input: { ...usual.input, minSide: [96], maxSide: 128 },
      anchors: { ...usual.anchors, sizes },
      rpn: { ...usual.rpn, minimumSide: 4, inference: { before: 200, after: 30 } },
      regions: { ...usual.regions, hidden: 128 },
    });
  };
  const modern = small("modern", [[8], [16], [32], [64], [128]]);
  const paper = small("paper", [[16, 32, 64]]);

  test.each([
    ["modern", modern],
    ["paper", paper],
  ] as const)("%s", { timeout: 120_000 }, async (_name, config) => {
    const images = await Promise.all([
      cells("BloodImage_00000", [0, 0, 640, 480]),
      cells("BloodImage_00004", [100, 50, 301, 203]),
      cells("BloodImage_00052", [10, 0, 480, 480]),
      cells("BloodImage_00052", [0, 0, 50, 37]),
    ]);
    const counts = await compare(config, randomWeights(config), [128, 96], images);
    expect(Math.min(...counts)).toBeGreaterThan(4);
  });

  it("brings a portrait picture further down where the canvas asks for it", { timeout: 120_000 }, async () => {
    const portrait = await cells("BloodImage_00114", [0, 0, 300, 480]);
    const [width, height] = portrait.size;
    const weights = randomWeights(modern);
    const bytes = encodeDetector({ axes: 2, classes: [], detector: modern, prepare: null }, weights, [128, 96]);
    const session = await InferenceSession.create(bytes, { intraOpNumThreads: 1 });
    const { boxes, scores } = await exported(session, portrait, 2);
    await session.release();
    // 96 rows there are, so 60 columns: what a detector gives that asks for no more.
    const fitting = parseDetector({ ...modern, input: { ...modern.input, minSide: [60], maxSide: 96 } });
    const detector = createDetector({ engine, config: fitting, weights, canvas: [128, 96] });
    const [own] = await detector.detect([portrait]);
    await detector.close();
    expect(scores.length).toBe(own.scores.length);
    expect(scores.length).toBeGreaterThan(4);
    for (const [i, corner] of own.boxes.entries()) {
      expect(Math.abs(corner - boxes[i])).toBeLessThan(1e-3);
      expect(corner).toBeLessThanOrEqual((i % 2 === 0 ? width : height) + 1e-3);
    }
  });
});
