/**
 * Batches of patches of volumes, with or without label maps, for segmentation, classification and pre-training; and whole cases,
 * prepared in the same way, to watch a training by.
 */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type Augmentation, type AugmentationPreset, resolveAugmentation } from "../../augment/index.ts";
import { ConfigError, DataError } from "../../errors.ts";
import type { Random } from "../../random.ts";
import { sortById } from "../plan/split.ts";
import type { PreparedCase } from "../prepare/prepare.ts";
import type { Preprocessing } from "../prepare/preprocess.ts";
import type { DataCase } from "../types.ts";
import type { CaseCache } from "./cache.ts";
import { type Loader, startLoader } from "./loader.ts";
import type { Mapper } from "./mapper.ts";
import { startWhole, type WholeItems } from "./whole.ts";

export interface LoaderOptions {
  readonly cases: readonly DataCase[];
  readonly prepare: Preprocessing;
  /** Default `"none"`. */
  readonly augmentation?: AugmentationPreset | Augmentation;
  /** Of patches beyond an epoch's first pass through the cases, where `stepsPerEpoch` goes beyond it; default the same. */
  readonly repeatAugmentation?: AugmentationPreset | Augmentation;
  /**
   * A module of one's own, as a path from the current folder or a URL, whose default export is an {@link OwnAugmentation}. It is loaded by
   * every worker thread and called for each patch, after `augmentation`.
   */
  readonly augment?: string | URL;
  /** `[D, H, W]`. */
  readonly patch: readonly [number, number, number];
  readonly batch: number;
  readonly seed: number;
  /** Threads that prepare batches. Default 1. */
  readonly workers?: number;
  /** Default: enough to see every case once, the last batch filled up with further cases. */
  readonly stepsPerEpoch?: number;
  /** A new order every epoch. Default true. */
  readonly shuffle?: boolean;
  /** Where patches are cut. Default `"random"`. */
  readonly crop?: "random" | "centre";
  /** How often a random patch is centred on foreground. Default 1/3. */
  readonly foregroundProbability?: number;
  /** Element type of the label batch; `"none"` for images without labels. Default `"int32"`. */
  readonly targetType?: "int32" | "float32" | "none";
  /** Batches prepared ahead. Default workers + 1. */
  readonly prefetch?: number;
  /** Memory for prepared cases. Default: a quarter of what the machine has free, at least 512 MiB. */
  readonly cacheBytes?: number;
  /** Memory that fingerprint, batches and watched cases share; instead of `cacheBytes`. */
  readonly cache?: CaseCache;
  readonly signal?: AbortSignal;
}

/** A patch as a module of one's own gets it, to be changed in place. */
export interface OwnPatch {
  /** `[C, D, H, W]`, preprocessed. */
  readonly image: Float32Array;
  /** Classes, `[D, H, W]`; absent without labels. */
  readonly label?: Float32Array | Int32Array;
  /** `[C, D, H, W]`. */
  readonly shape: readonly number[];
  /** Of the axes D, H, W, before augmentation. */
  readonly spacingMm?: readonly number[];
  readonly id: string;
  readonly epoch: number;
}

/** An augmentation of one's own. All its chance must come from `random`, which is the patch's own: then batches are the same every time. */
export type OwnAugmentation = (patch: OwnPatch, random: Random) => void;

export interface Batch {
  /** `[N, C, D, H, W]`. */
  readonly input: Float32Array;
  /** Class indices, `[N, D, H, W]`; empty with `targetType: "none"`. */
  readonly target: Float32Array | Int32Array;
  /** Sizes of both arrays: `[N, C, D, H, W]` and `[N, D, H, W]`. */
  readonly shapes: { readonly input: readonly number[]; readonly target: readonly number[] };
  readonly cases: readonly string[];
  readonly epoch: number;
  readonly step: number;
  /** How long the consumer waited for this batch. */
  readonly waitedMs: number;
}

export type VolumeLoader = Loader<Batch>;

/** What a worker is told that cuts patches. */
export interface PatchSetup {
  readonly prepare: Preprocessing;
  readonly withLabel: boolean;
  /** URL of the user's module. */
  readonly augment?: string;
  /** Absent where whole cases are wanted. */
  readonly patches?: {
    readonly augmentation: Augmentation;
    /** Of items beyond the epoch's first pass through the cases. */
    readonly repeatAugmentation: Augmentation;
    readonly patch: readonly number[];
    readonly batch: number;
    readonly seed: number;
    readonly crop: "random" | "centre";
    readonly foregroundProbability: number;
    readonly targetType: "int32" | "float32" | "none";
  };
}

