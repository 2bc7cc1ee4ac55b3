/** What a data set of volumes is: its cases, its classes, where they stand. `openDataset` in `lists/dataset.ts` reads one. */
import type { Problem } from "./problem.ts";

/** Entry k lists the file's values that become label k + 1 (none, where nothing does); every other value becomes 0, background. */
export type LabelPick = readonly (readonly number[])[];

/** One class of a label map: the value in the files and what it is called. */
export interface LabelClass {
  readonly index: number;
  readonly name: string;
}

export interface DataCase {
  /** Unique within the data set. */
  readonly id: string;
  /** Absolute path. A 4D file holds several channels. */
  readonly image: string;
  /** Files with further channels on the same grid (nnU-Net's `_0001`, `_0002`, …). */
  readonly moreChannels?: readonly string[];
  /** Absolute path of the label map. */
  readonly label?: string;
  /** Which of the label map's values are taken, and as what; all of them as they are by default. */
  readonly labelPick?: LabelPick;
  /** With `labelPick`: every value that the files may have. Others are reported; without it, whatever is not picked is background. */
  readonly labelKnown?: readonly number[];
  /** Value of the label map, after the pick, whose voxels count in no loss and no score. */
  readonly ignoreLabel?: number;
  /** Which of the image's channels are taken, from 0; all by default. */
  readonly channelPick?: readonly number[];
  /** `"own"`: the label map lies on a grid of its own, and is brought to the image's. */
  readonly labelGrid?: "own";
  /** What the list says the case is for: `train`, `validation` or `test`. */
  readonly split?: string;
  /** Cases of the same group (a patient) stay on one side of a split. */
  readonly group?: string;
}

export interface Dataset {
  readonly name: string;
  /** The folder that relative paths start from. */
  readonly root: string;
  /** The file or folder that was read, for messages. */
  readonly source: string;
  /** In ascending order; background (0) first. Empty where nothing declares them and discovery was not wanted. */
  readonly labels: readonly LabelClass[];
  /** Whether the labels stand in the data set's description or were found in the label files. */
  readonly labelsFrom: "declared" | "discovered";
  /** One name per channel, for example `["MRI"]`; empty where nothing says. */
  readonly modality: readonly string[];
  /** What can be trained on, in the list's order. */
  readonly cases: readonly DataCase[];
  /** What is to be predicted; labels are optional here. */
  readonly test: readonly DataCase[];
  /** What was found on opening; what is in the files is found by `verifyDataset`, `fingerprintOf` and `prepareCase`. */
  readonly problems: readonly Problem[];
}

/** A data set before its labels were discovered. */
export type OpenedDataset = Omit<Dataset, "labels" | "labelsFrom"> & { readonly labels?: readonly LabelClass[] };
