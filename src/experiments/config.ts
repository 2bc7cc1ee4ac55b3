/** The keys that experiments of every kind share. */
import { z } from "zod";

export const experimentKeys = {
  /** Trainings of every condition: first weights, order and augmentation by seed 0, 1, …; all are scored on the same cases. */
  seeds: z.number().int().positive().default(3),
  /** Keep weights and predictions of every training: 0.3 GB each for a ResNet-10. */
  keepRuns: z.boolean().default(false),
  /** Average the predictions of all eight mirror images when scoring. */
  mirror: z.boolean().default(false),
};
