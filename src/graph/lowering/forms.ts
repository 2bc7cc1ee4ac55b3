/**
 * Which form each pass of a convolution takes. The one place where this is decided; measured by `bench/forms` (its
 * RESULTS.md has the table). Another form gives other last bits, so the choice depends on shapes only, never on timing.
 */
import { inputRows, outputRows, tapCount, tapGroups, type WindowGeometry } from "./windows.ts";

export type Form = "plain" | "wide" | "paired";

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

const PLAIN: Forms = { forward: "plain", toInput: "plain", toWeights: "plain" };

/** Below this share of tap and position pairs that meet input, leaving out the others pays. */
const PAIRED_BELOW = 0.7;
/** A wide window matrix may hold this many numbers (256 MB). */
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

function choose({ geometry, ci, co, groups }: ConvolutionCase): Forms {
  const taps = tapCount(geometry);
  if (groups > 1 || ci < NARROWEST || co < NARROWEST) return PLAIN;
  const strided = geometry.stride.some((s) => s > 1);
  if (taps === 1 && geometry.padBegin.every((p) => p === 0)) {
    return { forward: "wide", toInput: "wide", toWeights: "wide" };
  }
  const pairs = outputRows(geometry) * taps;
  const valid = tapGroups(geometry).reduce((sum, group) => sum + group.taps.length * group.pairs, 0);
  if (valid < PAIRED_BELOW * pairs) return { forward: "paired", toInput: "paired", toWeights: "paired" };
  if (Math.max(pairs * ci, inputRows(geometry) * taps * co) > WIDE_LIMIT) return PLAIN;
  const smallMap = outputRows(geometry) / geometry.batch <= 512;
  return { forward: "wide", toInput: strided ? "paired" : "wide", toWeights: smallMap && !strided ? "paired" : "wide" };
}
