/**
 * A detector with anchors of one's own, for objects of sizes that one has measured: shown pictures with their boxes, asked for what it finds and
 * for what its first stage proposes, watched and stopped, and scored.
 *
 *   npm run build && npx tsx examples/own-anchors.ts
 */
import { random } from "medvox";
import { cocoFigures, cocoScores } from "medvox/metrics";
import { adamW } from "medvox/nn";
import { fasterRcnn } from "medvox/rcnn";

const [WIDTH, HEIGHT] = [96, 64];

/** A noisy picture with two flat ellipses, and their boxes: one flat list of numbers, two corners each. */
function smear(seed: number) {
  const numbers = random(seed, "smear");
  const data = Float32Array.from({ length: WIDTH * HEIGHT }, () => 0.4 + 0.05 * numbers.normal());
  const boxes: number[] = [];
  const labels: number[] = [];
  for (const left of [0, WIDTH / 2]) {
    const label = numbers.integer(2);
    const width = label === 0 ? 14 + numbers.integer(6) : 26 + numbers.integer(8);
    const height = width / 2;
    const [cx, cy] = [left + WIDTH / 4 + numbers.between(-4, 4), numbers.between(height, HEIGHT - height)];
    for (let y = 0; y < HEIGHT; y++)
      for (let x = 0; x < WIDTH; x++)
        if (Math.hypot((2 * (x + 0.5 - cx)) / width, (2 * (y + 0.5 - cy)) / height) < 1) data[y * WIDTH + x] += 0.4;
    boxes.push(cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2);
    labels.push(label);
  }
  return { image: { data, size: [WIDTH, HEIGHT], id: `smear ${seed}` }, truth: { boxes, labels } };
}

await using detector = await fasterRcnn.create({
  classes: ["small", "large"],
  channels: 1,
  optimizer: adamW({ lr: 1e-3 }),
  input: { divisor: 16, minSide: null, maxSide: null },
  backbone: {
    ...{ depth: 10, norm: "group", normGroups: 8 },
    ...{ levels: ["layer1", "layer2", "layer3"], pyramidChannels: 32, extraLevel: false },
  },
  // One list for each level of the pyramid, finest first, all of one length. Ratios are height to width: these ellipses are flat.
  anchors: { style: "exact", sizes: [[8], [12], [20]], ratios: [0.5] },
  rpn: {
    positiveOverlap: 0.5,
    sampleCount: 64,
    training: { before: 300, after: 150 },
    inference: { before: 300, after: 60 },
  },
  regions: { canonicalSide: 14, canonicalLevel: 3, hidden: 64, sampleCount: 48 },
  detections: { suppressionOverlap: 0.3 },
});

const { windows, bytes } = detector.estimate([WIDTH, HEIGHT]);
console.log(`a picture is ${windows} window and takes about ${Math.round(bytes / 1e6)} MB`);

for (let n = 0; n < 160; n++) {
  const pictures = [smear(2 * n), smear(2 * n + 1)];
  const { step, loss } = await detector.step(
    pictures.map(({ image }) => image),
    pictures.map(({ truth }) => truth),
  );
  if (step % 20 === 0) console.log(`step ${step}  loss ${loss.toFixed(3)}`);
}

const unseen = Array.from({ length: 8 }, (_, n) => smear(1_000_000 + n));
const images = unseen.map(({ image }) => image);
const found = await detector.detect(images, {
  signal: AbortSignal.timeout(600_000),
  onProgress: (done, total, id) => console.log(`${done}/${total}  ${id}`),
});
const [proposals] = await detector.propose(images.slice(0, 1));
console.log(`${proposals.scores.length} proposals in ${images[0].id}, the best with ${proposals.scores[0].toFixed(2)}`);

// Boxes are in the pixels of the picture, labels count from 0: they go to the scores as they are.
const scored = unseen.map(({ image, truth }, n) => ({
  image: image.id,
  truth: { boxes: Float64Array.from(truth.boxes), labels: truth.labels },
  detections: found[n],
}));
const { ap, ap50 } = cocoFigures(cocoScores(scored, { axes: 2, classes: detector.classes }));
console.log(`AP ${ap?.toFixed(2)}  AP50 ${ap50?.toFixed(2)}`);

// A run that is too long is stopped by its signal, and rejects with the signal's reason.
const stop = new AbortController();
const stopped = detector.detect(images, {
  signal: stop.signal,
  onProgress: () => stop.abort(new Error("seen enough")),
});
console.log(await stopped.catch((error: Error) => `stopped: ${error.message}`));
