/**
 * What the one loader is told of a task: which items there are, which worker module makes batches of them, what can be
 * shared and used again. And what loader and workers say to each other: everything here survives a structured clone.
 */
import type { LoadedVolume } from "../../volume/formats/header.ts";

/** An item of a data set, from its files to what a batch is cut from. */
export interface Mapper<Item extends { readonly id: string }, Made, Batch> {
  /** In the order in which they are numbered. */
  readonly items: readonly Item[];
  /** The module that makes batches: its stem, beside the module of this URL; and what it is told when it starts, as data. */
  readonly worker: { readonly url: string; readonly stem: string; readonly setup: object };
  /** Items of a batch. */
  readonly batch: number;
  /** Sizes in bytes of a batch's arrays that can be filled again once they come back. */
  readonly buffers: readonly number[];
  /** Everything that an item in memory was made from: equal keys are equal sources, whichever loader made them. */
  keyOf(item: Item): string;
  /** Paths of the volumes that an item is made from. */
  filesOf(item: Item): readonly string[];
  /** What a worker made, as the consumer sees it. */
  batchOf(made: Made, place: BatchPlace): Batch;
}

/** Arrays of a batch that can be filled again. */
export interface BatchArrays {
  readonly input?: Float32Array;
  readonly target?: Float32Array | Int32Array;
}

export interface BatchPlace {
  readonly epoch: number;
  readonly step: number;
  readonly ids: readonly string[];
  /** How long the consumer waited for this batch. */
  readonly waitedMs: number;
}

/** What a worker is told when it starts, beside its mapper's setup. */
export interface WorkerSetup<Setup extends object = object> {
  readonly setup: Setup;
  /** One number: index of the item being worked on, −1 for none. Survives the worker, so that its death can be explained. */
  readonly working: Int32Array;
}

export interface BatchTask<Item, Source> {
  /** Number of the batch, from the first one of epoch 0 on. */
  readonly task: number;
  readonly items: readonly BatchItem<Item, Source>[];
  /** Buffers to fill, transferred; those that are missing are made. */
  readonly buffers: readonly (ArrayBuffer | undefined)[];
}

export interface BatchItem<Item, Source> {
  /** Index in the mapper's items. */
  readonly index: number;
  readonly item: Item;
  readonly epoch: number;
  /** Position in the epoch: names the random stream. */
  readonly position: number;
  /** Beyond the epoch's first pass through the items. */
  readonly repeat: boolean;
  /** The item in shared memory, once some worker has prepared it. */
  readonly source?: Source;
  /** Files of it that lie decoded in shared memory, by path. */
  readonly files: readonly (readonly [path: string, volume: LoadedVolume])[];
}

export type BatchAnswer<Made, Source> =
  | {
      readonly task: number;
      readonly made: Made;
      /** Items that this worker prepared, in shared memory, for the loader to hand to all. */
      readonly prepared: readonly { readonly index: number; readonly source: Source; readonly bytes: number }[];
    }
  | { readonly task: number; readonly error: { readonly message: string } };
