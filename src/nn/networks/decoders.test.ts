/** The decoders' options: which parameters they make, by name and shape. Their values stand in `test/medicalnet.test.ts`. */
import { expect, test } from "vitest";
import { graph } from "../../graph/index.ts";
import { resnet3d, skipDecoder } from "../index.ts";

function decoder(options: Parameters<typeof skipDecoder>[2]): { shape: readonly number[]; weights: string[] } {
  const g = graph();
  const scores = skipDecoder(resnet3d(g.input("x", [1, 2, 16, 24, 16]), { depth: 10 }), 3, options);
  const weights = [...g.parameters]
    .filter(([name, { shape }]) => name.startsWith("decoder.") && shape.length === 5)
    .map(([name, { shape }]) => `${name.slice("decoder.".length)} ${shape.slice(0, 2).join("<")}`);
  return { shape: scores.shape, weights };
}

test("the skip decoder joins one convolution at each scale and the bare input unless told otherwise", () => {
  const { shape, weights } = decoder({});
  expect(shape).toEqual([1, 3, 16, 24, 16]);
  expect(weights).toEqual([
    "up1.reduce.weight 64<512",
    "up1.mix.weight 64<128",
    "up2.reduce.weight 32<64",
    "up2.mix.weight 32<96",
    "up3.reduce.weight 16<32",
    "up3.mix.weight 16<18",
    "classify.weight 3<16",
  ]);
});

test("more convolutions follow the join of their own scale; the input gets one of its own", () => {
  const { shape, weights } = decoder({ convolutions: [1, 2, 3], inputChannels: 8 });
  expect(shape).toEqual([1, 3, 16, 24, 16]);
  expect(weights.filter((name) => !name.includes("reduce"))).toEqual([
    "input.weight 8<2",
    "up1.mix.weight 64<128",
    "up2.mix.weight 32<96",
    "up2.mix2.weight 32<32",
    "up3.mix.weight 16<24",
    "up3.mix2.weight 16<16",
    "up3.mix3.weight 16<16",
    "classify.weight 3<16",
  ]);
});
