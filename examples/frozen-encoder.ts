/**
 * An encoder that is trained already, used for another task: its weights are read from a file and stay as they are, and a new head
 * learns on top of them. The file may be a PyTorch checkpoint (`resnet_18.pth`) or safetensors; here the example trains and writes it itself.
 *
 *   npm run build && npx tsx examples/frozen-encoder.ts [FOLDER]
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { random } from "medvox";
import { writeSafetensors } from "medvox/files";
import { globalAveragePool, type Scope, scope, type Tensor } from "medvox/graph";
import { adamW, crossEntropy, linearLayer, meanSquaredError, resnet3d } from "medvox/nn";
import { type LabelledBatch, train } from "medvox/train";

const [folder = "runs/frozen-encoder"] = process.argv.slice(2);
await mkdir(folder, { recursive: true });
const [SIZE, COUNT] = [12, 16];

/** MedicalNet's ResNet, narrow and short so that the example takes seconds. Leave `width` and `stages` out for the released weights. */
const encoder = (x: Tensor, at?: Scope): Tensor => resnet3d(x, { depth: 10, width: 8, stages: 2, scope: at }).out;

/** Volumes with a bright ball each, and its radius in voxels. */
function balls(seed: number) {
  const numbers = random(seed, "balls");
  const data = new Float32Array(COUNT * SIZE ** 3);
  const radii = Float32Array.from({ length: COUNT }, () => numbers.between(1.5, 5));
  for (let i = 0; i < data.length; i++) {
    const at = [i % SIZE, Math.floor(i / SIZE) % SIZE, Math.floor(i / SIZE ** 2) % SIZE];
    const inside = Math.hypot(...at.map((n) => n - 5.5)) < radii[Math.floor(i / SIZE ** 3)];
    data[i] = (inside ? 1 : 0) + 0.3 * numbers.normal();
  }
  return { input: { data, shape: [COUNT, 1, SIZE, SIZE, SIZE] }, radii };
}

/** The first task: how large is the ball? Its target is a number. */
const measured = (seed: number): LabelledBatch => {
  const { input, radii } = balls(seed);
  return { input, target: { data: radii.map((radius) => radius - 3), shape: [COUNT, 1] } };
};

/** The second task: is it a large one? Its target is a class, 0 or 1. */
const sorted = (seed: number): LabelledBatch => {
  const { input, radii } = balls(seed);
  return { input, target: { data: Int32Array.from(radii, (radius) => (radius > 3.25 ? 1 : 0)), shape: [COUNT] } };
};

const weights = join(folder, "encoder.safetensors");
{
  await using first = await train({
    network: (x) => linearLayer(globalAveragePool(encoder(x)), 1, scope("radius")),
    loss: meanSquaredError,
    optimizer: adamW({ lr: 1e-2 }),
    data: (epoch) => Array.from({ length: 6 }, (_, n) => measured(6 * epoch + n)),
    epochs: 5,
    onEpoch: ({ epoch, loss }) => console.log(`radius  epoch ${epoch}  loss ${loss.toFixed(3)}`),
  });
  await writeSafetensors(weights, await first.weights(), {}, { force: true });
}

// `into` names the part of the new network that the file is for; the head begins with random values. Whatever `freeze` matches stays
// as it is, and so do the running statistics of its batch norms.
await using second = await train({
  network: (x) => linearLayer(globalAveragePool(encoder(x, scope("encoder"))), 2, scope("head")),
  loss: crossEntropy,
  start: { from: weights, into: "encoder" },
  freeze: /^encoder\./,
  optimizer: adamW({ lr: 5e-2 }),
  data: (epoch) => Array.from({ length: 6 }, (_, n) => sorted(1000 + 6 * epoch + n)),
  epochs: 4,
  onEpoch: ({ epoch, loss }) => console.log(`large?  epoch ${epoch}  loss ${loss.toFixed(3)}`),
});

const { input, target } = sorted(1_000_000);
const { data } = await second.predict(input);
const right = [...target.data].filter((truth, n) => (data[2 * n + 1] > data[2 * n] ? 1 : 0) === truth).length;
console.log(`${right} of ${COUNT} unseen volumes told right`);
