/**
 * A preset that was changed by spreading it, and ground truth that cannot be: both are refused where they come in, by path or by image
 * and box, before a step gives a finite loss for nonsense.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ConfigError, DataError } from "../../src/errors.ts";
import { sgd } from "../../src/nn/index.ts";
import {
  createDetector,
  type DetectorConfig,
  detectorGraph,
  inputBatch,
  jointSchedule,
  preset,
  type Truth,
  trainingDefinition,
  trainPhases,
} from "../../src/rcnn/index.ts";
import { createEngine, type Engine } from "../../src/runtime/index.ts";
import { createModel } from "../../src/train/index.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 1 });
});
afterAll(() => engine.close());

const usual = preset("modern", { classes: 4, depth: 10, norm: "batch" });
const base: DetectorConfig = { ...usual, input: { ...usual.input, minSide: null, maxSide: null } };
const image = { data: new Float32Array(3 * 64 * 64), size: [64, 64] };
const truthOf = (box: number[], label: number): Truth => ({
  boxes: Float32Array.from(box),
  labels: Int32Array.of(label),
});

/** One step of the joint training. */
async function step(truth: readonly Truth[]): Promise<number> {
  const batch = { ...inputBatch([image], base), truth };
  const definition = trainingDefinition(base, "joint");
  const model = await createModel(
    { engine, ...definition, optimizer: sgd({ lr: 0.01 }) },
    definition.example(1, batch.size),
  );
  try {
    return (await model.step([definition.feeds(batch, "s")], 1, 0.01)).loss;
  } finally {
    await model.close();
  }
}

describe("a preset made wrong by spreading", () => {
  const uneven: DetectorConfig = {
    ...base,
    anchors: { ...base.anchors, sizes: [[8, 9], [16], [32], [32], [32]] },
  };
  const unknown = { ...base, rpn: { ...base.rpn, sampelCount: 3 } } as DetectorConfig;
  const doors: [string, (config: DetectorConfig) => unknown][] = [
    ["createDetector", (config) => createDetector({ engine, config, weights: new Map() })],
    ["trainingDefinition", (config) => trainingDefinition(config, "joint")],
    ["inputBatch", (config) => inputBatch([image], config)],
    ["detectorGraph", (config) => detectorGraph(config, [64, 64])],
    [
      "trainPhases",
      (config) =>
        trainPhases({
          engine,
          config,
          schedule: jointSchedule,
          source: { stepsPerEpoch: 1, images: 1, size: [64, 64], batches: async function* () {} },
          epochs: () => 1,
          optimizer: () => sgd({ lr: 0.01 }),
        }),
    ],
  ];
  it.each(doors)("is refused by %s, with the path", async (_, open) => {
    await expect(async () => open(uneven)).rejects.toThrow(ConfigError);
    await expect(async () => open(uneven)).rejects.toThrow("anchors.sizes[1]: 1 size, anchors.sizes[0] has 2");
    await expect(async () => open(unknown)).rejects.toThrow(
      "rpn.sampelCount: is no setting. Did you mean sampleCount?",
    );
  });
});

describe("truth that cannot be", () => {
  it.each([
    ["a label below 0", [4, 4, 20, 20], -1, "truth[0]: box 0: label -1; classes are 0 to 2, the background is none"],
    [
      "a label that no class has",
      [4, 4, 20, 20],
      3,
      "truth[0]: box 0: label 3; classes are 0 to 2, the background is none",
    ],
    ["corners exchanged", [30, 30, 10, 10], 1, "truth[0]: box 0: 30,30–10,10 is inverted"],
    ["corners that are no numbers", [4, 4, Number.NaN, 20], 1, "truth[0]: box 0: 4,4–NaN,20 is not finite"],
  ])("%s is refused by image and box", async (_, box, label, message) => {
    await expect(step([truthOf(box, label)])).rejects.toThrow(new DataError(message));
  });

  it("takes an image without truth for one without objects", async () => {
    const nothing = await step([]);
    expect(nothing).toBeGreaterThan(0);
    expect(await step([{ boxes: new Float32Array(0), labels: new Int32Array(0) }])).toBe(nothing);
  });
});
