/** The files and options of a detection, as schemas. */
import { z } from "zod";
import { preparationSchema } from "../../data/index.ts";
import { commonOptions } from "../../train/index.ts";
import { detectorSchema } from "../network/config.ts";
import { detectionConfigSchema } from "./config.ts";
import type { DetectionPlan } from "./data.ts";

const whole = z.number().int().positive();
const prepare = preparationSchema.shape.preprocessing.pick({
  ...{ orientation: true, spacingMm: true, intensity: true, channels: true },
});

/** `plan.json` of a detection. */
const detectionPlanSchema = z.object({
  dataset: z.string(),
  source: z.string(),
  axes: z.union([z.literal(2), z.literal(3)]),
  classes: z.array(z.looseObject({ id: z.number(), name: z.string() })).min(1),
  detector: detectorSchema,
  canvas: z.array(whole).min(2).max(3),
  prepare: prepare.nullable(),
}) as unknown as z.ZodType<DetectionPlan>;

const tiles = {
  ...commonOptions,
  /** Of volumes: most voxels along x, y, z that go through at once. */
  tile: z.array(whole).length(3).optional(),
  /** Of volumes: share of a tile that neighbours have in common. */
  overlap: z.number().min(0).max(0.95).optional(),
  /** At most so many detections of an image. */
  max: whole.optional(),
};
const score = z.number().min(0).max(1).optional();

export const detectionSchemas = {
  config: detectionConfigSchema,
  plan: detectionPlanSchema,
  case: z.looseObject({ id: z.string(), image: z.string().min(1) }),
  evaluate: z.strictObject(tiles),
  predict: z.strictObject({
    ...tiles,
    score,
    /** Only these. */
    classes: z.array(z.string()).optional(),
    pictures: z.boolean().optional(),
    /** `sr`: also a DICOM report of each DICOM image. */
    format: z.enum(["sr"]).optional(),
  }),
  export: z.strictObject({ canvas: z.array(whole).optional(), score, max: whole.optional() }),
};
