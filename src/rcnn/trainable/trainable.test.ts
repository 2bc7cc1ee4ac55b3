/** A detector that is made, shown images step by step, asked, saved, opened again and exported, with the library's head and with one of its own. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DataError, ShapeError } from "../../errors.ts";
import { globalAveragePool, relu } from "../../graph/index.ts";
import { adamW, convLayer, linearLayer } from "../../nn/index.ts";
import { createEngine, type Engine } from "../../runtime/index.ts";
import type { StateMap } from "../../train/index.ts";
import { fasterRcnn } from "../faster-rcnn.ts";
import type { RegionHead } from "../network/head.ts";
import { scenes } from "../test/scenes.ts";
import type { ImageTruth } from "./images.ts";
import type { CreateDetectorOptions } from "./options.ts";

let engine: Engine;
let folder: string;
beforeAll(async () => {
  engine = await createEngine({ threads: 1 });
  folder = await mkdtemp(join(tmpdir(), "medvox-trainable-"));
});
afterAll(async () => {
  await engine.close();
  await rm(folder, { recursive: true });
});

/** A detector of few channels at strides 4 and 8, for pictures of one channel. */
const small = (changes: Partial<CreateDetectorOptions> = {}): CreateDetectorOptions => ({
  classes: ["bright", "dark"],
  channels: 1,
  engine,
  optimizer: adamW({ lr: 2e-3 }),
  seed: 3,
  input: { divisor: 8, minSide: null, maxSide: null },
  backbone: {
    depth: 10,
    norm: "group",
    normGroups: 8,
    levels: ["layer1", "layer2"],
    pyramidChannels: 32,
    extraLevel: false,
  },
  anchors: { style: "exact", sizes: [[8], [16]], ratios: [1] },
  rpn: {
    positiveOverlap: 0.5,
    sampleCount: 64,
    training: { before: 200, after: 100 },
    inference: { before: 200, after: 50 },
  },
  regions: { outputSize: [4, 4], canonicalSide: 12, canonicalLevel: 3, hidden: 64, sampleCount: 32 },
  detections: { minimumScore: 0.3, suppressionOverlap: 0.3 },
  ...changes,
});

/** Two scenes as images and truth. */
function batch(seed: number, axes: 2 | 3 = 2) {
  const { data, size, truth } = scenes(seed, 2, axes, 2);
  const length = data.length / 2;
  return {
    images: [0, 1].map((n) => ({ data: data.slice(n * length, (n + 1) * length), size, id: `scene ${seed}.${n}` })),
    truth: truth.map(({ boxes, labels }): ImageTruth => ({ boxes: [...boxes], labels: [...labels] })),
  };
}

const sameWeights = (a: StateMap, b: StateMap): void => {
  expect([...a.keys()]).toEqual([...b.keys()]);
  for (const [name, { data }] of a)
    expect([name, Buffer.compare(bytes(data), bytes(b.get(name)!.data))]).toEqual([name, 0]);
};
const bytes = ({ buffer, byteOffset, byteLength }: Float32Array): Buffer => Buffer.from(buffer, byteOffset, byteLength);

/** A convolution and the mean of its map, in place of two wide layers. */
const ownHead: RegionHead = (pooled, scope) => {
  const y = relu(convLayer(pooled, 24, scope.child("conv"), { kernel: 3, padding: 1 }));
  return relu(linearLayer(globalAveragePool(y), 48, scope.child("fc")));
};

