/**
 * The preset `paper` against Faster R-CNN as published, restated in PyTorch with the same weights by formula
 * (`oracle/torch_paper_detector.py`): VGG-16 and ResNet-18 C4, every joint of inference on real BCCD images, and one training step's losses and
 * gradients. As the oracle's, the fully connected layers are narrow here; in the training step they are without dropout.
 */
import { afterAll, beforeAll, describe, it } from "vitest";
import { type DetectorConfig, parseDetector } from "../src/rcnn/network/config.ts";
import { preset } from "../src/rcnn/network/presets.ts";
import { createEngine, type Engine } from "../src/runtime/index.ts";
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
import { readGolden } from "./golden-values.ts";

if (!picturesPresent) console.warn("skipped: ../shared/data/BCCD is not here, so the preset paper is not compared");

/** What this preset's fixtures say besides. */
interface Paper extends GoldenDetector {
  readonly hidden: number;
}
interface OfBackbone {
  readonly backbone: "vgg16" | "resnet";
}

function configOf(
  { classes, depth, hidden }: Paper,
  backbone: OfBackbone["backbone"],
  minSide: number,
): DetectorConfig {
  const paper = preset("paper", { classes, depth, backbone });
  return parseDetector({
    ...paper,
    input: { ...paper.input, minSide: [minSide], maxSide: 2 * minSide },
    regions: { ...paper.regions, hidden },
  });
}

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine();
});
afterAll(() => engine.close());

describe.skipIf(!picturesPresent)("inference", () => {
  const golden = readGolden<Paper & { minimumScore: number; cases: (GoldenInference & OfBackbone)[] }>(
    "rcnn-paper-inference.json",
  );
  for (const wanted of golden.cases) {
    it(`${wanted.backbone}, ${wanted.image}, short side ${wanted.minSide}: every joint`, {
      timeout: 300_000,
    }, async () => {
      const settings = configOf(golden, wanted.backbone, wanted.minSide);
      const { minimumScore } = golden;
      const config = { ...settings, detections: { ...settings.detections, minimumScore } };
      const weights = weightsByFormula(config, golden.gains);
      await expectInference(engine, config, weights, await pictureOf(wanted.image), wanted);
    });
  }
});

describe.skipIf(!picturesPresent)("a joint training step", () => {
  const golden = readGolden<Paper & { cases: (GoldenStep & OfBackbone)[] }>("rcnn-paper-training.json");
  for (const wanted of golden.cases) {
    it(`${wanted.backbone}, ${wanted.images.length} images: losses and gradients`, { timeout: 300_000 }, async () => {
      const settings = configOf(golden, wanted.backbone, wanted.minSide);
      const config = { ...settings, regions: { ...settings.regions, dropout: 0 } };
      await expectStep(engine, config, weightsByFormula(config, golden.gains), wanted);
    });
  }
});
