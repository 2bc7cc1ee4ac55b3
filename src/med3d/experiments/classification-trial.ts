/** A trial that trains a classifier and scores it by the probabilities of the cases its networks never saw. */
import { existsSync } from "node:fs";
import { meanOf } from "../../metrics/index.ts";
import { epochsOf } from "../../train/index.ts";
import type { ClassificationConfig } from "../classification-config.ts";
import { evaluateClassificationRun } from "../classification-evaluate.ts";
import { membersOf } from "../classification-members.ts";
import { resumeClassification, trainClassification } from "../classification-train.ts";
import { runFile } from "../run-folder.ts";
import { type CaseScores, type Trial, watchedCurve } from "./trial.ts";

export function classificationTrial(
  about: Pick<Trial, "condition" | "target" | "seed">,
  config: ClassificationConfig,
): Trial {
  return {
    ...about,
    run: async (folder, events) => {
      const { record, plan } = existsSync(runFile(folder))
        ? await resumeClassification(folder, events)
        : await trainClassification(config, { out: folder, force: true, ...events });
      const { cases } = await evaluateClassificationRun(folder, { signal: events.signal });
      const members = membersOf(folder, record.config);
      const epochs = await Promise.all(members.map((member) => epochsOf(member.folder)));
      const share = record.config.folds === null ? 1 : 1 - 1 / record.config.folds;
      const trainedCases = Math.round(share * record.splits.train.length);
      const perEpoch = Math.floor(Math.ceil(trainedCases / plan.batch) / record.config.accumulate);
      return {
        cases: cases.map(({ case: name, truth, probabilities }) => ({
          case: name,
          positive: truth === 1,
          score: probabilities[1],
        })),
        curve: meanCurve(await Promise.all(members.map((member) => watchedCurve(member.folder, perEpoch)))),
        trainedCases,
        steps: perEpoch * epochs[0].length,
        seconds: epochs.flat().reduce((sum, { seconds }) => sum + seconds, 0),
      };
    },
  };
}

/** Of networks that were watched at the same steps. */
export function meanCurve(curves: readonly CaseScores["curve"][]): CaseScores["curve"] {
  return curves[0].map(([step], i) => [step, meanOf(curves.map((curve) => curve[i]?.[1] ?? null)) ?? Number.NaN]);
}
