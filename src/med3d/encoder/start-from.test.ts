/** Starting from an encoder of another depth: refused whichever is the deeper one, with or without a decoder beside it. */
import { expect, test } from "vitest";
import type { WeightTensor } from "../../weights/index.ts";
import { startFrom } from "./start-from.ts";

/** Names and shapes of a residual encoder of so many blocks a stage, each with one tensor. */
function encoder(blocks: readonly number[]): Map<string, readonly number[]> {
  const stages = blocks.flatMap((count, i) =>
    Array.from({ length: count }, (_, k): [string, number[]] => [`layer${i + 1}.${k}.conv1.weight`, [2, 2, 1, 1, 1]]),
  );
  return new Map([["conv1.weight", [2, 1, 1, 1, 1]], ...stages]);
}

async function start(from: ReadonlyMap<string, readonly number[]>, to: ReadonlyMap<string, readonly number[]>) {
  const tensors = new Map(
    [...from].map(([name, shape]): [string, WeightTensor] => [
      name,
      { dtype: "F32", shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) },
    ]),
  );
  const parameters = new Map([...to].map(([name, shape]) => [name, { shape, trainable: true }]));
  const model = { parameters, load: async () => {} };
  return startFrom(model, { from: "w.pth", tensors });
}

test.each([
  [[2, 2, 2, 2], [1, 1, 1, 1], /holds resnet18 .*the network is resnet10 .*4 unexpected tensors, the first layer1\.1/],
  [[1, 1, 1, 1], [2, 2, 2, 2], /holds resnet10 .*the network is resnet18 .*4 missing tensors, the first layer1\.1/],
] as const)("%j into %j", async (from, to, message) => {
  const decoder = [["decoder.0.weight", [2]]] as const;
  for (const more of [[], decoder]) {
    await expect(start(new Map([...encoder(from), ...more]), encoder(to))).rejects.toThrow(message);
    const wrapped = new Map([...encoder(from), ...more].map(([name, shape]) => [`module.${name}`, shape]));
    await expect(start(wrapped, encoder(to))).rejects.toThrow(message);
  }
});

test("the same depth starts, whatever heads there are", async () => {
  const found = await start(new Map([...encoder([1, 1, 1, 1]), ["fc.weight", [2]]]), encoder([1, 1, 1, 1]));
  expect(found.unexpected).toEqual(["fc.weight"]);
});
