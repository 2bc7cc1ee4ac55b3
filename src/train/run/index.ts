/** Runs of any task: beginning, resuming, evaluating, predicting. What a task is stands in `task.ts`. */

export { problemsText } from "../../data/problem.ts";
export type { RunEvents, RunPlace, StartReport } from "../events.ts";
export {
  type EvaluateOptions,
  type Evaluation,
  evaluateRun,
  membersOf,
  notTrained,
  openChild,
  problemsJson,
} from "./evaluate.ts";
export { EVALUATION, type EvaluationRecord, howText, listEvaluations } from "./evaluations.ts";
export { type ExportedWeights, type ExportFormat, type ExportOptions, exportRun } from "./export.ts";
export { checkedOptions, commonOptions, flagOf } from "./options.ts";
export { plainTask } from "./plain-task.ts";
export {
  type Failure,
  notOfWeights,
  type OpenedSource,
  openSource,
  openSources,
  type PredictAllOptions,
  type Predictions,
  predictAll,
  type TaskLookup,
} from "./predict.ts";
export {
  MODEL,
  type OpenedRun,
  PLAN,
  type RecordFrame,
  RUN,
  readFrame,
  readPlan,
  readProblems,
  readRun,
  readRunOf,
} from "./record.ts";
export {
  type BeginOptions,
  beginRun,
  continueRun,
  hostOf,
  isFinished,
  type ResumeOptions,
  type RunOf,
  resumeRun,
} from "./run.ts";
export type {
  AnyRun,
  AnyTask,
  Beginning,
  Child,
  Conclusion,
  DataCredit,
  DataFingerprint,
  EvaluationFrame,
  EvaluationLine,
  Host,
  Listed,
  Options,
  Outcome,
  PredictCall,
  PredictedFile,
  PredictInput,
  Prediction,
  Predictor,
  Prepared,
  Run,
  RunCase,
  RunRecord,
  Scored,
  ScoredPart,
  Session,
  Source,
  SplitName,
  Splits,
  Stage,
  Summary,
  Task,
  TaskConfig,
  WrittenFiles,
} from "./task.ts";
