import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ConfigError } from "../../errors.ts";
import { random } from "../../random.ts";
import { type CaseScores, evaluateSegmentation } from "./segmentation.ts";
import { rankCases, summarise } from "./summary.ts";
import { evaluationJson, scoresCsv, summaryCsv } from "./table.ts";

/** Cases on a line of ten voxels; `1` and `2` are the classes. */
function cases(...pairs: [truth: string, prediction: string][]): CaseScores[] {
  const read = (text: string) => [...text.padEnd(10, ".")].map((c) => (c === "." ? 0 : Number(c)));
  return pairs.map(([truth, prediction], i) =>
    evaluateSegmentation(read(truth), read(prediction), {
      case: `case_${i}`,
      size: [10, 1, 1],
      spacingMm: [1, 1, 1],
      labels: { 1: "Anterior", 2: "Posterior" },
    }),
  );
}

const three = cases(["11.22", "11.22"], ["11...", "1...."], ["11.22", "11..."]);

describe("summarise", () => {
  it("averages what is defined and counts what is not", () => {
    const { classes, overall } = summarise(three);
    // Anterior: 1, 2/3, 1. Posterior: 1, neither, truth only (0).
    expect(classes[0].dice).toMatchObject({ n: 3, leftOut: 0, median: 1, min: 2 / 3, max: 1 });
    expect(classes[0].dice.mean).toBeCloseTo(8 / 9, 12);
    expect(classes[0].dice.std).toBeCloseTo(Math.sqrt(((1 / 9) ** 2 * 2 + (2 / 9) ** 2) / 2), 12);
    expect(classes[1].dice).toMatchObject({ n: 2, leftOut: 1, mean: 0.5, median: 0.5 });
    expect(classes[1].presence).toEqual({ both: 1, truthOnly: 1, predictionOnly: 0, neither: 1 });
    expect(classes[1].hd95Mm).toMatchObject({ n: 1, leftOut: 2, mean: 0, interval: null, std: null });
    // Over classes: the mean of class means; spread over each case's own mean (1, 2/3, 1/2).
    expect(overall.dice.mean).toBeCloseTo((8 / 9 + 1 / 2) / 2, 12);
    expect(overall.dice.median).toBeCloseTo(2 / 3, 12);
  });

  it("counts what distances leave out: missed and spurious classes", () => {
    const summary = summarise(cases(["11.22", "11.22"], ["11.22", "11"], ["11", "22"]));
    expect(summary.leftOutOfDistances).toEqual({ missed: 2, spurious: 1 });
    expect(summary.classes.map(({ hd95Mm }) => hd95Mm.n)).toEqual([2, 1]);
    // They count in NSD: Posterior 1, 0 and 0.
    expect(summary.classes[1].nsd).toMatchObject({ n: 3, mean: 1 / 3 });
    const [head, ...rows] = summaryCsv(summary).split("\r\n");
    expect(head).toBe("label,class,measure,mean,low,high,median,std,min,max,n,leftOut,missed,spurious");
    expect(rows.find((row) => row.startsWith("1,Anterior,hd95Mm"))).toMatch(/,2,1,1,0$/);
    expect(rows.find((row) => row.startsWith("2,Posterior,hd95Mm"))).toMatch(/,1,2,1,1$/);
    expect(rows.find((row) => row.startsWith(",all,dice"))).toMatch(/,2,1$/);
  });

  it("refuses cases of different tolerances", () => {
    const [one] = cases(["11", "11"]);
    expect(() => summarise([one, { ...one, case: "x", nsdToleranceMm: 3 }])).toThrow(
      "summary: x was scored with an nsdToleranceMm of 3, case_0 of 1; score all cases with the same",
    );
  });

  it("leaves everything null for a class no case has", () => {
    const { classes } = summarise(cases(["11", "11"], ["11", "1"]));
    expect(classes[1].dice).toEqual({
      mean: null,
      interval: null,
      median: null,
      std: null,
      min: null,
      max: null,
      n: 0,
      leftOut: 2,
    });
  });

  it("knows the bootstrap of two cases: a quarter low, half in the middle, a quarter high", () => {
    const two = cases(["11", "11"], ["11", ".."]);
    expect(summarise(two).classes[0].dice.interval).toEqual([0, 1]);
    expect(summarise(two, { level: 0.4 }).classes[0].dice.interval).toEqual([0.5, 0.5]);
  });

  it("gives the same interval for the same seed and another for another", () => {
    const interval = (seed: number) => summarise(three, { seed, resamples: 50, level: 0.8 }).overall.dice.interval;
    expect(interval(3)).toEqual(interval(3));
    expect([1, 2, 3, 4].some((seed) => String(interval(seed)) !== String(interval(0)))).toBe(true);
  });

  it("covers the true mean about as often as it says", () => {
    const stream = random(11, "coverage test");
    const [first] = three;
    let covered = 0;
    for (let trial = 0; trial < 300; trial++) {
      const sample = Array.from({ length: 40 }, () => ({
        ...first,
        classes: [{ ...first.classes[0], dice: 0.8 + 0.05 * stream.normal() }],
      }));
      const [low, high] = summarise(sample, { seed: trial, resamples: 300 }).classes[0].dice.interval!;
      if (low <= 0.8 && 0.8 <= high) covered++;
    }
    // 95 % asked; the percentile bootstrap of 40 cases gives about 94 %. Binomial noise of 300 trials is ±1.4 %.
    expect(covered / 300).toBeGreaterThan(0.9);
    expect(covered / 300).toBeLessThan(0.98);
  });

  it("agrees with the normal interval for many cases", () => {
    const stream = random(5, "normal interval test");
    const [first] = three;
    const sample = Array.from({ length: 400 }, () => ({
      ...first,
      classes: [{ ...first.classes[0], dice: 0.8 + 0.05 * stream.normal() }],
    }));
    const { mean, std, interval } = summarise(sample).classes[0].dice;
    const half = (1.96 * std!) / Math.sqrt(400);
    expect(Math.abs(interval![0] - (mean! - half))).toBeLessThan(0.0005);
    expect(Math.abs(interval![1] - (mean! + half))).toBeLessThan(0.0005);
  });

  it("refuses nothing, mixed classes and impossible levels", () => {
    expect(() => summarise([])).toThrow(ConfigError);
    expect(() => summarise(three, { level: 95 })).toThrow(ConfigError);
    expect(() => summarise(three, { resamples: 0 })).toThrow(ConfigError);
    const other = { ...three[0], case: "other", classes: three[0].classes.slice(1) };
    expect(() => summarise([three[0], other])).toThrow("summary: other has other classes than case_0");
  });
});

