/** The files and options of a segmentation, as schemas. */
import { z } from "zod";
import { planSchema } from "../../data/index.ts";
import { commonOptions } from "../../train/index.ts";
import { segmentationConfigSchema } from "./config.ts";
import { volumeCaseSchema } from "./data.ts";
import { keepLargestSchema } from "./keep-largest.ts";

/** Of windows that are predicted one by one. */
export const windowOptions = {
  ...commonOptions,
  /** What neighbouring windows have in common. */
  overlap: z.number().min(0).max(0.95).optional(),
  /** Average with the predictions of mirrored images: along all axes, or those that are named. */
  mirror: z.union([z.boolean(), z.array(z.enum(["x", "y", "z"]))]).optional(),
  /** Which connected components are kept, instead of what the run says; null: all. */
  keepLargest: keepLargestSchema.nullable().optional(),
};

/** Value, scheme and meaning. */
const code = z.tuple([z.string().min(1).max(16), z.string().min(1).max(16), z.string().min(1).max(64)]);
/** Codes by the names of labels: `{ "spleen": { "type": ["78961009", "SCT", "Spleen"] } }`. */
const codeTableSchema = z.record(
  z.string(),
  z.strictObject({ type: code, category: code.optional(), modifier: code.optional() }),
);

/** Of predictions alone. */
export const predictionOptions = {
  /** Bytes of resident memory that a prediction may take. */
  maxMemory: z.number().positive().optional(),
  /** Write the probabilities of all classes, too. */
  probabilities: z.boolean().optional(),
  /** How label maps are written: NIfTI, or as DICOM segmentation objects on the slices of DICOM images. */
  format: z.enum(["nifti", "seg", "seg-fractional"]).optional(),
  /** The name of the one file that is written, instead of the case's. */
  fileName: z.string().min(1).optional(),
  /** Codes of labels in DICOM segmentation objects, by the labels' names. */
  codes: codeTableSchema.optional(),
};

/** How far a surface may lie from the true one and still count as right in NSD, mm; 1 where left out. */
const nsdToleranceMm = z.number().min(0).optional();

export const segmentationSchemas = {
  config: segmentationConfigSchema,
  plan: planSchema,
  case: volumeCaseSchema,
  evaluate: z.strictObject({ ...windowOptions, nsdToleranceMm }),
  predict: z.strictObject({ ...windowOptions, ...predictionOptions }),
  export: z.strictObject({}),
};
