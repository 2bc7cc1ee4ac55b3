/** Which rows a window meets: by hand on a line of three, then against the definition on any geometry. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  inputRows,
  outputRows,
  summands,
  tapCount,
  tapGroups,
  tapRows,
  tapRowsBack,
  type WindowGeometry,
} from "./windows.ts";

/** Three numbers, a kernel of three, padding 1: three outputs. */
const LINE: WindowGeometry = {
  batch: 1,
  input: [3],
  kernel: [3],
  output: [3],
  stride: [1],
  padBegin: [1],
  padEnd: [1],
  dilation: [1],
};
const NONE = 3;

describe("a line of three", () => {
  test("rows that each tap of each output reads", () => {
    // biome-ignore format: one output a line
    expect([...tapRows(LINE)]).toEqual([
      NONE, 0, 1,
      0, 1, 2,
      1, 2, NONE,
    ]);
  });

  test("outputs whose taps read each row", () => {
    // biome-ignore format: one input a line
    expect([...tapRowsBack(LINE)]).toEqual([
      1, 0, NONE,
      2, 1, 0,
      NONE, 2, 1,
    ]);
  });

  test("taps by the number of pairs they meet, padding left out", () => {
    expect(tapGroups(LINE)).toEqual([
      { taps: [1], pairs: 3, inputRows: Int32Array.of(0, 1, 2), outputRows: Int32Array.of(0, 1, 2) },
      { taps: [0, 2], pairs: 2, inputRows: Int32Array.of(0, 1, 1, 2), outputRows: Int32Array.of(1, 2, 0, 1) },
    ]);
  });

  test("places that add up to each output, filled up with one past the last", () => {
    const { lists, total } = summands(tapGroups(LINE), 3, "outputRows");
    expect(total).toBe(7);
    expect(lists.map((list) => [...list])).toEqual([
      [0, 1, 2],
      [5, 3, 4],
      [7, 6, 7],
    ]);
  });

  test("a kernel wider than what it meets has taps without any pair, which come last", () => {
    const groups = tapGroups({ ...LINE, input: [1], output: [1] });
    expect(groups.map(({ taps, pairs }) => [taps, pairs])).toEqual([
      [[1], 1],
      [[0, 2], 0],
    ]);
  });
});

/** Any geometry in one to three dimensions, small enough to walk. */
const geometries: fc.Arbitrary<WindowGeometry> = fc
  .tuple(
    fc.integer({ min: 1, max: 2 }),
    fc.array(
      fc.record({
        input: fc.integer({ min: 1, max: 5 }),
        kernel: fc.integer({ min: 1, max: 3 }),
        stride: fc.integer({ min: 1, max: 3 }),
        dilation: fc.integer({ min: 1, max: 3 }),
        padBegin: fc.integer({ min: 0, max: 3 }),
        padEnd: fc.integer({ min: 0, max: 3 }),
      }),
      { minLength: 1, maxLength: 3 },
    ),
  )
  .map(([batch, axes]) => {
    const of = (key: keyof (typeof axes)[number]): number[] => axes.map((axis) => axis[key]);
    const output = axes.map(({ input, kernel, stride, dilation, padBegin, padEnd }) =>
      Math.floor((input + padBegin + padEnd - dilation * (kernel - 1) - 1) / stride + 1),
    );
    const windows = { stride: of("stride"), dilation: of("dilation"), padBegin: of("padBegin"), padEnd: of("padEnd") };
    return { batch, input: of("input"), kernel: of("kernel"), output, ...windows };
  })
  .filter(({ output }) => output.every((n) => n >= 1));

/** All index tuples of a shape, in row-major order. */
function* places(shape: readonly number[]): Generator<number[]> {
  if (shape.length === 0) yield [];
  else for (let i = 0; i < shape[0]; i++) for (const rest of places(shape.slice(1))) yield [i, ...rest];
}

/** The pairs (input row, output row, tap) of a geometry, straight from the definition of a convolution. */
function pairsOf({ batch, input, kernel, output, stride, dilation, padBegin }: WindowGeometry): string[] {
  const row = (n: number, at: readonly number[], shape: readonly number[]): number =>
    at.reduce((sum, i, axis) => sum * shape[axis] + i, n);
  const pairs: string[] = [];
  for (let n = 0; n < batch; n++) {
    for (const o of places(output)) {
      for (const [tap, k] of [...places(kernel)].entries()) {
        const i = o.map((at, axis) => at * stride[axis] - padBegin[axis] + k[axis] * dilation[axis]);
        if (i.every((at, axis) => at >= 0 && at < input[axis]))
          pairs.push(`${row(n, i, input)} ${row(n, o, output)} ${tap}`);
      }
    }
  }
  return pairs.sort();
}

describe("any geometry", () => {
  const check = (property: (geometry: WindowGeometry, wanted: string[]) => void): void =>
    fc.assert(
      fc.property(geometries, (geometry) => property(geometry, pairsOf(geometry))),
      { numRuns: 200, seed: 5 },
    );

  test("tapRows holds the pairs of the definition, and one past the last elsewhere", () => {
    check((geometry, wanted) => {
      const [taps, none] = [tapCount(geometry), inputRows(geometry)];
      const rows = tapRows(geometry);
      expect(rows).toHaveLength(outputRows(geometry) * taps);
      const found = [...rows].flatMap((i, at) => (i === none ? [] : [`${i} ${Math.floor(at / taps)} ${at % taps}`]));
      expect(found.sort()).toEqual(wanted);
    });
  });

  test("tapRowsBack holds the same pairs from the other side", () => {
    check((geometry, wanted) => {
      const [taps, none] = [tapCount(geometry), outputRows(geometry)];
      const rows = tapRowsBack(geometry);
      expect(rows).toHaveLength(inputRows(geometry) * taps);
      const found = [...rows].flatMap((o, at) => (o === none ? [] : [`${Math.floor(at / taps)} ${o} ${at % taps}`]));
      expect(found.sort()).toEqual(wanted);
    });
  });

  test("tapGroups holds each pair once and each tap once, most pairs first", () => {
    check((geometry, wanted) => {
      const groups = tapGroups(geometry);
      const found = groups.flatMap(({ taps, pairs, inputRows: from, outputRows: to }) =>
        Array.from(from, (i, at) => `${i} ${to[at]} ${taps[Math.floor(at / pairs)]}`),
      );
      expect(found.sort()).toEqual(wanted);
      expect(groups.flatMap(({ taps }) => taps).sort((a, b) => a - b)).toEqual(
        Array.from({ length: tapCount(geometry) }, (_, k) => k),
      );
      const counts = groups.map(({ pairs }) => pairs);
      expect(counts).toEqual([...new Set(counts)].sort((a, b) => b - a));
    });
  });

  test.each(["inputRows", "outputRows"] as const)("summands finds every pair of each row (%s)", (side) => {
    check((geometry) => {
      const groups = tapGroups(geometry);
      const rows = side === "inputRows" ? inputRows(geometry) : outputRows(geometry);
      const { lists, total } = summands(groups, rows, side);
      const owners = groups.flatMap((group) => [...group[side]]);
      expect(total).toBe(owners.length);
      const found = lists
        .flatMap((list) => Array.from(list, (place, row) => ({ place, row })))
        .filter(({ place }) => place < total);
      expect(found.map(({ place }) => place).sort((a, b) => a - b)).toEqual(owners.map((_, place) => place));
      for (const { place, row } of found) expect(owners[place]).toBe(row);
      for (const list of lists) for (const place of list) expect(place).toBeLessThanOrEqual(total);
    });
  });
});
