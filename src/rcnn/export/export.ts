/** Detectors for other programs: the whole detector as one ONNX file, or its weights under torchvision's names. */
import { ConfigError } from "../../errors.ts";
import { writeFileAtomic } from "../../files/index.ts";
import { versions } from "../../machine.ts";
import { encodePortable, type StateMap, writePortableWeights } from "../../train/index.ts";
import { type DetectorSource, readDetector } from "../detect/load.ts";
import { type DetectorConfig, plainDetector } from "../network/config.ts";
import type { DetectionPlan } from "../run/data.ts";
import { detectorGraph } from "./graph.ts";

export interface ExportDetectorOptions {
  /**
   * `onnx`: picture in, boxes out; `safetensors`: parameters and running statistics; `pth-names`: the same with the batch norms' counters,
   * as PyTorch's `state_dict` has them.
   */
  readonly format: "onnx" | "safetensors" | "pth-names";
  readonly out: string;
  /**
   * Of the ONNX file: what images are brought onto, x y (z), multiples of the detector's divisor; by default the run's own, and for
   * weights without a run what holds a landscape picture.
   */
  readonly canvas?: readonly number[];
  /** Only detections with a score above this; default the detector's own. */
  readonly score?: number;
  /** At most so many; default the detector's own. */
  readonly max?: number;
  readonly force?: boolean;
}

export interface ExportedDetector {
  /** Tensors written; undefined for a graph. */
  readonly tensors?: number;
  /** Of a graph: x y (z). */
  readonly canvas?: readonly number[];
}

/**
 * Writes a run's detector, or torchvision's weights, for other programs. The ONNX file is made of standard operators and holds
 * everything from the resizing of the picture to the suppression of its boxes; names and settings are in its metadata.
 * @throws ConfigError for what has no standard operators (soft suppression), WeightsError for other weights
 */
export async function exportDetector(
  source: DetectorSource,
  { format, out, canvas, score, max, force }: ExportDetectorOptions,
): Promise<ExportedDetector> {
  const { plan, weights } = await readDetector(source, { score, max });
  if (format !== "onnx") {
    if (canvas !== undefined) throw new ConfigError("canvas: is for onnx; weights fit every size");
    return { tensors: await writePortableWeights(out, weights, { counters: format === "pth-names", force }) };
  }
  const chosen = exportCanvas(plan, canvas);
  await writeFileAtomic(out, encodeDetector(plan, weights, chosen), { force });
  return { canvas: chosen };
}

/** What images are brought onto in an exported graph. */
export function exportCanvas(
  plan: { readonly canvas?: readonly number[]; readonly detector: DetectorConfig },
  asked?: readonly number[],
): readonly number[] {
  return asked ?? plan.canvas ?? landscape(plan.detector);
}

/** The ONNX file's bytes. @throws ConfigError likewise */
export function encodeDetector(
  { axes, classes, detector, prepare }: Pick<DetectionPlan, "axes" | "classes" | "detector" | "prepare">,
  weights: StateMap,
  canvas: readonly number[],
): Uint8Array {
  const { graph, outputs, sizes } = detectorGraph(detector, canvas);
  const { minimumScore, suppressionOverlap, limit } = detector.detections;
  const pixels = detector.channels === 3 ? "RGB in 0 … 1" : axes === 2 ? "gray in 0 … 1" : "prepared voxels";
  return encodePortable({ graph, outputs }, weights, {
    ...sizes,
    name: "medvox-detector",
    metadata: {
      medvox: versions().medvox,
      task: "detection",
      classes: JSON.stringify(classes.map(({ name }) => name)),
      categories: JSON.stringify(classes.map(({ id }) => id)),
      input: `image: ${pixels}, ${axes === 2 ? "of any size" : "at most of the canvas's size"}; normalised${axes === 2 && detector.input.minSide !== null ? ", resized" : ""} and padded inside`,
      output: "boxes: low and high corners in the image's own pixels, x first; labels: 1 is the first class",
      canvas: canvas.join(),
      minimumScore: String(minimumScore),
      suppressionOverlap: String(suppressionOverlap),
      limit: String(limit),
      ...(prepare !== null && { prepare: JSON.stringify(prepare) }),
      detector: JSON.stringify(plainDetector(detector)),
    },
  });
}

/** What holds every picture that is wider than high, at the size it is brought to. */
function landscape({ axes, input }: DetectorConfig): number[] {
  const { minSide, maxSide, divisor } = input;
  if (axes === 3 || minSide === null || maxSide === null)
    throw new ConfigError("canvas: must be given for a detector that takes images as they are");
  return [maxSide, minSide.at(-1)!].map((length) => Math.ceil(length / divisor) * divisor);
}
