/** What a detection data set is: pictures or volumes with boxes, whichever layout they were read from. */
import type { Axes } from "../../boxes/index.ts";
import type { Vec3 } from "../../volume/types.ts";
import type { Problem } from "../problem.ts";

export interface DetectionClass {
  /** The number the class has in its files: a COCO category, a YOLO index, a label value; its place where there is none. */
  readonly id: number;
  readonly name: string;
}

/** A finding in the world, as its file gives it. */
export interface WorldPlace {
  /** RAS. */
  readonly centreMm: Vec3;
  readonly diameterMm: number;
}

export interface DetectionItem {
  /** Unique within the data set. */
  readonly id: string;
  /** Absolute path of the picture or volume. */
  readonly image: string;
  /** Absolute path of the file that its boxes stand in; absent where it has none. */
  readonly annotation?: string;
  /** Width, height (and depth): what the annotation says, else the image. */
  readonly size?: readonly number[];
  /** `[R, 2·axes]`: x1 y1 (z1) x2 y2 (z2), half-open, in pixels or voxels. */
  readonly boxes: Float64Array;
  /** `[R]`: places in the data set's `classes`, from 0. */
  readonly labels: Int32Array;
  /** `[R]`: 1 for what is neither to be found nor wrong to find: VOC's difficult objects, LUNA16's excluded findings. */
  readonly difficult: Uint8Array;
  /** `[R]`: 1 for COCO's crowds, regions of many objects. */
  readonly crowd: Uint8Array;
  /** `[R]`: COCO's segment areas in pixels, by which it tells small from large; absent elsewhere. */
  readonly areas?: Float64Array;
  /** `[R]`: of findings in volumes, what the boxes were made from. A box is cut at the scan's edge, and its finding is not. */
  readonly findings?: readonly WorldPlace[];
  readonly split?: "train" | "validation" | "test";
  /** Items of the same group (a patient) stay on one side of a split. */
  readonly group?: string;
  /** COCO's `image_id`, for results that are sent back. Unique within its annotation file only. */
  readonly imageId?: number | string;
}

/** @deprecated Use `Problem`. */
export type DetectionProblem = Problem;

export interface DetectionDataset {
  readonly name: string;
  readonly root: string;
  /** The file or folder that was read. */
  readonly source: string;
  readonly format: "voc" | "coco" | "yolo" | "csv" | "masks" | "nodules";
  readonly axes: Axes;
  readonly classes: readonly DetectionClass[];
  /** Names of the classes that the set itself has, whichever were asked for. */
  readonly declared: readonly string[];
  /** What can be used. An image that is missing or broken is a problem, and no item. */
  readonly items: readonly DetectionItem[];
  readonly problems: readonly Problem[];
  /** Boxes that were left out because of a problem, those of images that were left out included. */
  readonly skipped: number;
  /** Annotation files that could not be read, of how many; and images that are missing or cannot be read. */
  readonly leftOut: { readonly files: number; readonly of: number; readonly images: number };
  /** Of COCO files, by path: what each calls its category numbers. */
  readonly categories?: ReadonlyMap<string, ReadonlyMap<number, string>>;
}

export interface OpenDetectionOptions {
  /** Names of the classes, in order. Default: what the data set has. */
  readonly classes?: readonly string[];
  /**
   * What boxes of other classes are, where `classes` says which there are: of an unknown class, which nothing is trained or
   * scored with, or merely not wanted, and left away with a note. Default `"unknown"`.
   */
  readonly otherClasses?: "unknown" | "unwanted";
  /** Folder of the pictures or volumes, where it is not the usual one. */
  readonly images?: string;
  /**
   * Whether a picture that is not there is left out (the default), or stays where its annotation says its size: scores of
   * another tool's detections need no pixels.
   */
  readonly pictures?: "needed" | "ifThere";
  /** World coordinates of a CSV; default LPS for `coordX`, `coordY`, `coordZ` (LUNA16), RAS for boxes. */
  readonly space?: "RAS" | "LPS";
  /** Voxels that belong to one object of a label map: faces only, or edges and corners too (the default). */
  readonly neighbours?: 6 | 26;
  /** Smaller components of a label map are specks. Default 1: none is. */
  readonly minVoxels?: number;
  /** Readers that must have marked a nodule of a `nodules.json`; others become difficult. Default 3. */
  readonly minReaders?: number;
  readonly signal?: AbortSignal;
}
