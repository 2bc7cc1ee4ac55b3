/**
 * @module medvox/train: models, the training loop, checkpoints. What is not among these names stands behind
 * `medvox/train/internal`, where names may change with any version.
 */
export {
  type BatchSource,
  beginRun,
  createModel,
  type EpochReport,
  type Evaluation,
  evaluateRun,
  exportRun,
  folderStore,
  type LoopOptions,
  type LoopResult,
  type Model,
  type ModelOptions,
  memoryStore,
  openSource,
  type Predictions,
  predictAll,
  readWeights,
  resumeRun,
  runTraining,
  type Store,
  type Task,
  type TrainedModel,
  type TrainingBatch,
  type TrainOptions,
  train,
} from "./index.ts";
