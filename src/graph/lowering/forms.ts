/**
 * Which form each pass of a convolution takes. The one place where this is decided; measured by `bench/forms` (its
 * RESULTS.md has the table). Another form gives other last bits, so the choice depends on shapes only, never on timing.
 */
import { inputRows, outputRows, tapCount, tapGroups, type WindowGeometry } from "./windows.ts";
import { isWinograd, transformedRows } from "./winograd.ts";
import type { AxisAlgorithm } from "./winograd-axis.ts";

export type Form = "plain" | "wide" | "paired" | "winograd";

export interface Forms {
  readonly forward: Form;
  readonly toInput: Form;
  readonly toWeights: Form;
}

export interface ConvolutionCase {
  readonly geometry: WindowGeometry;
  readonly ci: number;
  readonly co: number;
  readonly groups: number;
}

export interface FormRule {
  readonly chooseForms: (convolution: ConvolutionCase) => Forms;
  readonly chooseAlgorithms: (convolution: ConvolutionCase, training: boolean) => AxisAlgorithm[];
}

const PLAIN: Forms = { forward: "plain", toInput: "plain", toWeights: "plain" };

/** Below this share of tap and position pairs that meet input, leaving out the others pays. */
const PAIRED_BELOW = 0.7;
/** A wide window matrix or a transformed map may hold this many numbers (256 MB). */
const WIDE_LIMIT = 64e6;
/** Narrower layers do better as Conv on channel-first maps. */
const NARROWEST = 32;

const cache = new Map<string, Forms>();

export function chooseForms(convolution: ConvolutionCase): Forms {
  const key = JSON.stringify(convolution);
  const known = cache.get(key);
  if (known !== undefined) return known;
  const chosen = choose(convolution);
  cache.set(key, chosen);
  return chosen;
}

function choose(convolution: ConvolutionCase): Forms {
  const { geometry, ci, co, groups } = convolution;
  if (groups > 1 || ci < NARROWEST || co < NARROWEST) return PLAIN;
  if (tapCount(geometry) === 1 && geometry.padBegin.every((p) => p === 0)) {
    return { forward: "wide", toInput: "wide", toWeights: "wide" };
  }
  if (isWinograd(geometry)) {
    const rows = transformedRows(geometry, chooseAlgorithms(convolution, true));
    if (rows * Math.max(ci, co) <= WIDE_LIMIT) {
      return { forward: "winograd", toInput: "winograd", toWeights: "winograd" };
    }
  }
  return chooseGathered(convolution);
}

/** Between `wide`, `paired` and `plain`, for what Winograd does not do. */
export function chooseGathered({ geometry, ci, co }: ConvolutionCase): Forms {
  const taps = tapCount(geometry);
  const strided = geometry.stride.some((s) => s > 1);
  const pairs = outputRows(geometry) * taps;
  const valid = tapGroups(geometry).reduce((sum, group) => sum + group.taps.length * group.pairs, 0);
  if (valid < PAIRED_BELOW * pairs) return { forward: "paired", toInput: "paired", toWeights: "paired" };
  if (Math.max(pairs * ci, inputRows(geometry) * taps * co) > WIDE_LIMIT) return PLAIN;
  const smallMap = outputRows(geometry) / geometry.batch <= 512;
  return { forward: "wide", toInput: strided ? "paired" : "wide", toWeights: smallMap && !strided ? "paired" : "wide" };
}

/**
 * Winograd's algorithm for each axis, by the points that lie in one line of a dilated axis.
 * @param training weights change, so each step pays for their transform
 */
export function chooseAlgorithms({ geometry }: ConvolutionCase, training: boolean): AxisAlgorithm[] {
  const { input, dilation } = geometry;
  return input.map((points, axis) => {
    const line = Math.ceil(points / dilation[axis]);
    if (line <= 2) return "karatsuba";
    // Few positions do not repay the transform of many weights.
    if (training && line === 3 && dilation[axis] > 1) return axis === 0 ? "three" : "direct";
    return line % 3 === 0 ? "three" : "two";
  });
}
