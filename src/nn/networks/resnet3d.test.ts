/** The encoder cut short; whole ones are compared with MedicalNet in `test/medicalnet.test.ts`. */
import { expect, test } from "vitest";
import { graph } from "../../graph/index.ts";
import { encoderShapes, preResnet3d, resnet3d } from "../index.ts";

test.each([
  [1, [1, 64, 4, 4, 4], "layer1"],
  [2, [1, 128, 2, 2, 2], "layer2"],
  [3, [1, 256, 2, 2, 2], "layer3"],
  [4, [1, 512, 2, 2, 2], "layer4"],
] as const)(
  "%d stages: nothing is built beyond them, and the last stands for what would follow",
  (stages, shape, last) => {
    const g = graph();
    const features = resnet3d(g.input("x", [1, 1, 16, 16, 16]), { depth: 10, stages });
    expect(features.out.shape).toEqual(shape);
    expect(features.stages.layer4).toBe(features.stages[last]);
    const layers = new Set([...g.parameters.keys()].flatMap((name) => /^layer\d/.exec(name)?.[0] ?? []));
    expect([...layers]).toEqual(["layer1", "layer2", "layer3", "layer4"].slice(0, stages));
  },
);

test.each([
  [{ depth: 10, preActivation: false }, 16],
  [{ depth: 34, preActivation: false }, 8],
  [{ depth: 50, preActivation: false }, 4],
  [{ depth: 200, preActivation: true }, 128],
] as const)(
  "%o of width %d: the names of the released one, every layer as much narrower or wider",
  (architecture, width) => {
    const released = encoderShapes(architecture, { channels: 2 });
    const made = encoderShapes(architecture, { channels: 2, width });
    const scaled = [...released].map(([name, shape]) => [
      name,
      shape.map((n, axis) => (axis > 1 || (axis === 1 && name === "conv1.weight") ? n : (n * width) / 64)),
    ]);
    expect([...made]).toEqual(scaled);
  },
);

test("features have the width's channels, at every tap", () => {
  const g = graph();
  const x = g.input("x", [1, 1, 32, 32, 32]);
  const { taps } = resnet3d(x, { depth: 18, width: 4, outputStride: 32 });
  const { half, quarter, eighth, sixteenth, thirtySecond } = taps;
  expect([half, quarter, eighth, sixteenth, thirtySecond].map((tap) => tap!.shape[1])).toEqual([4, 4, 8, 16, 32]);
  expect(preResnet3d(graph().input("x", [1, 1, 16, 16, 16]), { width: 4, blocks: [1, 1, 1, 1] }).out.shape).toEqual([
    1, 128, 2, 2, 2,
  ]);
});
