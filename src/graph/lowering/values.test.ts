/** Representations of one value: each way there and back gives the same numbers, inside graphs and outside. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createEngine, type Engine } from "../../runtime/index.ts";
import { graph, sizeOf, type Tensor } from "../index.ts";
import { compute, numbersOf } from "../test/compute.ts";
import { joinWeights, pieceNames, pieceShapes, sameLayout, splitWeights, Value, type WeightLayout } from "./values.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 1 });
});
afterAll(() => engine.close());

/** 0, 1, 2, … */
const counted = (shape: readonly number[]): Float32Array => Float32Array.from({ length: sizeOf(shape) }, (_, i) => i);

/** Two outputs, one input channel, three taps: the middle tap apart from the outer two. */
const SHAPE = [2, 1, 3];
const LAYOUT: WeightLayout = { groups: [[1], [0, 2]] };

describe("weights by hand", () => {
  test("pieces are tap-major, [taps, Ci, Co]", () => {
    // Output 0 has taps 0 1 2, output 1 has taps 3 4 5.
    expect(splitWeights(counted(SHAPE), SHAPE, LAYOUT)).toEqual([Float32Array.of(1, 4), Float32Array.of(0, 3, 2, 5)]);
    expect(pieceShapes(SHAPE, LAYOUT)).toEqual([
      [1, 1, 2],
      [2, 1, 2],
    ]);
    expect(pieceNames("conv1.weight", LAYOUT)).toEqual(["conv1.weight#0", "conv1.weight#1"]);
  });

  test("layouts are the same if their groups are", () => {
    expect(sameLayout(LAYOUT, { groups: [[1], [0, 2]] })).toBe(true);
    expect(sameLayout(LAYOUT, { groups: [[0, 2], [1]] })).toBe(false);
    expect(sameLayout({ groups: [[0, 1]] }, { groups: [[0], [1]] })).toBe(false);
  });
});

/** A weight's shape and taps in any order, cut into groups at any places. */
const weights = fc
  .tuple(
    fc.integer({ min: 1, max: 4 }),
    fc.integer({ min: 1, max: 4 }),
    fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 }),
  )
  .chain(([co, ci, kernel]) => {
    const taps = Array.from({ length: sizeOf(kernel) }, (_, k) => k);
    return fc.tuple(
      fc.constant([co, ci, ...kernel]),
      fc.shuffledSubarray(taps, { minLength: taps.length }),
      fc.array(fc.boolean(), { minLength: taps.length, maxLength: taps.length }),
    );
  })
  .map(([shape, order, cuts]) => {
    const groups: number[][] = [[]];
    for (const [i, tap] of order.entries()) {
      if (cuts[i] && groups[groups.length - 1].length > 0) groups.push([]);
      groups[groups.length - 1].push(tap);
    }
    return { shape, layout: { groups } };
  });

test("splitting and joining outside a graph keeps every number in any layout", () => {
  fc.assert(
    fc.property(weights, ({ shape, layout }) => {
      const data = counted(shape);
      const pieces = splitWeights(data, shape, layout);
      expect(pieces.map(({ length }) => length)).toEqual(pieceShapes(shape, layout).map(sizeOf));
      expect(joinWeights(pieces, shape, layout)).toEqual(data);
    }),
    { seed: 1 },
  );
});

describe("in a graph", () => {
  /** The numbers of tensors made from a plain value. */
  async function made(shape: readonly number[], convert: (value: Value) => readonly Tensor[]): Promise<number[][]> {
    const g = graph();
    const tensors = convert(Value.plain(g.constant(counted(shape), shape)));
    const outputs = Object.fromEntries(tensors.map((tensor, i) => [`y${i}`, tensor]));
    return Object.values(await compute(engine, g, outputs)).map(numbersOf);
  }

  test("rows are channels last", async () => {
    const [rows] = await made([1, 2, 3], (value) => [value.rows()]);
    expect(rows).toEqual([0, 3, 1, 4, 2, 5]);
  });

  test.each([[[2, 3, 4]], [[2, 3, 2, 3]], [[2, 3, 2, 1, 3]], [[1, 1, 1, 1, 1]]])(
    "%o: rows and back, pieces and back, rows by way of pieces",
    async (shape) => {
      const taps = sizeOf(shape.slice(2));
      const layout = { groups: [Array.from({ length: taps }, (_, k) => taps - 1 - k)] };
      const type = { shape, dtype: "float32" } as const;
      const found = await made(shape, (value) => {
        const pieces = value.pieces(layout);
        const fromPieces = Value.pieces(pieces, layout, type);
        return [Value.rows(value.rows(), type).plain(), fromPieces.plain(), value.rows(), fromPieces.rows()];
      });
      expect(found[0]).toEqual([...counted(shape)]);
      expect(found[1]).toEqual([...counted(shape)]);
      expect(found[3]).toEqual(found[2]);
    },
  );

  test("pieces in a graph are those that storage holds, and one layout turns into another", async () => {
    const sample = fc.sample(fc.tuple(weights, fc.nat(1000)), { numRuns: 12, seed: 2 });
    for (const [{ shape, layout }, rotation] of sample) {
      const flat = layout.groups.flat();
      const at = rotation % flat.length;
      const other: WeightLayout = { groups: [flat.slice(at), flat.slice(0, at)].filter((group) => group.length > 0) };
      const wanted = splitWeights(counted(shape), shape, layout).map((piece) => [...piece]);
      expect(await made(shape, (value) => value.pieces(layout))).toEqual(wanted);
      const turned = await made(shape, (value) =>
        Value.pieces(value.pieces(other), other, { shape, dtype: "float32" }).pieces(layout),
      );
      expect(turned).toEqual(wanted);
    }
  });

  test("what is there is handed out again, not made again", () => {
    const g = graph();
    const value = Value.plain(g.constant(counted([1, 2, 3]), [1, 2, 3]));
    expect([value.native, value.hasRows, value.layout]).toEqual(["plain", false, undefined]);
    const rows = value.rows();
    expect([value.rows(), value.hasRows]).toEqual([rows, true]);
    const pieces = Value.pieces(value.pieces(LAYOUT), LAYOUT, { shape: [1, 2, 3], dtype: "float32" });
    expect(pieces.pieces({ groups: [[1], [0, 2]] })).toBe(pieces.pieces(LAYOUT));
    expect(pieces.native).toBe("pieces");
  });
});
