/**
 * Peer: one 3D convolution, forward and both gradients, in @tensorflow/tfjs-backend-wasm. See peer.py for the protocol.
 *
 *     node tfjs_conv.mjs FOLDER_WITH_NODE_MODULES
 *     {"cmd": "setup", "batch": 2, "size": [16, 16, 16], "ci": 64, "co": 64}
 *
 * x, w and the output's gradient are sin(0.01·i), so that the sums answered (of the output and of both gradients, squared) can be
 * compared. Channels last, as tfjs wants them. In Node this backend has one thread.
 */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";

const folder = process.argv[2];
const require = createRequire(join(folder, "package.json"));
const tf = require("@tensorflow/tfjs-core");
const wasm = require("@tensorflow/tfjs-backend-wasm");
wasm.setWasmPaths(`${dirname(require.resolve("@tensorflow/tfjs-backend-wasm"))}/`);

const wave = (shape) => {
  const size = shape.reduce((a, b) => a * b, 1);
  return tf.tensor(
    Float32Array.from({ length: size }, (_, i) => Math.sin(0.01 * i)),
    shape,
  );
};
let state;

async function answer(request) {
  switch (request.cmd) {
    case "setup": {
      await tf.setBackend("wasm");
      await tf.ready();
      const { batch, size, ci, co } = request;
      state = { x: wave([batch, ...size, ci]), w: wave([3, 3, 3, ci, co]), dy: wave([batch, ...size, co]) };
      return { ready: true, tfjs: tf.version_core, backend: tf.getBackend(), threads: wasm.getThreadsCount?.() ?? 1 };
    }
    case "step": {
      const { x, w, dy } = state;
      const began = performance.now();
      // The gradients' kernels by name: tfjs-core registers its gradient functions only inside the @tensorflow/tfjs bundle.
      const window = { strides: [1, 1, 1], pad: "same" };
      const results = [
        tf.conv3d(x, w, 1, "same"),
        tf.engine().runKernel("Conv3DBackpropInputV2", { dy, filter: w }, { ...window, inputShape: x.shape }),
        tf.engine().runKernel("Conv3DBackpropFilterV2", { x, dy }, { ...window, filterShape: w.shape }),
      ];
      // The values are there only when they are read.
      await Promise.all(results.map((tensor) => tensor.data()));
      const ms = performance.now() - began;
      const sums = results.map((tensor) => tf.tidy(() => tf.sum(tf.square(tensor)).dataSync()[0]));
      for (const tensor of results) tensor.dispose();
      return { ms, sums };
    }
    default:
      throw new Error(`unknown command ${request.cmd}`);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() === "") continue;
  const request = JSON.parse(line);
  if (request.cmd === "quit") break;
  const reply = await answer(request).catch((error) => ({ error: String(error?.message ?? error) }));
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}
process.exit(0);
