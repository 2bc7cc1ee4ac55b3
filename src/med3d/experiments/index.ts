export {
  type ExperimentConfig,
  type ExperimentKind,
  type ExperimentRequest,
  experimentSchemas,
  resolveExperimentConfig,
} from "./config.ts";
export type { Findings } from "./findings.ts";
export { type Experiment, type ExperimentOptions, runExperiment } from "./run.ts";
export type { CaseScore, Trial, TrialResult } from "./trial.ts";
