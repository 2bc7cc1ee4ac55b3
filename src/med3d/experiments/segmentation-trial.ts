/** A trial that trains a segmentation and scores it by the mean Dice of every held-out case. */
import { existsSync } from "node:fs";
import { epochsOf } from "../../train/index.ts";
import { runFile } from "../run-folder.ts";
import type { SegmentationConfig } from "../segmentation-config.ts";
import { evaluateRun } from "../segmentation-evaluate.ts";
import { resumeSegmentation, trainSegmentation } from "../segmentation-train.ts";
import { type Trial, watchedCurve } from "./trial.ts";

export function segmentationTrial(
  about: Pick<Trial, "condition" | "target" | "seed">,
  config: SegmentationConfig,
  { mirror }: { readonly mirror: boolean },
): Trial {
  return {
    ...about,
    run: async (folder, events) => {
      const { record, plan } = existsSync(runFile(folder))
        ? await resumeSegmentation(folder, events)
        : await trainSegmentation(config, { out: folder, force: true, ...events });
      const { cases } = await evaluateRun(folder, { mirror, signal: events.signal });
      const trainedCases = record.splits.train.length;
      const perEpoch = stepsPerEpoch(config, trainedCases, plan.batch);
      const epochs = await epochsOf(folder);
      return {
        cases: cases.map(({ case: name, meanDice }) => ({ case: name, dice: meanDice })),
        curve: await watchedCurve(folder, perEpoch),
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
