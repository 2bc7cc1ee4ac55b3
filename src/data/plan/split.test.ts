import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError } from "../../errors.ts";
import type { DataCase } from "../types.ts";
import { holdOut, kFolds } from "./split.ts";

const named = (count: number, more: (i: number) => Partial<DataCase> = () => ({})): DataCase[] =>
  Array.from({ length: count }, (_, i) => ({ id: `c${String(i).padStart(3, "0")}`, image: `${i}.nii`, ...more(i) }));
const ids = (cases: readonly DataCase[]) => cases.map((c) => c.id);

describe("holdOut", () => {
  it("keeps every case on exactly one side, in order of id", () => {
    const { train, heldOut } = holdOut(named(200), 40, { seed: 1 });
    expect([train.length, heldOut.length]).toEqual([160, 40]);
    expect([...ids(train), ...ids(heldOut)].sort()).toEqual(ids(named(200)));
    expect(ids(train)).toEqual([...ids(train)].sort());
  });

  it("is fixed: these five of ten for ever", () => {
    expect(ids(holdOut(named(10), 5, { seed: 7 }).heldOut)).toMatchInlineSnapshot(`
      [
        "c000",
        "c001",
        "c002",
        "c008",
        "c009",
      ]
    `);
  });

  it("depends on the seed and not on the order of the list", () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(named(30), { minLength: 30 }), fc.integer(), (shuffled, seed) => {
        expect(holdOut(shuffled, 0.2, { seed })).toEqual(holdOut(named(30), 0.2, { seed }));
        expect(kFolds(shuffled, 4, { seed })).toEqual(kFolds(named(30), 4, { seed }));
      }),
    );
    expect(holdOut(named(30), 6, { seed: 1 })).not.toEqual(holdOut(named(30), 6, { seed: 2 }));
  });

  it("takes a fraction, at least one case", () => {
    expect(holdOut(named(10), 0.25, { seed: 1 }).heldOut).toHaveLength(3);
    expect(holdOut(named(10), 0.001, { seed: 1 }).heldOut).toHaveLength(1);
  });

  it("keeps the share of each stratum", () => {
    const cases = named(100, (i) => ({ split: i < 30 ? "ill" : "well" }));
    const { heldOut } = holdOut(cases, 10, { seed: 3, stratify: (c) => c.split as string });
    expect(heldOut.filter((c) => c.split === "ill")).toHaveLength(3);
    expect(heldOut).toHaveLength(10);
  });

  it("keeps groups together, the case's own or the caller's", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 20 }), fc.integer(), (groups, seed) => {
        const cases = named(60, (i) => ({ group: `p${i % groups}` }));
        const { train, heldOut } = holdOut(cases, Math.ceil(60 / groups), { seed });
        const inTrain = new Set(train.map((c) => c.group));
        expect(heldOut.some((c) => inTrain.has(c.group))).toBe(false);
      }),
    );
    const byLetter = holdOut(named(20), 10, { seed: 1, group: (c) => c.id.at(-1) });
    expect(new Set(byLetter.heldOut.map((c) => c.id.at(-1))).size).toBe(5);
  });

  it("refuses what cannot be", () => {
    for (const amount of [0, -1, 10, 11, 2.5, Number.NaN]) {
      expect(() => holdOut(named(10), amount, { seed: 1 })).toThrow(ConfigError);
    }
    expect(() => holdOut(named(10), 10, { seed: 1 })).toThrow("cannot hold out 10 of 10 cases; expected 1 to 9");
    expect(() => holdOut(named(1), 0.2, { seed: 1 })).toThrow("cannot hold out 0.2 of 1 case; at least 2 are needed");
    const one = named(10, () => ({ group: "same" }));
    expect(() => holdOut(one, 2, { seed: 1 })).toThrow("groups are too large");
  });
});

describe("kFolds", () => {
  it("validates every case exactly once, folds of equal size", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 60 }),
        fc.integer({ min: 2, max: 10 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer(),
        (count, k, strata, seed) => {
          fc.pre(k <= count);
          const stratify = (c: DataCase) => String(Number(c.id.slice(1)) % strata);
          const cases = named(count);
          const folds = kFolds(cases, k, { seed, stratify });
          expect(folds.flatMap((f) => ids(f.validation)).sort()).toEqual(ids(cases));
          const sizes = folds.map((f) => f.validation.length);
          expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
          for (const { train, validation } of folds) {
            expect([...ids(train), ...ids(validation)].sort()).toEqual(ids(cases));
          }
          for (let s = 0; s < strata; s++) {
            const inFold = folds.map((f) => f.validation.filter((c) => stratify(c) === String(s)).length);
            expect(Math.max(...inFold) - Math.min(...inFold)).toBeLessThanOrEqual(1);
          }
        },
      ),
    );
  });

  it("keeps groups together", () => {
    const cases = named(40, (i) => ({ group: `p${i % 7}` }));
    const folds = kFolds(cases, 3, { seed: 2 });
    for (const { train, validation } of folds) {
      const groups = new Set(validation.map((c) => c.group));
      expect(train.some((c) => groups.has(c.group))).toBe(false);
    }
  });

  it("refuses more folds than groups", () => {
    expect(() => kFolds(named(3), 4, { seed: 1 })).toThrow("cannot make 4 folds of 3 cases; expected 2 to 3");
    const paired = named(6, (i) => ({ group: `p${i % 2}` }));
    expect(() => kFolds(paired, 3, { seed: 1 })).toThrow("cannot make 3 folds of 2 groups of 6 cases");
    expect(() => kFolds(named(3), 1.5, { seed: 1 })).toThrow(ConfigError);
  });
});