/** What a worker makes of a task. */
export interface PatchBatch {
  readonly input: Float32Array;
  readonly target?: Float32Array | Int32Array;
}

/**
 * Starts the worker threads.
 * @throws ConfigError for options that make no sense, DataError for a case without a label.
 */
export function createLoader(options: LoaderOptions): VolumeLoader {
  checkOptions(options);
  const { batch, patch, seed, prepare, crop = "random", targetType = "int32", foregroundProbability = 1 / 3 } = options;
  const augmentation = resolveAugmentation(options.augmentation ?? "none");
  const repeatAugmentation = resolveAugmentation(options.repeatAugmentation ?? augmentation);
  const patches = {
    augmentation,
    repeatAugmentation,
    patch,
    batch,
    seed,
    crop,
    foregroundProbability,
    targetType,
  };
  const setup: PatchSetup = { prepare, withLabel: targetType !== "none", patches, augment: moduleOf(options) };
  const shapes = {
    input: [batch, prepare.channels, ...patch],
    target: setup.withLabel ? [batch, ...patch] : [0],
  };
  const targetBytes = 4 * batch * patch[0] * patch[1] * patch[2];
  return startLoader<DataCase, PatchBatch, Batch>(
    {
      ...volumeItems(sortById(options.cases), setup),
      batch,
      buffers: [targetBytes * prepare.channels, ...(setup.withLabel ? [targetBytes] : [])],
      batchOf: ({ input, target = new Int32Array(0) }, { ids, ...place }) => {
        return { input, target, shapes, cases: ids, ...place };
      },
    },
    options,
  );
}

export interface PreparedCasesOptions {
  readonly cases: readonly DataCase[];
  readonly prepare: Preprocessing;
  /** Whether label maps are read. Default true. */
  readonly withLabel?: boolean;
  /** Threads that prepare cases. Default 1. */
  readonly workers?: number;
  /** Cases prepared ahead. Default: as many as workers. */
  readonly prefetch?: number;
  /** Memory for prepared cases. Default: a quarter of what the machine has free, at least 512 MiB. */
  readonly cacheBytes?: number;
  /** Memory that fingerprint, batches and watched cases share; instead of `cacheBytes`. */
  readonly cache?: CaseCache;
  readonly signal?: AbortSignal;
}

/**
 * Whole cases as a network sees them, in the order of the list, made by workers. What fits into the cache is there the next time;
 * the rest is prepared again, a few ahead of the one that is looked at.
 */
export function preparedCases(options: PreparedCasesOptions): WholeItems<PreparedCase> {
  const { cases, prepare, withLabel = true } = options;
  return startWhole(volumeItems(cases, { prepare, withLabel }), options);
}

/** What all that is made of volumes has in common. */
function volumeItems(
  items: readonly DataCase[],
  setup: PatchSetup,
): Pick<Mapper<DataCase, never, never>, "items" | "worker" | "keyOf" | "filesOf"> {
  const { prepare, withLabel } = setup;
  return {
    items,
    worker: { url: import.meta.url, stem: "./volumes-worker", setup },
    keyOf: ({ id, image, moreChannels, channelPick, label, labelPick, labelGrid }) =>
      JSON.stringify([
        prepare,
        id,
        image,
        moreChannels,
        channelPick,
        ...(withLabel ? [label, labelPick, labelGrid] : []),
      ]),
    filesOf: ({ image, moreChannels = [], label }) =>
      withLabel && label !== undefined ? [image, ...moreChannels, label] : [image, ...moreChannels],
  };
}

/** The URL of the user's module. @throws ConfigError where there is no such file */
function moduleOf({ augment }: LoaderOptions): string | undefined {
  if (augment === undefined) return undefined;
  const url =
    augment instanceof URL || /^[a-z]+:\/\//.test(augment) ? new URL(augment) : pathToFileURL(resolve(augment));
  if (url.protocol === "file:" && !existsSync(url))
    throw new ConfigError(
      `loader: augment: ${fileURLToPath(url)} is not there; expected a module with a default export`,
    );
  return url.href;
}

function checkOptions(options: LoaderOptions): void {
  const { patch } = options;
  if (patch.length !== 3 || !patch.every((n) => Number.isInteger(n) && n > 0)) {
    throw new ConfigError(`loader: patch: expected three sizes D,H,W, e.g. 48,64,48; got ${patch.join(",")}`);
  }
  if (options.cases.length === 0) throw new ConfigError("loader: cases: expected at least one");
  if (options.targetType === "none") return;
  const bare = options.cases.find((item) => item.label === undefined);
  if (bare) throw new DataError(`${bare.id}: has no label, so it cannot be trained on (image ${bare.image})`);
}
