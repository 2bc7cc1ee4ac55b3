/** What experiments of every kind have in common: trials by condition and seed, one folder, one report. */
export { experimentKeys } from "./config.ts";
export type { Findings } from "./findings.ts";
export { type Experiment, type ExperimentDefinition, type ExperimentOptions, runExperimentOf } from "./run.ts";
export { digits, intervalText, minutesEach } from "./texts.ts";
export type { Trial, TrialEvents, TrialResult, TrialScores } from "./trial.ts";
