/** @module medvox/train: models, the training loop, checkpoints. */
export { bakedForm, encodeBaked, encodePortable } from "./baked.ts";
export { checkedConfig } from "./checked-config.ts";
export {
  BEST_CHECKPOINT,
  LAST_CHECKPOINT,
  readCheckpoint,
  readWeights,
  type Tally,
  type TrainingPosition,
  writeCheckpoint,
} from "./checkpoint.ts";
export type { Between } from "./executable.ts";
export { bestCheckpoint, folderStore, lastCheckpoint, logFile } from "./folder-store.ts";
export { appendLog, LOG, type LogLine, readLog } from "./log.ts";
export {
  type BatchSource,
  type EpochReport,
  type LoopOptions,
  type LoopResult,
  type LoopSettings,
  runTraining,
  type StepReport,
  type TrainingBatch,
  type ValidationResult,
} from "./loop.ts";
export {
  type Branch,
  type BranchedModelOptions,
  type BranchTurn,
  createBranchedModel,
  createModel,
  type Model,
  type ModelOptions,
  type StateMap,
  type StepResult,
} from "./model.ts";
export { type PortableWeightsOptions, writePortableWeights } from "./portable-weights.ts";
export * from "./run/index.ts";
export { epochRecordsOf, epochsOf } from "./run-log.ts";
export { scheduleSchema } from "./schedule-config.ts";
export {
  type BuiltGraph,
  buildEvaluation,
  buildStep,
  encodeBuilt,
  type FeedType,
  type Loss,
  type Monitor,
  type Network,
  type StepDefinition,
} from "./step.ts";
export { memoryStore, placeOf, type Store, type StoreContent } from "./store.ts";
export { type TrainedModel, type TrainOptions, train } from "./train.ts";
