/** Detectors that learn made-up scenes, in 2D and 3D, with one implementation; and what no image may break. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { iouOf } from "../../boxes/index.ts";
import { adamW } from "../../nn/index.ts";
import { createEngine, type Engine } from "../../runtime/index.ts";
import { createModel, type Model } from "../../train/index.ts";
import { createDetector } from "../detect/detector.ts";
import type { DetectorConfig } from "../network/config.ts";
import { SCENE, scenes, smallDetector } from "../test/scenes.ts";
import { type TrainingDefinition, type TrainingImages, trainingDefinition } from "./training.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 1 });
});
afterAll(() => engine.close());

const IMAGES = 2;
const STEPS = 160;
const sizeOf = (axes: 2 | 3): number[] => new Array<number>(axes).fill(SCENE[axes]);

async function modelOf(config: DetectorConfig): Promise<{ model: Model; definition: TrainingDefinition }> {
  const definition = trainingDefinition(config, "joint", { seed: 3 });
  const model = await createModel(
    { engine, ...definition, optimizer: adamW({ lr: 2e-3 }), seed: 3, clipNorm: 10 },
    definition.example(IMAGES, sizeOf(config.axes)),
  );
  return { model, definition };
}

const batchOf = (images: TrainingImages): TrainingImages => ({ ...images, data: images.data.slice() });

describe.each([2, 3] as const)("joint training, %dD", (axes) => {
  const config = smallDetector(axes);

  it("finds what it has learnt to find", { timeout: 400_000 }, async () => {
    const { model, definition } = await modelOf(config);
    const losses: number[] = [];
    for (let step = 1; step <= STEPS; step++) {
      // Down to nothing, so that the end does not hang on the last few scenes.
      const lr = 1e-3 * (1 + Math.cos((Math.PI * step) / STEPS));
      const { loss } = await model.step([definition.feeds(scenes(step, IMAGES, axes), `step ${step}`)], step, lr);
      losses.push(loss);
    }
    expect(losses.every(Number.isFinite)).toBe(true);
    const detector = createDetector({ engine, config, weights: await model.weights() });
    let [found, wanted, claimed] = [0, 0, 0];
    for (let n = 0; n < 10; n++) {
      const { data, truth, size } = scenes(1000 + n, 1, axes, 2);
      const [{ boxes, labels }] = await detector.detect([{ data, size }]);
      claimed += labels.length;
      wanted += truth[0].labels.length;
      for (const [g, label] of truth[0].labels.entries()) {
        if (labels.some((l, i) => l === label && iouOf(boxes, i, truth[0].boxes, g, axes) > 0.4)) found++;
      }
    }
    await detector.close();
    await model.close();
    expect(found / wanted).toBeGreaterThan(0.8);
    expect(claimed).toBeLessThan(wanted * 2);
  });

  it("gives the same bits again, and numbers for images without boxes and with bad ones", async () => {
    const run = async (): Promise<[number, number]> => {
      const { model, definition } = await modelOf(config);
      const empty = scenes(1, IMAGES, axes, 0);
      const { loss } = await model.step([definition.feeds(batchOf(empty), "empty")], 1, 1e-3);
      // No area, out of the image; the second image has no truth at all.
      const broken = {
        boxes: Float32Array.from([4, 4, 4].slice(0, axes).concat([4, 9, 9].slice(0, axes))),
        labels: Int32Array.of(0),
      };
      const away = Float32Array.from([500, 500, 500].slice(0, axes).concat([520, 520, 520].slice(0, axes)));
      broken.boxes = Float32Array.of(...broken.boxes, ...away);
      broken.labels = Int32Array.of(0, 1);
      const images = { ...batchOf(empty), truth: [broken] };
      const second = await model.step([definition.feeds(images, "broken")], 2, 1e-3);
      const evaluated = await model.evaluate(definition.feeds(batchOf(empty), "v"), {
        withLoss: true,
        fetch: ["loss"],
      });
      await model.close();
      expect(Number.isFinite(evaluated.outputs.loss.data[0])).toBe(true);
      return [loss, second.loss];
    };
    const first = await run();
    expect(first.every(Number.isFinite)).toBe(true);
    expect(await run()).toEqual(first);
  });
});
