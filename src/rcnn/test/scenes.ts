/** Made-up scenes of bright boxes in noise, in 2D and 3D, and a detector small enough to learn them in a test. */
import { random } from "../../random.ts";
import { type DetectorConfig, parseDetector } from "../network/config.ts";
import type { TrainingImages } from "../training/training.ts";

/** Side of a scene, voxels. */
export const SCENE = { 2: 64, 3: 24 } as const;

/** A detector of strides 4 and 8, in 3D 2 and 4, with few channels. Class 1 is bright, class 2 dark. */
export function smallDetector(
  axes: 2 | 3,
  changes: Partial<Record<keyof DetectorConfig, object>> = {},
): DetectorConfig {
  const base = {
    axes,
    channels: 1,
    classes: 3,
    input: { divisor: 8 },
    backbone: {
      kind: "resnet",
      depth: 10,
      norm: "group",
      normGroups: 8,
      levels: axes === 2 ? ["layer1", "layer2"] : ["stem", "layer1"],
      pyramidChannels: 32,
      extraLevel: false,
    },
    anchors: { style: "exact", sizes: axes === 2 ? [[8], [16]] : [[7], [10]], ratios: [1] },
    rpn: {
      objectness: "sigmoid",
      dropBoundary: false,
      // The same shift costs more overlap in 3D.
      positiveOverlap: axes === 2 ? 0.5 : 0.35,
      negativeOverlap: axes === 2 ? 0.3 : 0.15,
      lossNormalisation: "sampled",
      sampleCount: 64,
      training: { before: 200, after: 100 },
      inference: { before: 200, after: 50 },
    },
    regions: {
      pooling: "align",
      outputSize: new Array(axes).fill(4),
      canonicalSide: 12,
      canonicalLevel: axes === 2 ? 3 : 2,
      head: "fc",
      hidden: 64,
      positiveOverlap: axes === 2 ? 0.5 : 0.35,
      negativeOverlap: axes === 2 ? 0.5 : 0.35,
      sampleCount: 32,
    },
    detections: { minimumScore: 0.5, suppressionOverlap: 0.3 },
  };
  const merged = Object.fromEntries(
    Object.entries(base).map(([key, value]) => {
      const change = changes[key as keyof DetectorConfig];
      return [key, typeof value === "object" ? { ...value, ...change } : value];
    }),
  );
  return parseDetector(merged);
}

/** A batch of scenes; each has up to three boxes that do not touch, some have none. */
export function scenes(seed: number, images: number, axes: 2 | 3, boxesPerScene?: number): TrainingImages {
  const side = SCENE[axes];
  const stream = random(seed, "scenes");
  const voxels = side ** axes;
  const data = new Float32Array(images * voxels);
  const truth = Array.from({ length: images }, (_, n) => {
    const image = data.subarray(n * voxels, (n + 1) * voxels);
    for (let i = 0; i < voxels; i++) image[i] = 0.1 * stream.normal();
    const boxes: number[][] = [];
    const labels: number[] = [];
    const wanted = boxesPerScene ?? stream.integer(4);
    for (let attempt = 0; attempt < 40 && boxes.length < wanted; attempt++) {
      const sides = Array.from({ length: axes }, () => 6 + stream.integer(axes === 2 ? 14 : 6));
      const low = sides.map((length) => stream.integer(side - length));
      const box = [...low, ...low.map((at, axis) => at + sides[axis])];
      const apart = boxes.every((other) =>
        low.some((at, axis) => at > other[axes + axis] + 2 || box[axes + axis] < other[axis] - 2),
      );
      if (!apart) continue;
      const label = stream.integer(2);
      boxes.push(box);
      labels.push(label);
      for (let i = 0; i < voxels; i++) {
        const place = [i % side, Math.floor(i / side) % side, Math.floor(i / side ** 2)];
        const inside = low.every((at, axis) => place[axis] >= at && place[axis] < box[axes + axis]);
        if (inside) image[i] += label === 0 ? 1 : -1;
      }
    }
    return { boxes: Float32Array.from(boxes.flat()), labels: Int32Array.from(labels) };
  });
  const size = new Array<number>(axes).fill(side);
  return { data, size, sizes: new Array(images).fill(size), truth };
}
