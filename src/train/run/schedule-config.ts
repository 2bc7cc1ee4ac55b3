/** How a configuration writes down a learning-rate schedule. */
import { z } from "zod";

/** The zod schema of a learning-rate schedule (`ScheduleSpec`). */
export const scheduleSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("constant") }),
  z.strictObject({ kind: z.literal("step"), milestones: z.array(z.number().positive()), gamma: z.number().positive() }),
  z.strictObject({ kind: z.literal("exponential"), gamma: z.number().positive() }),
  z.strictObject({ kind: z.literal("polynomial"), power: z.number().positive() }),
  z.strictObject({ kind: z.literal("cosine"), floor: z.number().min(0).max(1).optional() }),
]);
