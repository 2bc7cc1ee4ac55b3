/**
 * Winograd's minimal filtering along one axis: a three-tap correlation of a line of points,
 * y(o) = Σₜ w(t)·x(o + (t − 1)·dilation), as y = Aᵀ[(G w) ⊙ (Bᵀ x)] with fewer products than output points × taps.
 *
 * Dilation and zero padding are in the matrices: points `dilation` apart form lines of their own, and products that would
 * meet only padding are not there. Source: Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks" (CVPR 2016),
 * built as they say from Toom and Cook's interpolation.
 */

/**
 * - `direct`: a product for each tap and point that meet.
 * - `karatsuba`: lines of at most two points, 3 products for two.
 * - `two`: tiles of two outputs, F(2,3): 4 products.
 * - `three`: tiles of three outputs, F(3,3): 5 products; what is left over goes in tiles of two.
 */
export type AxisAlgorithm = "direct" | "karatsuba" | "two" | "three";

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

/** The taps' polynomial at 0, 1, −1, 2 and ∞, scaled so that no row of the input's matrices exceeds 1. */
const TILE_TAPS = [
  [1, 0, 0],
  [1, 1, 1],
  [1 / 2, -1 / 2, 1 / 2],
  [1 / 6, 2 / 6, 4 / 6],
  [0, 0, 2],
];
const [AT_0, AT_1, AT_MINUS_1, AT_2, AT_INFINITY] = [0, 1, 2, 3, 4];

/** A tile: for each product its type, its coefficients of the input from one point before the tile on, and of the outputs. */
type Tile = readonly { readonly type: number; readonly input: readonly number[]; readonly output: readonly number[] }[];

const TWO: Tile = [
  { type: AT_0, input: [1, 0, -1, 0], output: [1, 0] },
  { type: AT_1, input: [0, 1 / 2, 1 / 2, 0], output: [1, 1] },
  { type: AT_MINUS_1, input: [0, -1, 1, 0], output: [1, -1] },
  { type: AT_INFINITY, input: [0, -1 / 2, 0, 1 / 2], output: [0, 1] },
];

const THREE: Tile = [
  { type: AT_0, input: [1, -1 / 2, -1, 1 / 2, 0], output: [1, 0, 0] },
  { type: AT_1, input: [0, 1, 1 / 2, -1 / 2, 0], output: [1, 1, 1] },
  { type: AT_MINUS_1, input: [0, -2 / 3, 1, -1 / 3, 0], output: [1, -1, 1] },
  { type: AT_2, input: [0, -1, 0, 1, 0], output: [1, 2, 4] },
  { type: AT_INFINITY, input: [0, 1, -1 / 2, -1, 1 / 2], output: [0, 0, 1] },
];

/** The transforms of an axis of `points` points whose padding equals its dilation. */
export function axisTransform(points: number, dilation: number, algorithm: AxisAlgorithm): AxisTransform {
  const products: Product[] = [];
  for (let first = 0; first < Math.min(dilation, points); first++) {
    const line: number[] = [];
    for (let at = first; at < points; at += dilation) line.push(at);
    products.push(...lineProducts(line, algorithm));
  }
  products.sort((a, b) => a.type - b.type);
  const all = { direct: DIRECT_TAPS, karatsuba: KARATSUBA_TAPS, two: TILE_TAPS, three: TILE_TAPS }[algorithm];
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
    case "two":
      return tiled(line, Array<Tile>(Math.ceil(line.length / 2)).fill(TWO));
    case "three": {
      const twos = line.length === 1 ? 1 : (3 - (line.length % 3)) % 3;
      const threes = Math.max(0, (line.length - 2 * twos) / 3);
      return tiled(line, [...Array<Tile>(threes).fill(THREE), ...Array<Tile>(twos).fill(TWO)]);
    }
  }
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
