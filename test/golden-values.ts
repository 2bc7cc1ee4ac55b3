/**
 * Fixtures of `test/golden`: inputs by formula, outputs as stored by the oracle scripts, and how the two are compared.
 * The formula and the formats are described in `oracle/README.md`.
 */
import { readFileSync } from "node:fs";
import { expect } from "vitest";

/** Largest error allowed, relative to the largest reference value of the array. */
export const TOLERANCE = 1e-4;

export interface GoldenInput {
  readonly shape: readonly number[];
  readonly dtype?: "int64" | "bool";
  readonly seed?: number;
  readonly range?: readonly [number, number];
  readonly values?: readonly number[];
  /** Class numbers floor(classes·u). */
  readonly classes?: number;
  /** Places that hold another value instead, such as an index to ignore. */
  readonly holes?: { readonly seed: number; readonly share: number; readonly value: number };
}

export interface GoldenArray {
  readonly shape: readonly number[];
  /** All of a short array. */
  readonly values?: readonly number[];
  /** Base64 of little-endian float32: all of an array, or every n-th value of a large one. */
  readonly data?: string;
  readonly every?: number;
  readonly norm?: number;
  readonly max?: number;
}

export interface GoldenCase {
  readonly op: string;
  readonly name: string;
  readonly inputs: readonly GoldenInput[];
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly outputs: readonly GoldenArray[];
  readonly upstream?: { readonly seed: number };
  readonly gradients?: readonly (GoldenArray | null)[];
}

export function readGolden<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`./golden/${name}`, import.meta.url), "utf8")) as T;
}

/** `count` numbers in [0, 1). */
export function uniform(seed: number, count: number): Float64Array {
  const numbers = new Float64Array(count);
  const offset = (Math.imul(seed, 40503) + 12345) | 0;
  for (let i = 0; i < count; i++) {
    let x = (Math.imul(i, 2654435761) + offset) | 0;
    x ^= x >>> 16;
    x = Math.imul(x, 2246822519);
    x ^= x >>> 13;
    x = Math.imul(x, 3266489917);
    x ^= x >>> 16;
    numbers[i] = (x >>> 0) / 2 ** 32;
  }
  return numbers;
}

/** low + (high − low)·u, rounded to float32. */
export function formula(seed: number, count: number, low = -1, high = 1): Float32Array {
  return mapped(uniform(seed, count), (u) => low + (high - low) * u);
}

/** `Float32Array.from` walks an iterator, which is slow for the millions of values of a network. */
function mapped(numbers: Float64Array, value: (u: number) => number): Float32Array {
  const result = new Float32Array(numbers.length);
  for (let i = 0; i < result.length; i++) result[i] = value(numbers[i]);
  return result;
}

export function countOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

/** The numbers of a case's input, whatever its element type. */
export function inputNumbers(input: GoldenInput): number[] | Float32Array {
  if (input.values !== undefined) return [...input.values];
  const count = countOf(input.shape);
  if (input.classes === undefined) return formula(input.seed!, count, ...(input.range ?? [-1, 1]));
  const classes = Array.from(uniform(input.seed!, count), (u) => Math.floor(input.classes! * u));
  if (input.holes === undefined) return classes;
  const { seed, share, value } = input.holes;
  const where = uniform(seed, count);
  return classes.map((label, i) => (where[i] < share ? value : label));
}

export function numbersOf(array: GoldenArray): Float32Array {
  if (array.values !== undefined) return Float32Array.from(array.values);
  const bytes = Uint8Array.from(Buffer.from(array.data!, "base64"));
  return new Float32Array(bytes.buffer);
}

/** max|a − b| / max|b|. `largest` is max|b| where `wanted` is only a sample. */
export function relativeError(found: ArrayLike<number>, wanted: ArrayLike<number>, largest = 0): number {
  let difference = 0;
  let scale = Math.max(largest, 1e-6);
  for (let i = 0; i < wanted.length; i++) {
    const apart = Math.abs(found[i] - wanted[i]);
    // Written so that NaN does not pass.
    if (!(apart <= difference)) difference = apart;
    scale = Math.max(scale, Math.abs(wanted[i]));
  }
  return difference / scale;
}

/** Fails unless `found` has the fixture's shape and, within {@link TOLERANCE}, its values. */
export function expectGolden(
  what: string,
  found: { readonly data: ArrayLike<number | bigint>; readonly shape: readonly number[] },
  golden: GoldenArray,
): void {
  expect([...found.shape], `${what}: shape`).toEqual(golden.shape);
  const data = Float64Array.from({ length: found.data.length }, (_, i) => Number(found.data[i]));
  const wanted = numbersOf(golden);
  const step = golden.every ?? 1;
  const sample = step === 1 ? data : data.filter((_, i) => i % step === 0);
  expect(sample.length, `${what}: count`).toBe(wanted.length);
  expect(relativeError(sample, wanted, golden.max), `${what}: relative error`).toBeLessThanOrEqual(TOLERANCE);
  if (golden.norm !== undefined) {
    const norm = Math.sqrt(data.reduce((a, v) => a + v * v, 0));
    expect(Math.abs(norm - golden.norm) / golden.norm, `${what}: norm`).toBeLessThanOrEqual(TOLERANCE);
  }
}

/**
 * Values by formula for a network's parameters and buffers, the rule of the MedicalNet fixtures: names in plain string
 * order, the k-th filled from seed k + 1000.
 * @param transposed names of transposed convolutions' weights, [Ci, Co, k…]
 */
export function parametersByFormula(
  shapes: ReadonlyMap<string, readonly number[]>,
  transposed: ReadonlySet<string> = new Set(),
): Map<string, Float32Array> {
  const names = [...shapes.keys()].sort((a, b) => (a < b ? -1 : 1));
  return new Map(
    names.map((name, k) => {
      const shape = shapes.get(name)!;
      const fan = countOf(shape.slice(2)) * shape[transposed.has(name) ? 0 : 1];
      const value = name.endsWith("running_var")
        ? (u: number) => 0.5 + u
        : name.endsWith("running_mean") || !name.endsWith("weight")
          ? (u: number) => 0.2 * (u - 0.5)
          : shape.length > 1
            ? (u: number) => (u - 0.5) * 2 * Math.sqrt(3 / fan) * 1.2
            : (u: number) => 0.75 + 0.5 * u;
      return [name, mapped(uniform(k + 1000, countOf(shape)), value)];
    }),
  );
}
