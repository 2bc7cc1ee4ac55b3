/**
 * One joint training step (ResNet-18-FPN, 2 images of 320×240) and inference (ResNet-50-FPN, 640×480) of medvox, by
 * `npx tsx bench/detector.ts [threads] [steps]`; `bench/peers/torchvision_detector.py` does the same in torchvision. Prints processor time
 * beside wall time: on a machine that does other work, too, that is the fairer one.
 */
import { sgd } from "../src/nn/index.ts";
import { random } from "../src/random.ts";
import { parseDetector } from "../src/rcnn/config.ts";
import { createDetector } from "../src/rcnn/detector.ts";
import { preset } from "../src/rcnn/presets.ts";
import { trainingDefinition } from "../src/rcnn/training.ts";
import { createEngine } from "../src/runtime/index.ts";
import { createModel } from "../src/train/index.ts";

const threads = Number(process.argv[2] ?? 2);
const steps = Number(process.argv[3] ?? 5);
const stream = random(1, "bench detector");
const noise = (count: number): Float32Array => Float32Array.from({ length: count }, () => stream.uniform());

/** Median wall and processor milliseconds. */
async function timed(what: string, run: () => Promise<unknown>): Promise<void> {
  await run();
  await run();
  const walls: number[] = [];
  const works: number[] = [];
  for (let i = 0; i < steps; i++) {
    const began = performance.now();
    const before = process.cpuUsage();
    await run();
    const { user, system } = process.cpuUsage(before);
    walls.push(performance.now() - began);
    works.push((user + system) / 1000);
  }
  const median = (list: number[]): string => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)].toFixed(0);
  console.log(`${what}: wall ${median(walls)} ms, processor ${median(works)} ms`);
}

const engine = await createEngine({ threads });

const settings = preset("modern", { classes: 4, depth: 18 });
const config = parseDetector({ ...settings, input: { ...settings.input, minSide: [240], maxSide: 320 } });
const definition = trainingDefinition(config, "joint");
const size = [320, 256];
const model = await createModel(
  { engine, ...definition, optimiser: sgd({ lr: 1e-4, momentum: 0.9, weightDecay: 1e-4 }) },
  definition.example(2, size),
);
const truth = Array.from({ length: 2 }, () => ({
  boxes: Float32Array.from({ length: 12 * 4 }, (_, i) => {
    const box = Math.floor(i / 4);
    const low = i % 2 === 0 ? 20 + 24 * box : 30 + 14 * (box % 10);
    return i % 4 < 2 ? low : low + 50;
  }),
  labels: Int32Array.from({ length: 12 }, (_, i) => 1 + (i % 3)),
}));
let step = 0;
await timed("joint step, ResNet-18-FPN, 2 images of 320×240", async () => {
  step++;
  const images = {
    data: noise(2 * 3 * size[0] * size[1]),
    size,
    sizes: [
      [320, 240],
      [320, 240],
    ],
    truth,
  };
  await model.step([definition.feeds(images, `step ${step}`)], step, 1e-4);
});
await model.close();

if (process.argv[4] !== "step") {
  const whole = preset("modern", { classes: 91 });
  const inference = parseDetector({ ...whole, input: { ...whole.input, minSide: [480], maxSide: 640 } });
  const untrained = await createModel(
    { engine, ...trainingDefinition(inference, "joint"), optimiser: sgd({ lr: 1 }) },
    trainingDefinition(inference, "joint").example(1, [64, 64]),
  );
  const detector = createDetector({ engine, config: inference, weights: await untrained.weights() });
  await untrained.close();
  const image = { data: noise(3 * 640 * 480), size: [640, 480] };
  await timed("inference, ResNet-50-FPN, 640×480", () => detector.detect([image]));
  console.log(detector.times);
  await detector.close();
}
await engine.close();
