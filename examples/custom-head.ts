/**
 * A detector with a head of one's own: a small convolution in place of two wide layers. It is trained, saved, opened again with the same
 * function, trained further, and written as one ONNX file.
 *
 *   npm run build && npx tsx examples/custom-head.ts
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { random } from "medvox";
import { relu } from "medvox/graph";
import { adamW, convLayer, groupNormLayer, linearLayer } from "medvox/nn";
import { type CreateDetectorOptions, fasterRcnn, type RegionHead } from "medvox/rcnn";

const SIDE = 64;

/**
 * From pooled regions [Q, C, 4, 4] to one vector each, [Q, 64]. Whatever has parameters gets a name below `scope`; the layers that make scores
 * and boxes of the vectors are the detector's own.
 */
const head: RegionHead = (pooled, scope) => {
  let y = relu(
    groupNormLayer(convLayer(pooled, 32, scope.child("conv1"), { kernel: 3, padding: 1 }), 8, scope.child("norm1")),
  );
  y = relu(convLayer(y, 32, scope.child("conv2"), { kernel: 3, padding: 1 }));
  return relu(linearLayer(y, 64, scope.child("fc")));
};

const optimizer = adamW({ lr: 1e-3 });

/** A network small enough for a minute on a laptop: strides 4 and 8, few channels. */
const settings: CreateDetectorOptions = {
  classes: ["bright", "dark"],
  channels: 1,
  optimizer,
  input: { divisor: 8, minSide: null, maxSide: null },
  backbone: {
    ...{ depth: 10, norm: "group", normGroups: 8 },
    ...{ levels: ["layer1", "layer2"], pyramidChannels: 32, extraLevel: false },
  },
  anchors: { style: "exact", sizes: [[10], [18]], ratios: [1] },
  rpn: {
    positiveOverlap: 0.5,
    sampleCount: 64,
    training: { before: 200, after: 100 },
    inference: { before: 200, after: 50 },
  },
  regions: { head, outputSize: [4, 4], canonicalSide: 12, canonicalLevel: 3, sampleCount: 32 },
  detections: { minimumScore: 0.3, suppressionOverlap: 0.3 },
};

/** A noisy picture with one bright and one dark square, and where they are. */
function scene(seed: number) {
  const numbers = random(seed, "squares");
  const data = Float32Array.from({ length: SIDE * SIDE }, () => 0.5 + 0.05 * numbers.normal());
  const boxes = [0, 1].map((label) => {
    const side = 8 + numbers.integer(10);
    const [x, y] = [label * 32 + numbers.integer(32 - side), numbers.integer(SIDE - side)];
    for (let row = y; row < y + side; row++) data.fill(label === 0 ? 0.9 : 0.1, row * SIDE + x, row * SIDE + x + side);
    return [x, y, x + side, y + side];
  });
  return { image: { data, size: [SIDE, SIDE], id: `scene ${seed}` }, truth: { boxes, labels: [0, 1] } };
}

async function teach(detector: Awaited<ReturnType<typeof fasterRcnn.create>>, from: number, to: number) {
  for (let step = from; step < to; step++) {
    const scenes = [scene(2 * step), scene(2 * step + 1)];
    const { loss } = await detector.step(
      scenes.map(({ image }) => image),
      scenes.map(({ truth }) => truth),
    );
    if ((step + 1) % 20 === 0) console.log(`step ${step + 1}  loss ${loss.toFixed(3)}`);
  }
}

const folder = await mkdtemp(join(tmpdir(), "medvox-head-"));
const file = join(folder, "squares.safetensors");
const first = await fasterRcnn.create(settings);
await teach(first, 0, 60);
await first.save(file);
await first.close();

// A file cannot keep a function: the head is given again. The optimizer's state and the number of steps come from the file.
const detector = await fasterRcnn.resume(file, { head, optimizer });
await teach(detector, detector.steps, 160);

const unseen = scene(1_000_000);
const [found] = await detector.detect([unseen.image]);
for (const [i, label] of found.labels.entries()) {
  const box = [...found.boxes.subarray(4 * i, 4 * i + 4)].map(Math.round);
  console.log(`${detector.classes[label]}  ${box.join(" ")}  score ${found.scores[i].toFixed(2)}`);
}
console.log(`true: ${unseen.truth.boxes.map((box) => box.join(" ")).join(", ")}`);

await writeFile(join(folder, "squares.onnx"), await detector.toOnnx({ canvas: [SIDE, SIDE] }));
console.log("written: squares.onnx");
await detector.close();
await rm(folder, { recursive: true });