describe("a detector that is made in memory", () => {
  it("has the settings asked for over the preset's, and refuses what cannot be by its path", async () => {
    const detector = await fasterRcnn.create({
      classes: ["a", "b"],
      anchors: { sizes: [[16], [32], [64], [128], [256]] },
      engine,
    });
    expect(detector.config.anchors.sizes).toEqual([[16], [32], [64], [128], [256]]);
    expect(detector.config.anchors.ratios).toEqual([0.5, 1, 2]);
    expect([detector.config.classes, detector.config.backbone.norm]).toEqual([3, "batch"]);
    await detector.close();
    await expect(detector.detect([])).rejects.toThrow("detector: is closed");
    const wrong = (options: object) => fasterRcnn.create({ ...small(), ...options } as CreateDetectorOptions);
    await expect(wrong({ anchors: { sizes: [[8, 9], [16]] } })).rejects.toThrow("anchors.sizes[1]: 1 size");
    await expect(wrong({ anchor: {} })).rejects.toThrow("detector: anchor: is no setting. Did you mean anchors?");
    await expect(wrong({ classes: ["a", "a"] })).rejects.toThrow('classes: "a" is named twice');
    await expect(wrong({ freeze: /^bakbone/ })).rejects.toThrow("freeze: /^bakbone/ matches no parameter");
    await expect(wrong({ regions: { head: "fcc" } })).rejects.toThrow("regions.head: must be fc, layer4, or");
    await expect(wrong({ regions: { head: (x: unknown) => x } })).rejects.toThrow("regions.head: gives [1, 32, 7, 7]");
    await expect(wrong({ regions: { head: "custom" } })).rejects.toThrow("regions.head: custom stands for a function");
  });

  it("leaves what is frozen as it is, running statistics included", async () => {
    const { images, truth } = batch(1);
    const { backbone } = small();
    await using detector = await fasterRcnn.create({
      ...small(),
      backbone: { ...backbone, norm: "batch" },
      freeze: /^backbone\.body\.(conv1|bn1|layer1)\./,
    });
    await detector.step(images, truth);
    const before = await detector.weights();
    await detector.step(images, truth);
    const after = await detector.weights();
    const moved = [...after].flatMap(([name, { data }]) =>
      data.every((value, i) => value === before.get(name)?.data[i]) ? [] : [name],
    );
    expect(moved.filter((name) => /^backbone\.body\.(conv1|bn1|layer1)\./.test(name))).toEqual([]);
    expect(moved).toContain("backbone.body.layer2.0.bn1.running_mean");
  });

  it("takes boxes in every form, leaves the caller's arrays alone, and gives the same loss for each", async () => {
    const { images, truth } = batch(1);
    const lists = truth.map(({ boxes, labels }) => ({
      boxes: [0, 1].map((i) => [...(boxes as number[])].slice(4 * i, 4 * i + 4)),
      labels,
    }));
    const typed = truth.map(({ boxes, labels }) => ({
      boxes: Float64Array.from(boxes as number[]),
      labels: Int32Array.from(labels),
    }));
    const losses: number[] = [];
    for (const form of [truth, lists, typed]) {
      await using detector = await fasterRcnn.create(small());
      const { step, loss, losses: parts } = await detector.step(images, form);
      expect(step).toBe(1);
      expect(Object.keys(parts)).toEqual(["loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg"]);
      losses.push(loss);
    }
    expect(new Set(losses).size).toBe(1);
    expect(images[0].data.length).toBe(64 * 64);
    expect(typed[0].boxes.length).toBe(8);
  });

  it("refuses truth by image and box, and images by their id", async () => {
    await using detector = await fasterRcnn.create(small());
    const { images } = batch(1);
    const [one] = images;
    const step = (boxes: ImageTruth["boxes"], labels: number[]) => detector.step([one], [{ boxes, labels }]);
    await expect(step([1, 2, 3, 4], [2])).rejects.toThrow(
      new DataError("truth[0] (scene 1.0): box 0: label 2; classes are 0 to 1, the background is none"),
    );
    await expect(
      step(
        [
          [1, 2, 3, 4],
          [9, 9, 4, 12],
        ],
        [0, 1],
      ),
    ).rejects.toThrow("box 1: 9,9–4,12 is inverted");
    await expect(step([100, 2, 110, 4], [0])).rejects.toThrow("box 0: 100,2–110,4 lies outside the image of 64×64");
    await expect(step([[1, 2, 3]], [0])).rejects.toThrow(
      new ShapeError("truth[0] (scene 1.0): box 0: has 3 numbers; a 2D box has 4: x1 y1 x2 y2"),
    );
    await expect(step([1, 2, 3, 4], [])).rejects.toThrow("truth[0] (scene 1.0): 0 labels for 1 boxes");
    await expect(detector.step([{ ...one, size: [64, 32] }], [])).rejects.toThrow("scene 1.0: an image of 64×32");
    await expect(detector.detect([{ ...one, size: [8, 8, 64] }])).rejects.toThrow("is 3D; the detector takes pictures");
    // An image without truth has none; nothing above counted as a step.
    expect((await detector.step(images, [])).step).toBe(1);
  });

  it("stops with the signal's reason, and tells how far it is", async () => {
    await using detector = await fasterRcnn.create(small());
    const { images, truth } = batch(2);
    const reason = new Error("enough");
    const stopped = AbortSignal.abort(reason);
    await expect(detector.step(images, truth, { signal: stopped })).rejects.toBe(reason);
    await expect(detector.propose(images, { signal: stopped })).rejects.toBe(reason);
    const between = new AbortController();
    const said: string[] = [];
    const onProgress = (done: number, total: number, id: string): void => {
      said.push(`${done}/${total} ${id}`);
      between.abort(reason);
    };
    await expect(detector.detect(images, { signal: between.signal, onProgress })).rejects.toBe(reason);
    expect(said).toEqual(["1/2 scene 2.0"]);
    expect((await detector.detect(images)).map(({ id }) => id)).toEqual(["scene 2.0", "scene 2.1"]);
  });

  it("proposes and detects in the pixels of the image as it was given", async () => {
    const { images } = batch(5);
    await using whole = await fasterRcnn.create(small());
    // The same picture comes to the network as before, from twice the size.
    const [{ data, size }] = images;
    const twice = new Float32Array(4 * data.length).map(
      (_, i) => data[Math.floor(i / 256) * 64 + Math.floor((i % 128) / 2)],
    );
    await using halved = await fasterRcnn.create(small({ input: { divisor: 8, minSide: [64], maxSide: 64 } }));
    const [near] = await whole.propose([{ data, size }]);
    const [far] = await halved.propose([{ data: twice, size: [128, 128] }]);
    expect(near.boxes.length).toBeGreaterThan(0);
    expect(Math.max(...near.boxes)).toBeLessThanOrEqual(64);
    expect(Array.from(far.boxes)).toEqual(Array.from(near.boxes, (value) => 2 * value));
  });

  it("tells windows and bytes before it runs", async () => {
    await using pictures = await fasterRcnn.create(small());
    const [few, many] = [
      [64, 64],
      [512, 512],
    ].map((size) => pictures.estimate(size));
    expect([few.windows, many.windows]).toEqual([1, 1]);
    expect(many.bytes).toBeGreaterThan(few.bytes);
    await using volumes = await fasterRcnn.create({ classes: ["nodule"], axes: 3, canvas: [32, 32, 32], engine });
    expect(volumes.estimate([64, 64, 64]).windows).toBe(1);
    expect(volumes.estimate([100, 100, 64]).windows).toBe(4);
    expect(() => volumes.estimate([64, 64])).toThrow("estimate: size 64×64; the detector takes 3D images");
  });
});

