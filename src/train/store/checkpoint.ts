/**
 * Checkpoints: parameters, buffers and optimizer state as safetensors, with the place in the training as metadata. Written
 * whole or not at all, so a crash, a full disk or a power cut leaves the last good one.
 */
import { z } from "zod";
import { WeightsError } from "../../errors.ts";
import { decodeSafetensors, encodePieces, type WeightTensor } from "../../weights/index.ts";
import type { StateMap } from "../model/model.ts";
import { placeOf, type Store } from "./store.ts";

/** Where a run keeps its newest checkpoint. */
export const LAST_CHECKPOINT = "checkpoints/last.safetensors";
/** Where a run keeps the checkpoint of its best watched score. */
export const BEST_CHECKPOINT = "checkpoints/best.safetensors";

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

const count = z.number().int().min(0);
const positionSchema = z.looseObject({
  epoch: count,
  stepInEpoch: count,
  step: count,
  lossSum: z.number(),
  tallies: z
    .record(
      z.string(),
      z.looseObject({ steps: count, lossSum: z.number(), monitored: z.record(z.string(), z.array(z.number())) }),
    )
    .optional(),
  best: z.looseObject({ score: z.number(), epoch: count }).optional(),
  sinceBest: count,
});

/** Writes a state with its position. @throws DataError if it cannot be written */
export async function writeCheckpoint(
  store: Store,
  name: string,
  state: StateMap,
  position: Partial<TrainingPosition> & object,
): Promise<void> {
  const tensors = new Map<string, WeightTensor>();
  for (const [entry, { data, shape }] of state) tensors.set(entry, { dtype: "F32", shape: [...shape], data });
  await store.write(name, encodePieces(tensors, { format: "medvox", position: JSON.stringify(position) }));
}

/** Reads what {@link writeCheckpoint} wrote. @throws WeightsError if it is none of medvox's, or not there */
export async function readCheckpoint(
  store: Store,
  name: string = LAST_CHECKPOINT,
): Promise<{ state: StateMap; position: TrainingPosition }> {
  const path = placeOf(store, name);
  const { tensors, metadata } = await readTensors(store, name);
  if (metadata.position === undefined)
    throw new WeightsError(`${path}: holds weights, but not where a training stood; it cannot be resumed`);
  const parsed = positionSchema.safeParse(parseJson(metadata.position));
  if (!parsed.success)
    throw new WeightsError(`${path}: metadata.position: ${parsed.error.issues[0].message}; it cannot be resumed`);
  return { state: floatState(path, tensors), position: parsed.data };
}

/** Parameters and buffers of a checkpoint as float32, without the optimizer's state. @throws WeightsError if it is not there */
export async function readWeights(store: Store, name: string = LAST_CHECKPOINT): Promise<StateMap> {
  const { tensors } = await readTensors(store, name);
  const weights = new Map([...tensors].filter(([entry]) => !entry.startsWith("optimizer.")));
  return floatState(placeOf(store, name), weights);
}

async function readTensors(store: Store, name: string) {
  const bytes = await store.read(name);
  if (bytes === undefined) throw new WeightsError(`${placeOf(store, name)}: no such file`);
  return decodeSafetensors(bytes, placeOf(store, name));
}

function floatState(path: string, tensors: ReadonlyMap<string, WeightTensor>): StateMap {
  const state: StateMap = new Map();
  for (const [name, { data, shape }] of tensors) {
    if (!(data instanceof Float32Array)) throw new WeightsError(`${path}: ${name} is not of a float type`);
    // Each array gets memory of its own: the engine takes arrays over whole, and these share the file's bytes.
    state.set(name, { data: data.slice(), shape });
  }
  return state;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
