export {
  type RpnCondition,
  type RpnExperimentConfig,
  type RpnExperimentRequest,
  resolveRpnExperiment,
  rpnExperimentSchema,
} from "./config.ts";
export { runRpnExperiment } from "./run.ts";
export type { ImageScore } from "./scores.ts";
export type { RpnResult, RpnScores, RpnTrial } from "./trial.ts";
