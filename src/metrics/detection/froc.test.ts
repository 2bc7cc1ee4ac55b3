import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ConfigError } from "../../errors.ts";
import { type FrocScan, froc } from "./froc.ts";
import { frocScan } from "./froc-scan.ts";

interface FrocCase {
  readonly name: string;
  readonly scans: FrocScan[];
  readonly at: number[];
  readonly cpm: number;
  readonly found: number;
  readonly irrelevant: number;
}
const { cases } = JSON.parse(
  readFileSync(new URL("../../../test/fixtures/metrics/golden/froc.json", import.meta.url), "utf8"),
) as { cases: FrocCase[] };

describe("by LUNA16's rules", () => {
  it.each(cases)("$name", ({ scans, at, cpm, found, irrelevant }) => {
    const result = froc(scans, { resamples: 0 });
    expect(result.found).toBe(found);
    expect(result.irrelevant).toBe(irrelevant);
    result.sensitivityAt.forEach(({ sensitivity }, i) => {
      expect(sensitivity).toBeCloseTo(at[i], 9);
    });
    expect(result.cpm).toBeCloseTo(cpm, 9);
  });
});

describe("by hand", () => {
  const at = (x: number, score: number) => ({ centreMm: [x, 0, 0] as const, score });
  const nodule = (x: number, diameterMm: number) => ({ centreMm: [x, 0, 0] as const, diameterMm });

  it("hits within the radius, not on it; the best of several counts", () => {
    const scan = { scan: "a", findings: [nodule(0, 10)], marks: [at(4.9, 0.3), at(1, 0.8), at(5, 0.9)] };
    const result = froc([scan], { falsePositiveRates: [0.5, 1] });
    expect(result).toMatchObject({ findings: 1, found: 1, falsePositives: 1 });
    // One false positive comes first, then the hit at one per scan; between them linear.
    expect(result.curve.map((p) => [p.falsePositives, p.sensitivity])).toEqual([
      [0, 0],
      [1, 0],
      [1, 1],
    ]);
    expect(result.sensitivityAt.map(({ sensitivity }) => sensitivity)).toEqual([0, 1]);
  });

  it("marks on excluded findings are irrelevant, an unknown diameter is 10 mm", () => {
    const scan = {
      scan: "a",
      findings: [nodule(0, -1)],
      excluded: [nodule(50, 6)],
      marks: [at(4, 0.5), at(51, 0.9), at(90, 0.1)],
    };
    expect(froc([scan])).toMatchObject({ found: 1, irrelevant: 1, falsePositives: 1, cpm: 1 });
  });

  it("scans without findings count as scans", () => {
    const empty = { scan: "b", findings: [], marks: [at(0, 0.9)] };
    const full = { scan: "a", findings: [nodule(0, 10)], marks: [at(0, 0.5)] };
    const result = froc([full, empty], { falsePositiveRates: [0.25, 0.5] });
    expect(result.sensitivityAt.map(({ sensitivity }) => sensitivity)).toEqual([0, 1]);
  });

  it("sizes: found where one false positive a scan is allowed, however many marks there are below", () => {
    const scan = {
      scan: "a",
      findings: [nodule(0, 5), nodule(30, 7), nodule(60, 7.9), nodule(90, 8), nodule(200, -1)],
      marks: [at(0, 0.9), at(30, 0.8), at(400, 0.7), at(60, 0.6), at(500, 0.5), at(90, 0.4)],
    };
    expect(froc([scan]).bySize).toEqual([
      { fromMm: 0, belowMm: 6, findings: 1, found: 1 },
      { fromMm: 6, belowMm: 8, findings: 2, found: 2 },
      { fromMm: 8, belowMm: 15, findings: 2, found: 0 },
    ]);
    // In two scans, the second false positive is allowed, too.
    expect(froc([scan, { scan: "b", findings: [], marks: [] }], { sizesMm: [8] }).bySize).toEqual([
      { fromMm: 0, belowMm: 8, findings: 3, found: 3 },
      { fromMm: 8, belowMm: null, findings: 2, found: 1 },
    ]);
    expect(() => froc([scan], { sizesMm: [8, 6] })).toThrow("sizesMm 8, 6 must be above 0 and ascend");
  });

  it("says null, not NaN, where there is nothing to find, and 0 where nothing was found", () => {
    expect(froc([{ scan: "a", findings: [], marks: [at(0, 1)] }])).toMatchObject({ cpm: null, cpmInterval: null });
    expect(froc([{ scan: "a", findings: [nodule(0, 5)], marks: [] }]).cpm).toBe(0);
    expect(() => froc([])).toThrow(ConfigError);
  });

  it("intervals hold the value, repeat by seed, and narrow with more scans", () => {
    const many = Array.from({ length: 40 }, (_, i) => ({
      scan: String(i),
      findings: [nodule(0, 10)],
      marks: [at(i % 3 === 0 ? 90 : 0, 0.5 + (i % 7) / 20), at(70, (i % 5) / 10)],
    }));
    const all = froc(many, { seed: 3 });
    const few = froc(many.slice(0, 6), { seed: 3 });
    const width = (result: typeof all) => result.cpmInterval![1] - result.cpmInterval![0];
    expect(all.cpm).toBeGreaterThanOrEqual(all.cpmInterval![0]);
    expect(all.cpm).toBeLessThanOrEqual(all.cpmInterval![1]);
    expect(width(all)).toBeLessThan(width(few));
    expect(froc(many, { seed: 3 })).toEqual(all);
  });
});

describe("from boxes", () => {
  it("centres in RAS millimetres, difficult boxes excluded", () => {
    const affine = [-2, 0, 0, 10, 0, -2, 0, 20, 0, 0, 2, -30, 0, 0, 0, 1];
    const cube = [2, 3, 4, 6, 7, 8];
    const scan = frocScan(
      "a",
      { boxes: Float64Array.from([...cube, 0, 0, 0, 1, 2, 4]), labels: [0, 0], difficult: [0, 1] },
      { boxes: Float64Array.from(cube), labels: [0], scores: [0.5] },
      affine,
    );
    // Corners 2 and 6 lie around voxel centre 3.5: 10 − 7 = 3, 20 − 9 = 11, −30 + 11 = −19.
    expect(scan.findings).toEqual([{ centreMm: [3, 11, -19], diameterMm: expect.closeTo(8, 9) }]);
    expect(scan.excluded).toEqual([{ centreMm: [10, 19, -27], diameterMm: expect.closeTo(4, 9) }]);
    expect(scan.marks).toEqual([{ centreMm: [3, 11, -19], score: 0.5 }]);
    expect(froc([scan]).cpm).toBe(1);
  });
});

describe("findings and their boxes", () => {
  const affine = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  // A ball of 6 mm around the edge of the scan: its box is cut to half of it.
  const truth = { boxes: Float64Array.of(0, 7, 7, 3, 13, 13), labels: [0] };
  const findings = [{ centreMm: [-0.5, 9.5, 9.5] as const, diameterMm: 6 }];
  const mark = { boxes: Float64Array.of(0, 7, 9, 1, 12, 14), labels: [0], scores: [0.9] };

  it("a finding is scored as it is given, not as its box was cut", () => {
    const given = frocScan("s", { ...truth, findings }, mark, affine).findings[0];
    expect(given).toEqual(findings[0]);
    const [cut] = frocScan("s", truth, mark, affine).findings;
    expect([cut.centreMm, cut.diameterMm]).toEqual([[1, 9.5, 9.5], Math.cbrt(3 * 6 * 6)]);
  });
});
