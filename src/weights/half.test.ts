import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { narrowBfloat, narrowHalf, widenBfloat, widenHalf } from "./half.ts";

describe("binary16", () => {
  it.each([
    [0x0000, 0],
    [0x8000, -0],
    [0x3c00, 1],
    [0xc000, -2],
    [0x3555, 0.333251953125],
    [0x7bff, 65504],
    [0x0400, 2 ** -14],
    [0x0001, 2 ** -24],
    [0x7c00, Number.POSITIVE_INFINITY],
    [0xfc00, Number.NEGATIVE_INFINITY],
  ])("%i is %d, both ways", (bits, value) => {
    expect(widenHalf(bits)).toBe(value);
    expect(narrowHalf(value)).toBe(bits);
  });

  it("rounds to nearest, ties to even", () => {
    expect(narrowHalf(1 + 2 ** -11)).toBe(0x3c00);
    expect(narrowHalf(1 + 3 * 2 ** -11)).toBe(0x3c02);
    expect(narrowHalf(65519)).toBe(0x7bff);
    expect(narrowHalf(65520)).toBe(0x7c00);
    expect(narrowHalf(2 ** -25)).toBe(0);
    expect(narrowHalf(1.5 * 2 ** -24)).toBe(2);
    expect(narrowHalf(2 ** -14 - 2 ** -26)).toBe(0x0400);
  });

  it("comes back from all 65536 patterns", () => {
    for (let bits = 0; bits < 65536; bits++) {
      const value = widenHalf(bits);
      if (Number.isNaN(value)) expect(widenHalf(narrowHalf(value))).toBeNaN();
      else if (narrowHalf(value) !== bits) expect.fail(`0x${bits.toString(16)} came back as another pattern`);
    }
  });
});

describe("bfloat16", () => {
  it.each([
    [0x3f80, 1],
    [0xc020, -2.5],
    [0x7f80, Number.POSITIVE_INFINITY],
    [0x0001, 2 ** -133],
  ])("%i is %d, both ways", (bits, value) => {
    expect(widenBfloat(bits)).toBe(value);
    expect(narrowBfloat(value)).toBe(bits);
  });

  it("rounds to nearest, ties to even, and keeps NaN", () => {
    expect(narrowBfloat(1 + 2 ** -8)).toBe(0x3f80);
    expect(narrowBfloat(1 + 3 * 2 ** -8)).toBe(0x3f82);
    expect(narrowBfloat(3.4028234663852886e38)).toBe(0x7f80);
    expect(widenBfloat(narrowBfloat(Number.NaN))).toBeNaN();
  });

  it("is never further than half a step away", () => {
    fc.assert(
      fc.property(
        fc.float({ noNaN: true, noDefaultInfinity: true, min: Math.fround(-1e37), max: Math.fround(1e37) }),
        (value) => {
          const step = 2 ** (Math.floor(Math.log2(Math.max(Math.abs(value), 2 ** -126))) - 7);
          expect(Math.abs(widenBfloat(narrowBfloat(value)) - value)).toBeLessThanOrEqual(step / 2);
        },
      ),
    );
  });
});
