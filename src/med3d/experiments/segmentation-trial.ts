/** A trial that trains a segmentation and scores it by the mean Dice of every held-out case. */
import { continueRun, epochsOf } from "../../train/index.ts";
import { evaluateSegmentationRun } from "../runs.ts";
import type { SegmentationConfig } from "../segmentation/config.ts";
import { segmentation } from "../segmentation/task.ts";
import { type Trial, watchedCurve } from "./trial.ts";

export function segmentationTrial(
  trial: Pick<Trial, "condition" | "target" | "seed">,
  config: SegmentationConfig,
  { mirror }: { readonly mirror: boolean },
): Trial {
  return {
    ...trial,
    run: async (folder, events) => {
      const { record, plan, store } = await continueRun(segmentation, config, { out: folder, ...events });
      const { scores } = await evaluateSegmentationRun(folder, { mirror, signal: events.signal });
      const trainedCases = record.splits.train.length;
      const perEpoch = stepsPerEpoch(config, trainedCases, plan.batch);
      const epochs = await epochsOf(store);
      return {
        cases: scores.map(({ case: name, meanDice }) => ({ case: name, dice: meanDice })),
        curve: await watchedCurve(store, perEpoch),
        trainedCases,
        steps: epochs.length * perEpoch,
        seconds: epochs.reduce((sum, { seconds }) => sum + seconds, 0),
      };
    },
  };
}

/** Updates of an epoch. */
function stepsPerEpoch(
  { stepsPerEpoch: fixed, accumulate }: Pick<SegmentationConfig, "stepsPerEpoch" | "accumulate">,
  cases: number,
  batch: number,
): number {
  return Math.floor((fixed ?? Math.ceil(cases / batch)) / accumulate);
}
