/** The epochs of a run, from its log. */
import { z } from "zod";
import { readLog } from "./log.ts";
import type { EpochReport } from "./loop.ts";
import type { Store } from "./store/store.ts";

/** JSON has no NaN; it writes null. */
const figure = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN);

const epochSchema = z.looseObject({
  epoch: z.number(),
  epochs: z.number(),
  trainLoss: figure,
  branches: z.record(z.string(), z.looseObject({})).optional(),
  validation: z
    .looseObject({
      loss: figure,
      score: figure,
      details: z.record(z.string(), z.number().nullable()).optional(),
    })
    .optional(),
  learningRate: z.number(),
  seconds: z.number(),
  waitingShare: figure,
  best: z.boolean(),
});

/** What a run's log says of its finished epochs. */
export async function epochsOf(store: Store): Promise<EpochReport[]> {
  return (await readLog(store))
    .filter(({ event }) => event === "epoch")
    .flatMap((line) => {
      const parsed = epochSchema.safeParse(line);
      return parsed.success ? [parsed.data] : [];
    });
}

/** As a report draws them. */
export async function epochRecordsOf(store: Store) {
  return (await epochsOf(store)).map(({ epoch, trainLoss, validation, learningRate, seconds, best }) => ({
    epoch,
    trainLoss,
    validationLoss: validation?.loss,
    scores: validation?.details,
    learningRate,
    seconds,
    best,
  }));
}
