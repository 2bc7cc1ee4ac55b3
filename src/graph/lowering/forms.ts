/**
 * Which form each pass of a convolution takes. The one place where this is decided; measured by `bench/forms` (its
 * RESULTS.md has the table). Another form gives other last bits, so the choice depends on shapes only, never on timing.
 */
import { BoundedCache } from "../../bounded-cache.ts";
import { inputRows, outputRows, tapCount, validPairs, type WindowGeometry } from "./windows.ts";
import { isWinograd } from "./winograd.ts";
import { type AxisAlgorithm, axisTransform } from "./winograd-axis.ts";

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
  readonly chooseAlgorithms: (convolution: ConvolutionCase, training: boolean) => readonly AxisAlgorithm[];
}

const PLAIN: Forms = { forward: "plain", toInput: "plain", toWeights: "plain" };

/** Below this share of tap and position pairs that meet input, leaving out the others pays. */
const PAIRED_BELOW = 0.7;
/** A wide window matrix may hold this many numbers (256 MB). */
const WIDE_LIMIT = 64e6;
/** A transformed map may hold this many numbers (128 MB): from the forward pass it waits for the weights' gradient. */
const TRANSFORMED_MAP = 32e6;
/** The transformed weights of a layer may be so many numbers (80 MB), or as many as the weights. */
const TRANSFORMED_WEIGHTS = 20e6;
/** Layers with fewer channels than this are faster as Conv on channel-first maps. */
const NARROWEST = 32;

/**
 * In training, tiles of three and four are for maps of so many rows: their rounding (5e-6) is five times that of the others, and
 * batch norm over few positions magnifies it past what a step may differ from PyTorch's.
 */
const LONG_TILES_FROM = 2000;
/** Below so many rows nothing is tiled: there is little to save, and the same holds for all tiles. */
const TILES_FROM = 400;
const SHORT: ReadonlySet<AxisAlgorithm> = new Set<AxisAlgorithm>(["direct", "karatsuba", "two"]);

/** Convolutions whose choice is remembered: those of some ten networks. */
const REMEMBERED = 500;
export const formsOf = new BoundedCache<string, Forms>(REMEMBERED);

export function chooseForms(convolution: ConvolutionCase): Forms {
  return formsOf.get(JSON.stringify(convolution), () => choose(convolution));
}

function choose(convolution: ConvolutionCase): Forms {
  const { geometry, ci, co, groups } = convolution;
  if (groups > 1 || ci < NARROWEST || co < NARROWEST) return PLAIN;
  if (tapCount(geometry) === 1 && geometry.padBegin.every((p) => p === 0)) {
    return { forward: "wide", toInput: "wide", toWeights: "wide" };
  }
  if (isWinograd(geometry) && outputRows(geometry) >= TILES_FROM) {
    const { rows } = cheapest(convolution, true);
    if (rows * Math.max(ci, co) <= TRANSFORMED_MAP) {
      return { forward: "winograd", toInput: "winograd", toWeights: "winograd" };
    }
  }
  return chooseGathered(convolution);
}

/** The choice between `wide`, `paired` and `plain`, for convolutions that Winograd's algorithm does not fit. */
export function chooseGathered({ geometry, ci, co }: ConvolutionCase): Forms {
  const taps = tapCount(geometry);
  const strided = geometry.stride.some((s) => s > 1);
  const pairs = outputRows(geometry) * taps;
  if (validPairs(geometry) < PAIRED_BELOW * pairs) return { forward: "paired", toInput: "paired", toWeights: "paired" };
  if (Math.max(pairs * ci, inputRows(geometry) * taps * co) > WIDE_LIMIT) return PLAIN;
  const smallMap = outputRows(geometry) / geometry.batch <= 512;
  return { forward: "wide", toInput: strided ? "paired" : "wide", toWeights: smallMap && !strided ? "paired" : "wide" };
}

/**
 * The algorithm that Winograd's form uses along each axis.
 * @param training whether weights change, so that each step pays for their transform
 */
export function chooseAlgorithms(convolution: ConvolutionCase, training: boolean): readonly AxisAlgorithm[] {
  return cheapest(convolution, training).algorithms;
}

interface AxisOption {
  readonly algorithm: AxisAlgorithm;
  readonly products: number;
  readonly types: number;
}

interface Combination {
  readonly algorithms: readonly AxisAlgorithm[];
  /** How many rows the transformed map has. */
  readonly rows: number;
  /** How many matrices [Ci, Co] the transformed weights are. */
  readonly types: number;
}

export const combinations = new BoundedCache<string, Combination>(REMEMBERED);

/** The combination of algorithms that {@link nanoseconds} finds cheapest among those whose weights are not too many. */
function cheapest(convolution: ConvolutionCase, training: boolean): Combination {
  return combinations.get(`${training} ${JSON.stringify(convolution)}`, () => findCheapest(convolution, training));
}

function findCheapest({ geometry, ci, co }: ConvolutionCase, training: boolean): Combination {
  let all: Combination[] = [{ algorithms: [], rows: geometry.batch, types: 1 }];
  for (const [axis, points] of geometry.input.entries()) {
    const every = axisOptions(points, geometry.dilation[axis]);
    const options =
      training && outputRows(geometry) < LONG_TILES_FROM
        ? every.filter(({ algorithm }) => SHORT.has(algorithm))
        : every;
    all = all.flatMap(({ algorithms, rows, types }) =>
      options.map((option) => ({
        algorithms: [...algorithms, option.algorithm],
        rows: rows * option.products,
        types: types * option.types,
      })),
    );
  }
  const small = all.filter(
    ({ types }) => types <= 3 ** geometry.input.length || types * ci * co <= TRANSFORMED_WEIGHTS,
  );
  const cost = (of: Combination): number => nanoseconds(of, ci, co, training);
  // Of combinations that cost the same, the last one: there the axes that are transformed first grow least.
  return small.reduce((a, b) => (cost(b) <= cost(a) ? b : a));
}

function axisOptions(points: number, dilation: number): AxisOption[] {
  const line = Math.ceil(points / dilation);
  const fitting: AxisAlgorithm[] =
    line <= 2 ? ["karatsuba", "direct"] : (["direct", "two", "three", "four"] as const).slice(0, Math.min(4, line));
  return fitting.map((algorithm) => {
    const { types, weights } = axisTransform(points, dilation, algorithm);
    return { algorithm, products: types.length, types: weights.length };
  });
}

/** What a layer costs on one core of the machine of `bench/forms`: products, moving maps, transforming or reading weights. */
function nanoseconds({ rows, types }: Combination, ci: number, co: number, training: boolean): number {
  const passes = training ? 3 : 1;
  const narrow = Math.min(ci, co);
  const flopPerNs = narrow >= 256 ? 95 : narrow >= 128 ? 85 : narrow >= 64 ? 63 : 45;
  const products = (passes * 2 * rows * ci * co) / flopPerNs;
  const maps = 0.75 * passes * rows * (ci + co);
  const weights = (training ? 2.5 : 0.1) * types * ci * co;
  return products + maps + weights;
}
