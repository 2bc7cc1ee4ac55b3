/** Runs one of the paper's three experiments; folder and files are those of `experiments/run.ts`. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { DataError } from "../../errors.ts";
import {
  type Experiment,
  type ExperimentDefinition,
  type ExperimentOptions,
  runExperimentOf,
} from "../../experiments/index.ts";
import { namedWeights } from "../../files/index.ts";
import { continueRun, seenBy } from "../../train/index.ts";
import { pretraining } from "../pretraining/task.ts";
import { type ExperimentConfig, type ExperimentKind, resolveExperimentConfig } from "./config.ts";
import { magnitudeFindings, magnitudeTrials } from "./magnitude.ts";
import { refuseOverlap, transferFindings, transferTrials } from "./transfer.ts";
import type { TrialCaseScores } from "./trial.ts";
import { varietyFindings, varietyTrials } from "./variety.ts";

type Kind<K extends ExperimentKind> = Omit<
  ExperimentDefinition<ExperimentConfig<K>, TrialCaseScores>,
  "kind" | "cases" | "bulk"
>;

const kinds: { readonly [K in ExperimentKind]: Kind<K> } = {
  magnitude: {
    trials: async (config) => magnitudeTrials(config),
    findings: magnitudeFindings,
    notes: [
      "Every training took the same number of steps, whatever its share of the cases; a smaller share lies in the larger ones.",
    ],
  },
  variety: {
    trials: async (config) => varietyTrials(config),
    findings: varietyFindings,
    notes: [
      "Every set was trained on alone and together with all others, with the same decoder, and scored on the same held-out cases.",
    ],
  },
  transfer: {
    trials: async (config, options) => {
      const from = await encoderOf(config, options);
      return transferTrials(config, from);
    },
    findings: transferFindings,
    notes: ["From scratch and pre-trained took the same number of steps on the same cases."],
  },
};

/**
 * @throws ConfigError for a wrong request or a folder that holds another experiment, DataError where test cases were trained on
 */
export async function runExperiment<K extends ExperimentKind>(
  kind: K,
  request: unknown,
  options: ExperimentOptions<TrialCaseScores>,
): Promise<Experiment<TrialCaseScores>> {
  const config = resolveExperimentConfig(kind, request);
  const bulk = ["checkpoints", "predictions", "model.onnx", "members"];
  const definition: Kind<K> = kinds[kind];
  return runExperimentOf({ ...definition, kind, cases: "cases", bulk }, config, options);
}

/** The encoder to transfer from; one that is to be pre-trained first lies in the experiment's folder. */
async function encoderOf(
  config: ExperimentConfig<"transfer">,
  options: ExperimentOptions<TrialCaseScores>,
): Promise<string> {
  const { signal, onEpoch, onNote, out } = options;
  const { from } = config;
  if (typeof from === "string") {
    if (!existsSync(from) && namedWeights(from) === undefined)
      throw new DataError(`from: ${from} does not exist; name weights or a run`);
    if ((await seenBy(from)).length > 0) await refuseOverlap(config, from, signal);
    else onNote?.(`${from}: does not say what it was trained on; overlap with test cases was not checked`);
    return from;
  }
  const folder = join(out, "pretraining");
  const events = { signal, onEpoch, onStart: () => refuseOverlap(config, folder, signal) };
  await continueRun(pretraining, from.pretraining, { ...events, out: folder });
  return folder;
}
