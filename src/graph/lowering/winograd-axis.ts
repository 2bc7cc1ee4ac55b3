/**
 * Winograd's minimal filtering along one axis: a three-tap correlation of a line of points,
 * y(o) = Σₜ w(t)·x(o + (t − 1)·dilation), as y = Aᵀ[(G w) ⊙ (Bᵀ x)] with fewer products than output points × taps.
 *
 * Dilation and zero padding are in the matrices: points `dilation` apart form lines of their own, and products that would
 * meet only padding are not there. Source: Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks" (CVPR 2016),
 * built as they say from Toom and Cook's interpolation, but at points near one in size, which round ten times less than the
 * textbook's 0, ±1, ±2 (`bench/forms/RESULTS.md`).
 */

/**
 * - `direct`: a product for each tap and point that meet.
 * - `karatsuba`: lines of at most two points, 3 products for two.
 * - `two`: tiles of two outputs, F(2,3): 4 products.
 * - `three`: tiles of three outputs, F(3,3): 5 products; and of two for what is left over.
 * - `four`: tiles of four outputs, F(4,3): 6 products; and of three or two for what is left over.
 */
export type AxisAlgorithm = "direct" | "karatsuba" | "two" | "three" | "four";

export interface AxisTransform {
  /** Points of the axis. */
  readonly points: number;
  /** For each product the row of `weights` it uses, ascending. */
  readonly types: readonly number[];
  /** Bᵀ [products, points] */
  readonly input: Float32Array;
  /** Aᵀ [points, products] */
  readonly output: Float32Array;
  /** G: for each type what it takes of the three taps. */
  readonly weights: readonly (readonly number[])[];
}

/** Numbers by position. */
type Sparse = readonly (readonly [position: number, value: number])[];

interface Product {
  readonly type: number;
  readonly input: Sparse;
  readonly output: Sparse;
}

const DIRECT_TAPS = [
  [1, 0, 0],
  [0, 1, 0],
  [0, 0, 1],
];

/** The middle tap on the sum, and what the outer taps differ from it. */
const KARATSUBA_TAPS = [
  [0, 1, 0],
  [0, -1, 1],
  [1, -1, 0],
];

/** Where the polynomials are evaluated, besides infinity. A tile of m outputs takes the first m + 1. */
const POINTS = {
  two: [0, 1, -1],
  three: [0, 3 / 4, -3 / 4, 2],
  four: [0, 5 / 8, -5 / 8, 3 / 2, -3 / 2],
};

/** A tile's products: type, coefficients of the input from one point before the tile on, coefficients of the outputs. */
type Tile = readonly { readonly type: number; readonly input: readonly number[]; readonly output: readonly number[] }[];

interface TileFamily {
  /** By their number of outputs; all use the same `weights`. */
  readonly tiles: ReadonlyMap<number, Tile>;
  /** A type per point, the last for infinity. */
  readonly weights: readonly (readonly number[])[];
}

function tileFamily(points: readonly number[]): TileFamily {
  const largest = points.length - 1;
  const powers = (p: number, count: number): number[] => Array.from({ length: count }, (_, i) => p ** i);
  const unscaled = (outputs: number): Tile => {
    const chosen = points.slice(0, outputs + 1);
    const finite = chosen.map((p, type) => {
      const others = chosen.filter((q) => q !== p);
      const height = others.reduce((product, q) => product * (p - q), 1);
      return { type, input: [...rootsToCoefficients(others, height), 0], output: powers(p, outputs) };
    });
    const last = Array.from({ length: outputs }, (_, i) => (i === outputs - 1 ? 1 : 0));
    return [...finite, { type: points.length, input: rootsToCoefficients(chosen, 1), output: last }];
  };
  // Scaled so that in the largest tile no coefficient of the input exceeds 1; the weights take the factor.
  const scale = unscaled(largest).map(({ input }) => Math.max(...input.map(Math.abs)));
  const tiles = new Map<number, Tile>();
  for (let outputs = 2; outputs <= largest; outputs++) {
    tiles.set(
      outputs,
      unscaled(outputs).map(({ type, input, output }) => ({ type, input: input.map((v) => v / scale[type]), output })),
    );
  }
  const weights = [...points.map((p) => powers(p, 3)), [0, 0, 1]].map((row, type) => row.map((v) => v * scale[type]));
  return { tiles, weights };
}

