/** The keys that tasks share: other defaults, and what no task can do. */
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { classificationConfigSchema, pretrainingConfigSchema, segmentationConfigSchema } from "../../med3d/index.ts";
import { detectionConfigSchema } from "../../rcnn/index.ts";
import { refuseContradictions, sharedConfigSchema, sharedKeys, withDefaults } from "./shared-config.ts";

const schemas = {
  segmentation: segmentationConfigSchema,
  classification: classificationConfigSchema,
  detection: detectionConfigSchema,
  pretraining: pretrainingConfigSchema,
};

describe("shared keys", () => {
  it.each(Object.entries(schemas))("%s takes what another task's configuration says with them", (_, schema) => {
    const said = {
      learningRate: 0.01,
      weightDecay: 0,
      momentum: 0.5,
      warmupEpochs: 3,
      clipNorm: null,
      epochs: 7,
      accumulate: 2,
      seed: 4,
      device: "cuda",
      threads: 1,
      workers: 2,
      checkpointSeconds: 5,
      from: "runs/a",
      strict: true,
    } as const;
    expect(sharedConfigSchema.parse({ data: "x", ...said })).toMatchObject(said);
    const shape: Record<string, z.ZodType> = schema.shape;
    for (const [key, value] of Object.entries(said)) expect([key, shape[key].parse(value)]).toEqual([key, value]);
  });

  it("get other defaults, and only these", () => {
    const schema = z.strictObject(withDefaults(sharedKeys, { epochs: 60, batch: 3 }));
    const { epochs, batch, ...rest } = schema.parse({ data: "x" });
    expect([epochs, batch]).toEqual([60, 3]);
    expect(sharedConfigSchema.parse({ data: "x" })).toMatchObject({ ...rest, epochs: 30, batch: null });
    expect(() => schema.parse({ data: "x", epochs: 0 })).toThrow();
    expect(() => withDefaults({ data: z.string() }, { data: "x" } as never)).toThrow("data has no default");
  });
});

describe("contradictions", () => {
  const plain = { window: null, use: "last", validation: 0 } as const;
  it.each([
    [{ window: [400, -100] as [number, number] }, "window: 400, -100; the first value must be the lower one"],
    [{ use: "best" as const }, "use: best needs cases to be watched by; set validation, too"],
  ])("%j", (change, message) => {
    expect(() => refuseContradictions({ ...plain, ...change }, "cases")).toThrow(message);
  });

  it("and what is none", () => {
    refuseContradictions(plain, "cases");
    refuseContradictions({ ...plain, window: [-100, 400], use: "best", validation: null }, "cases");
  });
});
