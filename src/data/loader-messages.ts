/** What the loader and its worker threads say to each other. Everything here survives a structured clone. */
import type { Augmentation } from "../augment/index.ts";
import type { DataCase } from "./dataset.ts";
import type { PreparedCase } from "./prepare.ts";
import type { Preprocessing } from "./preprocess.ts";

export interface WorkerSetup {
  readonly prepare: Preprocessing;
  readonly augmentation: Augmentation;
  /** Of items beyond the epoch's first pass through the cases. */
  readonly repeatAugmentation: Augmentation;
  readonly patch: readonly number[];
  readonly batch: number;
  readonly seed: number;
  readonly crop: "random" | "centre";
  readonly foregroundProbability: number;
  readonly targetType: "int32" | "float32" | "none";
  /** One number: index of the case being worked on, -1 for none. Survives the worker, so its death can be explained. */
  readonly working: Int32Array;
}

export interface BatchTask {
  readonly kind: "batch";
  readonly task: number;
  readonly epoch: number;
  readonly items: readonly BatchItem[];
  /** Buffers to fill, transferred; absent the first time round. */
  readonly input?: ArrayBuffer;
  readonly target?: ArrayBuffer;
}

export interface BatchItem {
  /** Index in the loader's list of cases. */
  readonly index: number;
  readonly case: DataCase;
  /** Position in the epoch: names the random stream. */
  readonly position: number;
  /** Beyond the epoch's first pass through the cases. */
  readonly repeat: boolean;
  /** The case in shared memory, once some worker has prepared it. */
  readonly cached?: PreparedCase;
}

export type WorkerAnswer =
  | {
      readonly task: number;
      readonly input: Float32Array;
      readonly target: Float32Array | Int32Array | null;
      /** Cases this worker prepared, in shared memory, for the loader to hand to all. */
      readonly prepared: readonly { readonly index: number; readonly sample: PreparedCase }[];
    }
  | { readonly task: number; readonly error: { readonly name: string; readonly message: string } };