/** Coefficients of Π(x − root) / divisor, the constant one first. */
function rootsToCoefficients(roots: readonly number[], divisor: number): number[] {
  let expanded = [1];
  for (const root of roots)
    expanded = Array.from(
      { length: expanded.length + 1 },
      (_, i) => (expanded[i - 1] ?? 0) - root * (expanded[i] ?? 0),
    );
  return expanded.map((v) => v / divisor);
}

const FAMILIES = { two: tileFamily(POINTS.two), three: tileFamily(POINTS.three), four: tileFamily(POINTS.four) };

/** The transforms of an axis of `points` points whose padding equals its dilation. */
export function axisTransform(points: number, dilation: number, algorithm: AxisAlgorithm): AxisTransform {
  const products: Product[] = [];
  for (let first = 0; first < Math.min(dilation, points); first++) {
    const line: number[] = [];
    for (let at = first; at < points; at += dilation) line.push(at);
    products.push(...lineProducts(line, algorithm));
  }
  products.sort((a, b) => a.type - b.type);
  const all =
    algorithm === "direct" ? DIRECT_TAPS : algorithm === "karatsuba" ? KARATSUBA_TAPS : FAMILIES[algorithm].weights;
  const used = [...new Set(products.map(({ type }) => type))];
  const input = new Float32Array(products.length * points);
  const output = new Float32Array(points * products.length);
  for (const [i, product] of products.entries()) {
    for (const [at, value] of product.input) input[i * points + at] = value;
    for (const [at, value] of product.output) output[at * products.length + i] = value;
  }
  return {
    points,
    types: products.map(({ type }) => used.indexOf(type)),
    input,
    output,
    weights: used.map((type) => all[type]),
  };
}

function lineProducts(line: readonly number[], algorithm: AxisAlgorithm): Product[] {
  switch (algorithm) {
    case "direct":
      return [0, 1, 2].flatMap((type) =>
        line.flatMap((at, o) => {
          const from = line[o + type - 1];
          return from === undefined ? [] : [{ type, input: [[from, 1]], output: [[at, 1]] } as const];
        }),
      );
    case "karatsuba": {
      const [a, b] = line;
      if (line.length === 1) return [{ type: 0, input: [[a, 1]], output: [[a, 1]] }];
      const both: Sparse = [
        [a, 1],
        [b, 1],
      ];
      return [
        { type: 0, input: both, output: both },
        { type: 1, input: [[b, 1]], output: [[a, 1]] },
        { type: 2, input: [[a, 1]], output: [[b, 1]] },
      ];
    }
    default: {
      const { tiles } = FAMILIES[algorithm];
      return tiled(
        line,
        tiling(line.length, [...tiles.keys()]).map((outputs) => tiles.get(outputs)!),
      );
    }
  }
}

/** Sizes of tiles that cover `length` points with the fewest products; a last point alone takes a part of a tile of two. */
function tiling(length: number, sizes: readonly number[]): readonly number[] {
  const best: { products: number; tiles: readonly number[] }[] = [
    { products: 0, tiles: [] },
    { products: 3, tiles: [2] },
  ];
  for (let n = 2; n <= length; n++) {
    const options = sizes
      .filter((outputs) => outputs <= n)
      .map((outputs) => ({
        products: outputs + 2 + best[n - outputs].products,
        tiles: [outputs, ...best[n - outputs].tiles],
      }));
    best.push(options.reduce((a, b) => (b.products < a.products ? b : a)));
  }
  return best[length].tiles;
}

/** Tiles one after another along a line; what reaches outside it is left out. */
function tiled(line: readonly number[], tiles: readonly Tile[]): Product[] {
  const products: Product[] = [];
  let start = 0;
  const placed = (coefficients: readonly number[], from: number): Sparse =>
    coefficients.flatMap((value, i) =>
      value !== 0 && line[from + i] !== undefined ? [[line[from + i], value] as const] : [],
    );
  for (const tile of tiles) {
    for (const { type, input, output } of tile) {
      const product = { type, input: placed(input, start - 1), output: placed(output, start) };
      if (product.input.length > 0 && product.output.length > 0) products.push(product);
    }
    start += tile[0].output.length;
  }
  return products;
}