describe.each([
  ["the library's head", undefined],
  ["a head of its own", ownHead],
])("a detector with %s", (name, head) => {
  const options = small(head && { regions: { ...small().regions, head } });

  it("learns, and goes on after it was saved as if it had never been closed", { timeout: 300_000 }, async () => {
    const file = join(folder, `${name}.safetensors`);
    const detector = await fasterRcnn.create(options);
    const losses: number[] = [];
    for (let n = 0; n < 30; n++) {
      const { images, truth } = batch(n % 3);
      losses.push((await detector.step(images, truth)).loss);
    }
    const mean = (some: number[]): number => some.reduce((a, b) => a + b, 0) / some.length;
    expect(mean(losses.slice(-6))).toBeLessThan(0.7 * mean(losses.slice(0, 6)));
    await detector.save(file);
    await expect(detector.save(file)).rejects.toThrow("exists");
    const { images, truth } = batch(2);
    const before = await detector.detect(images);
    const next = await detector.step(images, truth);
    const weights = await detector.weights();
    await detector.close();

    if (head !== undefined)
      await expect(fasterRcnn.resume(file, { engine })).rejects.toThrow("the same function must be given again (head)");
    else await expect(fasterRcnn.resume(file, { engine, head: ownHead })).rejects.toThrow('has the head "fc"');
    await using again = await fasterRcnn.resume(file, { engine, head, optimizer: options.optimizer });
    expect([again.steps, again.classes]).toEqual([30, ["bright", "dark"]]);
    expect(await again.detect(images)).toEqual(before);
    expect(await again.step(images, truth)).toEqual(next);
    sameWeights(await again.weights(), weights);
  });

  it("is exported as one graph that finds the same", async () => {
    await using detector = await fasterRcnn.create(options);
    for (let n = 0; n < 40; n++) {
      const { images, truth } = batch(n % 2);
      await detector.step(images, truth);
    }
    const { images } = batch(1);
    const found = await detector.detect(images);
    const program = await engine.load(await detector.toOnnx({ canvas: [64, 64] }));
    for (const [n, { data }] of images.entries()) {
      const { outputs } = await program.run({ image: { data: data.slice(), shape: [1, 1, 64, 64] } });
      expect(outputs.boxes.data.length).toBe(found[n].boxes.length);
      for (const [i, value] of found[n].boxes.entries()) expect(Number(outputs.boxes.data[i])).toBeCloseTo(value, 2);
    }
    expect(found.some(({ scores }) => scores.length > 0)).toBe(true);
    await program.close();
  });
});

it("learns from volumes with the same words", { timeout: 300_000 }, async () => {
  await using detector = await fasterRcnn.create({
    ...small({ axes: 3, canvas: [24, 24, 24] }),
    backbone: { ...small().backbone, levels: ["stem", "layer1"] },
    anchors: { style: "exact", sizes: [[7], [10]], ratios: [1], depthRatios: [1] },
    regions: { ...small().regions, outputSize: [3, 3, 3] },
  });
  const { images, truth } = batch(1, 3);
  const { loss } = await detector.step(images, truth);
  expect(Number.isFinite(loss)).toBe(true);
  const [{ axes, boxes }] = await detector.propose(images);
  expect([axes, boxes.length % 6]).toEqual([3, 0]);
});
