/**
 * A network of one's own, from files to ONNX: it learns to outline balls in small made-up scans, then goes into a file that any ONNX engine runs.
 *
 *   npm run build && npx tsx examples/own-network.ts [FOLDER]
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createLoader, type Preprocessing, prepareCase } from "medvox/data";
import { concat, maxPool, relu, resize, type Scope, scope, type Tensor } from "medvox/graph";
import { dice } from "medvox/metrics";
import { adamW, convLayer, diceCrossEntropy, instanceNormLayer } from "medvox/nn";
import { train } from "medvox/train";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { writeMadeUp } from "./made-up-volumes.ts";

const [folder = "runs/own-network"] = process.argv.slice(2);
const cases = await writeMadeUp(folder, 10);
const [learned, unseen] = [cases.slice(0, 8), cases.slice(8)];

/** A convolution of 3×3×3, a norm and a ReLU. Names of weights are PyTorch's: `down.conv.weight`, `down.norm.bias`, … */
function block(x: Tensor, channels: number, at: Scope): Tensor {
  const y = convLayer(x, channels, at.child("conv"), { kernel: 3, padding: 1, bias: false });
  return relu(instanceNormLayer(y, at.child("norm")));
}

/** A U-Net of two levels: [N, 1, D, H, W] → scores of background and ball, [N, 2, D, H, W]. */
function network(input: Tensor): Tensor {
  const fine = block(input, 8, scope("fine"));
  const coarse = block(maxPool(fine, { kernel: 2 }), 16, scope("coarse"));
  const joined = concat([resize(coarse, { size: input.shape.slice(2) }), fine], 1);
  return convLayer(block(joined, 8, scope("joined")), 2, scope("scores"), { kernel: 1 });
}

const prepare: Preprocessing = {
  orientation: "RAS",
  spacingMm: [2, 2, 2],
  intensity: { kind: "zscore" },
  channels: 1,
  labels: [0, 1],
};

// Worker threads read the scans and cut patches of them. `train` takes the loader as it is: its batches carry their shapes.
await using loader = createLoader({
  cases: learned,
  prepare,
  patch: [16, 16, 16],
  batch: 4,
  seed: 0,
  stepsPerEpoch: 8,
});
await using model = await train({
  network,
  loss: diceCrossEntropy,
  optimizer: adamW({ lr: 1e-2 }),
  data: loader,
  epochs: 6,
  onEpoch: ({ epoch, loss }) => console.log(`epoch ${epoch}  loss ${loss.toFixed(3)}`),
});

// Scans that it never saw, whole: the network takes any size that halves.
for (const scan of unseen) {
  const { image, label, channels, spatial } = await prepareCase(scan, prepare, true);
  const { data } = await model.predict({ data: image as Float32Array, shape: [1, channels, ...spatial] });
  const voxels = data.length / 2;
  const found = Uint8Array.from({ length: voxels }, (_, i) => (data[voxels + i] > data[i] ? 1 : 0));
  const truth = label!;
  const count = { truth: 0, prediction: 0, both: 0 };
  for (let i = 0; i < voxels; i++) {
    count.truth += truth[i];
    count.prediction += found[i];
    count.both += truth[i] & found[i];
  }
  console.log(`${scan.id}: Dice ${dice(count)?.toFixed(3)}`);
}

const file = join(folder, "net.onnx");
await writeFile(file, await model.toOnnx({ shape: [1, 1, 16, 16, 16], free: ["batch"] }));

// The file has standard operators and the weights inside. Here it looks at three patches at once and says what the model says.
const session = await InferenceSession.create(file);
const patches = Float32Array.from({ length: 3 * 16 ** 3 }, (_, i) => Math.sin(i / 50));
const shape = [3, 1, 16, 16, 16];
const { output } = await session.run({ input: new OrtTensor("float32", patches, shape) });
const same = await model.predict({ data: patches, shape });
const difference = same.data.reduce((most, value, i) => Math.max(most, Math.abs(value - Number(output.data[i]))), 0);
console.log(`${file}: [${output.dims.join(", ")}], at most ${difference.toExponential(0)} from the model`);
