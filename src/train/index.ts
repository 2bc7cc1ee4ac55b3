/** @module medvox/train/internal: all that `train` shows the other parts of medvox. `public.ts` names what `medvox/train` promises to users. */

export { checkedConfig } from "./config/checked-config.ts";
export {
  type ConfigOf,
  type RequestOf,
  refuseContradictions,
  type SharedConfig,
  scheduleSchema,
  sharedConfigSchema,
  sharedKeys,
  withDefaults,
} from "./config/shared-config.ts";
export type { RunEvents, RunPlace, StartReport } from "./events.ts";
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
export { bakedForm, encodeBaked, encodePortable } from "./model/baked.ts";
export type { Between } from "./model/executable.ts";
export {
  type Branch,
  type BranchedModelOptions,
  type BranchTurn,
  createBranchedModel,
  createModel,
  type Model,
  type ModelOptions,
  type StateMap,
  type StepOptions,
  type StepResult,
  type UpdateOptions,
} from "./model/model.ts";
export { type PortableWeightsOptions, writePortableWeights } from "./model/portable-weights.ts";
export { loadStart, type StartOptions } from "./model/start.ts";
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
} from "./model/step.ts";
export * from "./run/index.ts";
export { epochRecordsOf, epochsOf } from "./run-log.ts";
export {
  findOverlap,
  type Overlap,
  refuseSeen,
  SEEN,
  seenBy,
  type UsedCase,
  usedCases,
} from "./seen/used-cases.ts";
export {
  type Batches,
  type BatchLoader,
  type LabelledBatch,
  type NumberArray,
  openTrainingData,
  type ShapedBatch,
  type TrainingData,
} from "./sources.ts";
export {
  BEST_CHECKPOINT,
  LAST_CHECKPOINT,
  readCheckpoint,
  readWeights,
  type Tally,
  type TrainingPosition,
  writeCheckpoint,
} from "./store/checkpoint.ts";
export { bestCheckpoint, folderStore, lastCheckpoint, logFile } from "./store/folder-store.ts";
export { type Claim, memoryStore, placeOf, type Store, type StoreContent } from "./store/store.ts";
export {
  type FreeAxis,
  type ToOnnxOptions,
  type TrainedModel,
  type TrainingReport,
  type TrainOptions,
  train,
} from "./train.ts";
