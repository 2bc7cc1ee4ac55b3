/**
 * The bare machinery: a convolution, its loss and the derivative by its weights, as one graph of standard ONNX operators.
 * The same bytes run here, in Python's onnxruntime or in a browser.
 *
 *   npm run build && npx tsx examples/step-as-a-graph.ts
 */
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { conv, gradients, graph, mean, readOnnx, square } from "medvox/graph";
import { kaimingNormal } from "medvox/nn";
import { createEngine } from "medvox/runtime";

const g = graph();
const x = g.input("x", [8, 1, 16, 16, 16]);
const w = g.parameter("w", [16, 1, 3, 3, 3], kaimingNormal);
const loss = mean(square(conv(x, w, { padding: 1 })));
const [dw] = gradients(loss, [w]); // more nodes of the same graph

const bytes = g.toOnnx({ loss, dw });
const path = join(tmpdir(), "medvox-step.onnx");
await writeFile(path, bytes);
console.log(`${path}: ${bytes.length} bytes`, readOnnx(bytes).operators);

const engine = await createEngine();
const program = await engine.load(bytes);
const { outputs, ms } = await program.run({
  x: { data: Float32Array.from({ length: x.size }, (_, i) => Math.sin(i)), shape: x.shape },
  w: { data: Float32Array.from({ length: w.size }, (_, i) => Math.cos(i) / 10), shape: w.shape },
});
console.log(`loss ${outputs.loss.data[0]}, dw [${outputs.dw.shape}], ${ms.toFixed(1)} ms`);
await engine.close();
