import { describe, expect, test } from "vitest";
import { WeightsError } from "../errors.ts";
import { describeMatch, matchWeights, type WeightTensor } from "./index.ts";

function tensors(shapes: Readonly<Record<string, readonly number[]>>): Map<string, WeightTensor> {
  return new Map(
    Object.entries(shapes).map(([name, shape]) => {
      const count = shape.reduce((a, b) => a * b, 1);
      return [name, { dtype: "F32", shape, data: Float32Array.from({ length: count }, (_, i) => i + 1) }];
    }),
  );
}
const target = (shapes: Readonly<Record<string, readonly number[]>>) => new Map(Object.entries(shapes));

/** Names of a small residual encoder. */
function residual(blocks: readonly number[], { prefix = "", b = true, channels = 1 } = {}) {
  const names: Record<string, readonly number[]> = { [`${prefix}conv1.weight`]: [4, channels, 3, 3, 3] };
  for (const [i, count] of blocks.entries())
    for (let k = 0; k < count; k++) names[`${prefix}layer${i + 1}.${k}.conv1.weight`] = [4, 4, 1, 1, 1];
  if (b) names[`${prefix}layer2.0.downsample.0.weight`] = [4, 4, 1, 1, 1];
  return names;
}

test("names under module. match; counters of batch norms count as matched", () => {
  const match = matchWeights(
    target({ "conv1.weight": [2, 1, 1], "bn1.running_mean": [2] }),
    tensors({ "module.conv1.weight": [2, 1, 1], "module.bn1.running_mean": [2], "module.bn1.num_batches_tracked": [] }),
    { file: "a.pth" },
  );
  expect(match.matched).toHaveLength(3);
  expect(describeMatch(match)).toBe("3 matched · 0 missing · 0 unexpected");
  expect([...match.tensors.get("conv1.weight")!.data]).toEqual([1, 2]);
});

test("wrappers in each other come off, too", () => {
  const match = matchWeights(target({ w: [1] }), tensors({ "module.model.encoder.w": [1] }), { file: "a.pth" });
  expect(match.matched).toEqual(["module.model.encoder.w"]);
});

test("what is missing and what is too much is told by name", () => {
  const match = matchWeights(target({ a: [1], b: [1], "head.w": [2] }), tensors({ a: [1], c: [1] }), {
    file: "a.pth",
    isHead: (name) => name.startsWith("head."),
  });
  expect([match.missing, match.fresh, match.unexpected]).toEqual([["b"], ["head.w"], ["c"]]);
  expect(describeMatch(match)).toBe("1 matched · 1 new (head.w) · 1 missing (b) · 1 unexpected (c)");
});

describe("input channels", () => {
  const one = { "conv1.weight": [2, 1, 2], a: [1] };
  const two = { "conv1.weight": [2, 2, 2], a: [1] };

  test("one becomes two, each half of it", () => {
    const { tensors: found, reshaped } = matchWeights(target(two), tensors(one), { file: "a.pth" });
    expect([...found.get("conv1.weight")!.data]).toEqual([0.5, 1, 0.5, 1, 1.5, 2, 1.5, 2]);
    expect(reshaped).toEqual([{ name: "conv1.weight", from: [2, 1, 2], to: [2, 2, 2] }]);
  });

  test("two become one, their sum", () => {
    const { tensors: found } = matchWeights(target(one), tensors(two), { file: "a.pth" });
    expect([...found.get("conv1.weight")!.data]).toEqual([1 + 3, 2 + 4, 5 + 7, 6 + 8]);
  });

  test("another difference of shape is an error, in a head a note", () => {
    const other = tensors({ "conv1.weight": [2, 1, 2], a: [3] });
    expect(() => matchWeights(target(one), other, { file: "a.pth" })).toThrow("a.pth: a is 3, the network's 1");
    const match = matchWeights(target(one), other, { file: "a.pth", isHead: (name) => name === "a" });
    expect(match.otherShape).toEqual(["a"]);
    expect(describeMatch(match)).toContain("1 of another shape, left as new (a)");
  });
});

describe("another network is refused as what it is", () => {
  test.each([
    ["a depth", [2, 2, 2, 2], true, "x.pth: holds resnet18 with shortcut B; the network is resnet10 with shortcut B"],
    [
      "a shortcut",
      [1, 1, 1, 1],
      false,
      "x.pth: holds resnet10 with shortcut A; the network is resnet10 with shortcut B",
    ],
    ["one that nobody knows", [1, 2, 1, 1], true, "x.pth: holds a residual network of 1, 2, 1, 1 basic blocks"],
  ])("%s", (_what, blocks, b, message) => {
    const file = tensors(residual(blocks, { prefix: "module.", b }));
    const match = () => matchWeights(target(residual([1, 1, 1, 1])), file, { file: "x.pth" });
    expect(match).toThrow(message);
    expect(match).toThrow(WeightsError);
  });

  test("nothing that fits", () => {
    expect(() => matchWeights(target({ a: [1] }), tensors({ b: [1] }), { file: "x.pth" })).toThrow(
      "x.pth: none of its 1 tensors fits the network by name and shape (its first is b, the network's a)",
    );
  });
});
