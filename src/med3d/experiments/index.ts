export type { Experiment, ExperimentOptions, Findings } from "../../experiments/index.ts";
export {
  type ExperimentConfig,
  type ExperimentKind,
  type ExperimentRequest,
  experimentSchemas,
  resolveExperimentConfig,
} from "./config.ts";
export { runExperiment } from "./run.ts";
export type { CaseScore, Trial, TrialCaseScores, TrialResult } from "./trial.ts";