describe("rankCases", () => {
  it("puts the best first and leaves out what has no score", () => {
    const ranked = rankCases([...three, ...cases(["", ""])]);
    expect(ranked.map((c) => c.case)).toEqual(["case_0", "case_1", "case_2"]);
  });
});

describe("tables", () => {
  it("prints the stable JSON keys, and nothing that JSON loses", () => {
    const json = evaluationJson(summarise(three), three);
    expect(json).toMatchObject({ task: "segmentation", cases: 3, dice: { classes: { Posterior: 0.5 } } });
    expect(Object.keys(json)).toEqual(expect.arrayContaining(["task", "cases", "dice", "hd95Mm", "perCase"]));
    expect(json.perCase[2]).toMatchObject({
      case: "case_2",
      dice: { Anterior: 1, Posterior: 0 },
      absent: [{ class: "Posterior", foundIn: "truth only" }],
    });
    expect(JSON.parse(JSON.stringify(json))).toEqual(json);
  });

  it("keeps a class called __proto__ as a plain key", () => {
    const scores = evaluateSegmentation([1], [1], {
      size: [1, 1, 1],
      spacingMm: [1, 1, 1],
      labels: { 1: "__proto__" },
    });
    const text = JSON.stringify(evaluationJson(summarise([scores]), [scores]).dice.classes);
    expect(text).toBe('{"__proto__":1}');
  });

  it("quotes CSV fields that need it and leaves undefined scores empty", () => {
    const odd = three.map((scores) => ({ ...scores, case: `a "b", ${scores.case}` }));
    const rows = scoresCsv(odd).split("\r\n");
    expect(rows[0]).toMatch(/^case,label,class,state,truthVoxels,/);
    expect(rows).toHaveLength(1 + 6 + 1);
    expect(rows[4]).toBe('"a ""b"", case_1",2,Posterior,neither,0,0,0,0,0,,,,,,,,,,,');
  });

  it("sums up one row per class and measure", () => {
    const rows = summaryCsv(summarise(three)).trim().split("\r\n");
    expect(rows).toHaveLength(1 + 3 * 11);
    expect(rows[12]).toMatch(/^2,Posterior,dice,0.5,0,1,0.5,/);
    expect(rows[23]).toMatch(/^,all,dice,0.69/);
    const page = readFileSync(new URL("../../../docs/reference/formats.md", import.meta.url), "utf8");
    const table = page.slice(
      page.indexOf("`summary.csv` has one row per class"),
      page.indexOf("### A detection's run"),
    );
    const named = [...table.matchAll(/^\| (`[^|]*`) \|/gm)].flatMap(([, names]) =>
      names.replaceAll("`", "").split(", "),
    );
    expect(named).toEqual(rows[0].split(","));
    const measures = [...new Set(rows.slice(1).map((row) => row.split(",")[2]))];
    expect(/and the measure: (.*) \|/.exec(table)![1].replaceAll("`", "").split(", ")).toEqual(measures);
  });
});
