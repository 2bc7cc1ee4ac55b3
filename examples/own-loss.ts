/**
 * A loss and a learning rate of one's own: which of two 3D shapes is it, a ball or a cube?
 *
 *   npm run build && npx tsx examples/own-loss.ts
 */
import { random } from "medvox";
import {
  add,
  globalAveragePool,
  logSoftmax,
  maxPool,
  mean,
  mul,
  neg,
  relu,
  scope,
  sum,
  type Tensor,
} from "medvox/graph";
import { adamW, batchNormLayer, convLayer, linearLayer, oneHot } from "medvox/nn";
import { train } from "medvox/train";

const SIZE = 16;

/** Two blocks of convolution, norm and pooling, then a linear layer: [N, 1, D, H, W] → scores [N, 2]. */
function network(input: Tensor): Tensor {
  let y = input;
  for (const [i, channels] of [8, 16].entries()) {
    const block = scope(`block${i + 1}`);
    y = convLayer(y, channels, block.child("conv"), { kernel: 3, padding: 1, bias: false });
    y = relu(batchNormLayer(y, block.child("norm")));
    y = maxPool(y, { kernel: 2 });
  }
  return linearLayer(globalAveragePool(y), 2, scope("head"));
}

/**
 * Cross-entropy with smoothed labels: 95 % for the right class, the rest for both alike. A loss builds nodes of a graph from scores and
 * target, and gives one number. Its gradient is found by itself. `oneHot` refuses labels that no class has when they are fed.
 */
function smoothedLoss(scores: Tensor, target: Tensor): Tensor {
  const classes = scores.shape[1];
  const wanted = add(mul(oneHot(target, classes), 0.95), 0.05 / classes);
  return neg(mean(sum(mul(wanted, logSoftmax(scores, 1)), { axes: [1] })));
}

/** A factor on the optimizer's rate: it rises over the first epoch, then falls with each further one. */
const schedule = ({ epoch, share }: { epoch: number; share: number }): number =>
  epoch === 0 ? 0.1 + 0.9 * share : 0.6 ** epoch;

/** `count` noisy volumes, half of them balls (class 0), half cubes (class 1). */
function batch(count: number, seed: number) {
  const numbers = random(seed, "shapes");
  const data = new Float32Array(count * SIZE ** 3);
  const target = new Int32Array(count);
  for (let n = 0; n < count; n++) {
    target[n] = n % 2;
    const radius = numbers.between(3, 6);
    const [cx, cy, cz] = [0, 0, 0].map(() => numbers.between(6, 10));
    for (let z = 0, i = n * SIZE ** 3; z < SIZE; z++) {
      for (let y = 0; y < SIZE; y++) {
        for (let x = 0; x < SIZE; x++, i++) {
          const [dx, dy, dz] = [x - cx, y - cy, z - cz].map(Math.abs);
          const inside = target[n] === 0 ? Math.hypot(dx, dy, dz) < radius : Math.max(dx, dy, dz) < radius * 0.8;
          data[i] = (inside ? 1 : 0) + 0.3 * numbers.normal();
        }
      }
    }
  }
  return { input: { data, shape: [count, 1, SIZE, SIZE, SIZE] }, target: { data: target, shape: [count] } };
}

await using model = await train({
  network,
  loss: smoothedLoss,
  schedule,
  // Groups treat parameters by name; a pattern that matches none is an error.
  optimizer: adamW({ lr: 2e-2, groups: [{ match: /^head\./, lrFactor: 2 }] }),
  data: (epoch) => Array.from({ length: 8 }, (_, i) => batch(16, epoch * 8 + i)),
  epochs: 8,
  onEpoch: ({ epoch, loss, learningRate }) =>
    console.log(`epoch ${epoch}  loss ${loss.toFixed(3)}  rate ${learningRate.toFixed(4)}`),
});

const unseen = batch(64, 1_000_000);
const scores = await model.predict(unseen.input);
const right = unseen.target.data.filter(
  (truth, n) => (scores.data[2 * n + 1] > scores.data[2 * n] ? 1 : 0) === truth,
).length;
console.log(`${right} of 64 unseen shapes told right`);
