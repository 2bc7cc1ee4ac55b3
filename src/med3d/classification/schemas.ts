/** The files and options of a classification, as schemas. */
import { z } from "zod";
import { preparationSchema } from "../../data/index.ts";
import { commonOptions } from "../../train/index.ts";
import { classificationConfigSchema } from "./config.ts";
import { classificationCaseSchema } from "./data.ts";

const ratings = z.array(z.number().int()).min(1);
const auxiliary = z.discriminatedUnion("kind", [
  z.looseObject({ kind: z.literal("rating"), name: z.string(), scale: z.array(z.number()) }),
  z.looseObject({ kind: z.literal("number"), name: z.string(), mean: z.number(), deviation: z.number() }),
]);

/** `plan.json` of a classification. */
export const classificationPlanSchema = preparationSchema.extend({
  classes: z.array(z.string()).min(2),
  ratings: z
    .looseObject({
      scale: z.array(z.number()).min(2),
      rule: z.looseObject({ positive: z.array(z.number()), negative: z.array(z.number()) }),
    })
    .optional(),
  auxiliary: z.array(auxiliary).optional(),
});

/** Average over eight mirrored views. */
const mirror = z.boolean().optional();

export const classificationSchemas = {
  // Resolving a request fills in what depends on other keys, so that what `run.json` holds is complete.
  config: classificationConfigSchema.required({ loss: true, classWeights: true }),
  plan: classificationPlanSchema,
  case: classificationCaseSchema,
  evaluate: z.strictObject({ ...commonOptions, mirror, positive: ratings.optional(), negative: ratings.optional() }),
  predict: z.strictObject({ ...commonOptions, mirror }),
  export: z.strictObject({}),
};
