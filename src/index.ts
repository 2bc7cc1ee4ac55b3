/**
 * @module medvox: what every part shares. The parts have entries of their own, so that a program loads only what it uses:
 * `medvox/graph`, `medvox/nn`, `medvox/runtime`, `medvox/train`, `medvox/volume`, `medvox/boxes`, `medvox/images`,
 * `medvox/files`, `medvox/data`, `medvox/augment`, `medvox/med3d`, `medvox/rcnn`, `medvox/metrics`, `medvox/report`, `medvox/weights`.
 */
export * from "./errors.ts";
export { type Machine, machine, type Versions, versions } from "./machine.ts";
export {
  type Progress,
  type ProgressState,
  type ProgressStream,
  type StreamProgressOptions,
  silentProgress,
  streamProgress,
} from "./progress.ts";
export { type Random, type RandomState, random, restoreRandom } from "./random.ts";
