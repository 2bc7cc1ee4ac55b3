/**
 * The detector against torchvision's `fasterrcnn_resnet50_fpn` with the same weights by formula (`oracle/torchvision_detector.py`): every
 * joint of inference on a made-up image and on real BCCD images of three sizes, and one training step's losses and gradients.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type DetectorConfig, parseDetector } from "../src/rcnn/network/config.ts";
import type { DetectorImage } from "../src/rcnn/network/input.ts";
import { preset } from "../src/rcnn/network/presets.ts";
import { createEngine, type Engine } from "../src/runtime/index.ts";
import type { StateMap } from "../src/train/index.ts";
import {
  expectInference,
  expectStep,
  type GoldenDetector,
  type GoldenInference,
  type GoldenStep,
  pictureOf,
  picturesPresent,
  weightsByFormula,
} from "./golden-regions.ts";
import { formula, readGolden } from "./golden-values.ts";

if (!picturesPresent) console.warn("skipped: ../shared/data/BCCD is not here, so only the made-up image is compared");

/** The oracle's made-up image. */
function formulaImage(): DetectorImage {
  const [width, height] = [152, 120];
  const noise = formula(77, 3 * width * height, 0, 1);
  const data = new Float32Array(noise.length);
  for (let i = 0; i < data.length; i++) {
    const [x, y, c] = [i % width, Math.floor(i / width) % height, Math.floor(i / (width * height))];
    data[i] = 0.8 * (0.5 + 0.5 * Math.sin(x / (7 + 3 * c)) * Math.cos(y / (11 - 2 * c))) + 0.2 * noise[i];
  }
  return { data, size: [width, height] };
}

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine();
});
afterAll(() => engine.close());

describe("inference", () => {
  const golden = readGolden<GoldenDetector & { minimumScore: number; cases: GoldenInference[] }>("rcnn-inference.json");
  const modern = preset("modern", { classes: golden.classes });
  const configOf = (minSide: number): DetectorConfig =>
    parseDetector({
      ...modern,
      input: { ...modern.input, minSide: [minSide], maxSide: 2 * minSide },
      detections: { ...modern.detections, minimumScore: golden.minimumScore },
    });
  let weights: StateMap;
  beforeAll(() => {
    weights = weightsByFormula(modern, golden.gains);
  });

  it("has torchvision's 295 entries", () => {
    expect(weights.size).toBe(295);
    expect(weights.get("backbone.body.layer1.0.downsample.0.weight")?.shape).toEqual([256, 64, 1, 1]);
    expect(weights.get("backbone.fpn.inner_blocks.3.0.weight")?.shape).toEqual([256, 2048, 1, 1]);
    expect(weights.get("rpn.head.conv.0.0.weight")?.shape).toEqual([256, 256, 3, 3]);
    expect(weights.get("roi_heads.box_predictor.bbox_pred.bias")?.shape).toEqual([364]);
  });

  for (const wanted of golden.cases) {
    it.skipIf(wanted.image !== "formula" && !picturesPresent)(
      `${wanted.image}, short side ${wanted.minSide}: every joint`,
      { timeout: 300_000 },
      async () => {
        const config = configOf(wanted.minSide);
        const image = wanted.image === "formula" ? formulaImage() : await pictureOf(wanted.image);
        await expectInference(engine, config, weights, image, wanted);
      },
    );
  }
});

describe("a joint training step", () => {
  const golden = readGolden<GoldenDetector & GoldenStep>("rcnn-training.json");

  it.skipIf(!picturesPresent)("has torchvision's losses and gradients", { timeout: 300_000 }, async () => {
    const modern = preset("modern", { classes: golden.classes, depth: golden.depth });
    const config = parseDetector({
      ...modern,
      input: { ...modern.input, minSide: [golden.minSide], maxSide: 2 * golden.minSide },
    });
    await expectStep(engine, config, weightsByFormula(config, golden.gains), golden);
  });
});
