/**
 * Checkpoints: parameters, buffers and optimiser state as safetensors, with the place in the training as metadata. Written
 * aside and renamed, so a crash, a full disk or a power cut leaves the last good one.
 */
import { WeightsError } from "../errors.ts";
import { readSafetensors, writeSafetensors } from "../files/index.ts";
import type { WeightTensor } from "../weights/index.ts";
import type { StateMap } from "./model.ts";

/** What an epoch's steps measured, added up; of one branch, or of the only one. */
export interface Tally {
  readonly steps: number;
  readonly lossSum: number;
  /** Sums of the monitored values. */
  readonly monitored: Readonly<Record<string, readonly number[]>>;
}

/** Where a training stands; all that resuming needs besides the arrays. */
export interface TrainingPosition {
  /** The epoch to go on with, from 0. */
  readonly epoch: number;
  /** The step of that epoch to go on with. */
  readonly stepInEpoch: number;
  /** Updates so far. */
  readonly step: number;
  /** Sum of the losses of the epoch's steps so far. */
  readonly lossSum: number;
  /** What the epoch's steps have measured so far, by branch. */
  readonly tallies?: Readonly<Record<string, Tally>>;
  /** Best validation score so far, and its epoch. */
  readonly best?: { readonly score: number; readonly epoch: number };
  /** Validations since then. */
  readonly sinceBest: number;
}

/** Writes a state with its position. @throws DataError if the disk is full or the folder cannot be written */
export async function writeCheckpoint(
  path: string,
  state: StateMap,
  position: Partial<TrainingPosition> & object,
): Promise<void> {
  const tensors = new Map<string, WeightTensor>();
  for (const [name, { data, shape }] of state) tensors.set(name, { dtype: "F32", shape: [...shape], data });
  await writeSafetensors(path, tensors, { format: "medvox", position: JSON.stringify(position) }, { force: true });
}

/** Reads what {@link writeCheckpoint} wrote. @throws WeightsError if it is none of medvox's */
export async function readCheckpoint(path: string): Promise<{ state: StateMap; position: TrainingPosition }> {
  const { tensors, metadata } = await readSafetensors(path);
  if (metadata.position === undefined)
    throw new WeightsError(`${path}: holds weights, but not where a training stood; it cannot be resumed`);
  return { state: floatState(path, tensors), position: JSON.parse(metadata.position) as TrainingPosition };
}

/** Weights of any safetensors file, as float32. */
export async function readWeights(path: string): Promise<StateMap> {
  return floatState(path, (await readSafetensors(path)).tensors);
}

function floatState(path: string, tensors: ReadonlyMap<string, WeightTensor>): StateMap {
  const state: StateMap = new Map();
  for (const [name, { data, shape }] of tensors) {
    if (!(data instanceof Float32Array)) throw new WeightsError(`${path}: ${name} is not of a float type`);
    state.set(name, { data, shape });
  }
  return state;
}
