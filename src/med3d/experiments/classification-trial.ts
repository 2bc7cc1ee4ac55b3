/** A trial that trains a classifier and scores it by the probabilities of the cases its networks never saw. */
import { meanOf } from "../../metrics/index.ts";
import { continueRun, epochsOf, membersOf } from "../../train/index.ts";
import type { ClassificationConfig } from "../classification/config.ts";
import { classification } from "../classification/task.ts";
import { evaluateClassificationRun } from "../runs.ts";
import { type Trial, type TrialCaseScores, watchedCurve } from "./trial.ts";

export function classificationTrial(
  trial: Pick<Trial, "condition" | "target" | "seed">,
  config: ClassificationConfig,
): Trial {
  return {
    ...trial,
    run: async (folder, events) => {
      const run = await continueRun(classification, config, { out: folder, ...events });
      const { record, plan } = run;
      const { scores } = await evaluateClassificationRun(folder, { signal: events.signal });
      const stores = (await membersOf({ task: classification, run })).map((member) => member.run.store);
      const epochs = await Promise.all(stores.map(epochsOf));
      const share = record.config.folds === null ? 1 : 1 - 1 / record.config.folds;
      const trainedCases = Math.round(share * record.splits.train.length);
      const perEpoch = Math.floor(Math.ceil(trainedCases / plan.batch) / record.config.accumulate);
      return {
        cases: scores.flatMap(({ case: name, truth, probabilities }) =>
          truth === undefined ? [] : [{ case: name, positive: truth === 1, score: probabilities[1] }],
        ),
        curve: meanCurve(await Promise.all(stores.map((store) => watchedCurve(store, perEpoch)))),
        trainedCases,
        steps: perEpoch * epochs[0].length,
        seconds: epochs.flat().reduce((sum, { seconds }) => sum + seconds, 0),
      };
    },
  };
}

/** Of networks that were watched at the same steps. */
export function meanCurve(curves: readonly TrialCaseScores["curve"][]): TrialCaseScores["curve"] {
  return curves[0].map(([step], i) => [step, meanOf(curves.map((curve) => curve[i]?.[1] ?? null)) ?? Number.NaN]);
}
