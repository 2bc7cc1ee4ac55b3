/** The encoder cut short; whole ones are compared with MedicalNet in `test/medicalnet.test.ts`. */
import { expect, test } from "vitest";
import { graph } from "../graph/index.ts";
import { resnet3d } from "./index.ts";

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
