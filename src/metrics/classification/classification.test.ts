/** Classification scores: small cases by hand, then scikit-learn and scipy (`oracle/classification_metrics.py`). */
import { readFileSync } from "node:fs";
import { describe, expect, it, test } from "vitest";
import { ConfigError, DataError, ShapeError } from "../../errors.ts";
import {
  averagePrecision,
  type CaseProbabilities,
  classificationCsv,
  classificationJson,
  compareAucs,
  delong,
  evaluateClassification,
  normalQuantile,
  proportion,
  rocAuc,
  rocBand,
  rocCurve,
} from "../index.ts";

const golden = JSON.parse(
  readFileSync(new URL("../../../test/golden/classification.json", import.meta.url), "utf8"),
) as Golden;

interface Golden {
  binary: {
    name: string;
    truth: number[];
    scores: number[];
    other: number[];
    auc: number;
    variance: number;
    interval: [number, number];
    difference: number;
    differenceInterval: [number, number];
    curve: { fpr: number[]; tpr: number[]; thresholds: number[] };
    averagePrecision: number;
    brier: number;
    calibrationError: number;
    accuracy: number;
    confusion: number[][];
    wilson: [number, number][];
  }[];
  several: {
    name: string;
    truth: number[];
    probabilities: number[][];
    auc: number;
    aucs: number[];
    averagePrecisions: number[];
    balancedAccuracy: number;
    confusion: number[][];
    brier: number;
    calibrationError: number;
  }[];
  quantiles: [number, number][];
}

const close = (value: number | null, wanted: number): void => expect(value).toBeCloseTo(wanted, 10);
const closeAll = (values: readonly number[] | null, wanted: readonly number[]): void => {
  expect(values).toHaveLength(wanted.length);
  for (const [i, value] of values!.entries()) close(value, wanted[i]);
};
const twoClasses = (truth: readonly number[], scores: readonly number[]) => ({
  positives: scores.filter((_, i) => truth[i] === 1),
  negatives: scores.filter((_, i) => truth[i] === 0),
});
const binaryCases = (truth: readonly number[], scores: readonly number[]): CaseProbabilities[] =>
  truth.map((t, i) => ({ case: `case_${i}`, truth: t, probabilities: [1 - scores[i], scores[i]] }));

/** Two of three pairs are in order; the pair of equals counts half. */
const byHand = { positives: [0.9, 0.5], negatives: [0.5, 0.1] };

describe("area under the ROC curve", () => {
  it("is the share of pairs in order, equals counting half", () => {
    expect(rocAuc(byHand)).toBe(3.5 / 4);
    expect(rocAuc({ positives: [1, 1], negatives: [1] })).toBe(0.5);
    expect(rocAuc({ positives: [0], negatives: [1, 2] })).toBe(0);
  });

  it("has DeLong's variance: that of the placements", () => {
    // Placements: positives beat 1 and ¾ of the negatives, negatives lose to ¾ and 1 of the positives.
    const { variance, interval } = delong(byHand);
    close(variance, 0.03125 / 2 + 0.03125 / 2);
    expect(interval![0]).toBeCloseTo(0.875 - 1.959964 * Math.sqrt(0.03125), 6);
    expect(interval![1]).toBe(1);
  });

  it("has no interval where the classes are wholly apart, or one has one case", () => {
    expect(delong({ positives: [3, 4], negatives: [1, 2] })).toEqual({ auc: 1, variance: 0, interval: null });
    expect(delong({ positives: [3], negatives: [1, 2] })).toEqual({ auc: 1, variance: null, interval: null });
  });

  it("of the same scores differs by nothing", () => {
    expect(compareAucs(byHand, byHand)).toEqual({ difference: 0, interval: null });
    expect(() => compareAucs(byHand, { positives: [1], negatives: [0, 0] })).toThrow(ConfigError);
  });

  it("needs both classes", () => {
    expect(() => rocAuc({ positives: [], negatives: [1] })).toThrow(
      new ConfigError("ROC: 0 positive and 1 negative cases; at least one of each is needed"),
    );
  });
});

describe("ROC curve", () => {
  it("has a point for every different score", () => {
    expect(rocCurve(byHand)).toEqual([
      { falsePositiveRate: 0, truePositiveRate: 0, threshold: Number.POSITIVE_INFINITY },
      { falsePositiveRate: 0, truePositiveRate: 0.5, threshold: 0.9 },
      { falsePositiveRate: 0.5, truePositiveRate: 1, threshold: 0.5 },
      { falsePositiveRate: 1, truePositiveRate: 1, threshold: 0.1 },
    ]);
  });

  it("lies within its band, which is the same for the same seed", () => {
    const [{ truth, scores }] = golden.binary;
    const both = twoClasses(truth, scores);
    const band = rocBand(both, { resamples: 200, seed: 3 });
    expect(rocBand(both, { resamples: 200, seed: 3 })).toEqual(band);
    expect(rocBand(both, { resamples: 200, seed: 4 })).not.toEqual(band);
    const curve = rocCurve(both);
    for (const [i, rate] of band.falsePositiveRates.entries()) {
      const at = curve.filter((p) => p.falsePositiveRate <= rate).at(-1)!.truePositiveRate;
      expect(band.low[i]).toBeLessThanOrEqual(at);
      expect(band.high[i]).toBeGreaterThanOrEqual(at);
    }
    expect([band.high.at(-1), band.low.at(-1)]).toEqual([1, 1]);
  });
});

describe("proportions", () => {
  it("have Wilson's interval, exact at the ends", () => {
    expect(proportion(0, 5).interval![0]).toBe(0);
    expect(proportion(5, 5).interval![1]).toBe(1);
    expect(proportion(0, 0)).toEqual({ hits: 0, of: 0, value: null, interval: null });
  });

  test.each(golden.quantiles)("normal quantile of %d", (p, wanted) => {
    expect(Math.abs(normalQuantile(p) - wanted)).toBeLessThanOrEqual(1e-13 * Math.max(1, Math.abs(wanted)));
  });
});

describe("evaluateClassification", () => {
  const four = binaryCases([1, 1, 0, 0], [0.9, 0.5, 0.55, 0.1]);

  it("two classes by hand: positive from 0.5 up", () => {
    const summary = evaluateClassification(four, ["benign", "malignant"]);
    expect(summary.confusion).toEqual([
      [1, 1],
      [0, 2],
    ]);
    expect(summary.accuracy.value).toBe(0.75);
    expect([summary.atHalf!.sensitivity.value, summary.atHalf!.specificity.value]).toEqual([1, 0.5]);
    expect(summary.auc).toBe(0.75);
    // Positives at ranks 1 and 3: precision 1 and 2/3.
    close(summary.averagePrecision, 0.5 * 1 + 0.5 * (2 / 3));
    close(summary.brier, (0.01 + 0.25 + 0.3025 + 0.01) / 4);
    // Bins [0.1, 0.2), [0.5, 0.6) with two cases, [0.9, 1].
    close(summary.calibrationError, (0.1 + 2 * Math.abs(0.525 - 0.5) + 0.1) / 4);
    expect(summary.reliability.map(({ cases }) => cases)).toEqual([0, 1, 0, 0, 0, 2, 0, 0, 0, 1]);
    // Only 0.9 and up: sensitivity ½, specificity 1; from 0.5 up: 1 and ½. Of equals the higher threshold.
    expect(summary.youden).toMatchObject({ threshold: 0.9, sensitivity: { hits: 1 }, specificity: { hits: 2 } });
  });

  it("a class without a case has no area, and the rest is there", () => {
    const summary = evaluateClassification(four.slice(0, 2), ["benign", "malignant"]);
    expect([summary.auc, summary.aucInterval, summary.youden, summary.averagePrecision]).toEqual([
      null,
      null,
      null,
      null,
    ]);
    expect(summary.atHalf!.specificity).toEqual({ hits: 0, of: 0, value: null, interval: null });
    expect(summary.accuracy.value).toBe(1);
  });

  it("names a case that does not fit", () => {
    const wrong = (item: Partial<CaseProbabilities>) => () =>
      evaluateClassification([{ case: "odd", truth: 0, probabilities: [1, 0], ...item }], ["a", "b"]);
    for (const truth of [2, -1, 255, 0.5, Number.NaN])
      expect(wrong({ truth })).toThrow(
        new DataError(`odd: truth: label ${truth} at case 0; labels of 2 classes are 0 to 1`),
      );
    expect(wrong({ probabilities: [1] })).toThrow(new ShapeError("odd: 1 probabilities for 2 classes"));
    expect(wrong({ probabilities: [Number.NaN, 1] })).toThrow(ShapeError);
    expect(() => evaluateClassification([], ["a", "b"])).toThrow(ConfigError);
  });

  it("as JSON has the stable keys, as CSV a row per case", () => {
    const json = classificationJson(evaluateClassification(four, ["benign", "malignant"]), four);
    expect(json).toMatchObject({ task: "classification", cases: 4, auc: 0.75, accuracy: 0.75 });
    expect(json).toMatchObject({ sensitivity: 1, specificity: 0.5 });
    expect(json.perCase[2]).toMatchObject({ case: "case_2", truth: 0, score: 0.55, called: 1, class: "benign" });
    expect(json.youden!.note).toMatch(/chosen on these very cases/);
    const lines = classificationCsv(four, ["benign", "malignant"]).split("\r\n");
    expect(lines[0]).toBe("case,truth,score,called,p(benign),p(malignant)");
    expect(lines[1]).toMatch(/^case_0,malignant,0\.9,malignant,0\.0?9*/);
    expect(lines).toHaveLength(6);
  });
});

describe.each(golden.binary.map((set) => [set.name, set] as const))("scikit-learn, %s", (_, set) => {
  const both = twoClasses(set.truth, set.scores);
  const summary = evaluateClassification(binaryCases(set.truth, set.scores), ["no", "yes"]);

  test("areas, their intervals and their difference", () => {
    close(rocAuc(both), set.auc);
    const { variance, interval } = delong(both);
    close(variance, set.variance);
    closeAll(interval, set.interval);
    const compared = compareAucs(both, twoClasses(set.truth, set.other));
    close(compared.difference, set.difference);
    closeAll(compared.interval, set.differenceInterval);
    close(averagePrecision(both), set.averagePrecision);
  });

  test("the curve", () => {
    const [, ...points] = rocCurve(both);
    closeAll([0, ...points.map((p) => p.falsePositiveRate)], set.curve.fpr);
    closeAll([0, ...points.map((p) => p.truePositiveRate)], set.curve.tpr);
    expect(points.map(({ threshold }) => threshold)).toEqual(set.curve.thresholds);
  });

  test("counts and probabilities", () => {
    expect(summary.confusion).toEqual(set.confusion);
    close(summary.accuracy.value, set.accuracy);
    close(summary.brier, set.brier);
    close(summary.calibrationError, set.calibrationError);
    const { accuracy, atHalf } = summary;
    for (const [i, share] of [accuracy, atHalf!.sensitivity, atHalf!.specificity].entries())
      closeAll(share.interval, set.wilson[i]);
  });
});

describe.each(golden.several.map((set) => [set.name, set] as const))("scikit-learn, %s", (_, set) => {
  test("one class against the rest, and the mean", () => {
    const cases = set.truth.map((truth, i) => ({ case: `${i}`, truth, probabilities: set.probabilities[i] }));
    const summary = evaluateClassification(cases, ["a", "b", "c", "d"]);
    close(summary.auc, set.auc);
    closeAll(
      summary.classes.map(({ auc }) => auc!),
      set.aucs,
    );
    closeAll(
      summary.classes.map((c) => c.averagePrecision!),
      set.averagePrecisions,
    );
    close(summary.balancedAccuracy, set.balancedAccuracy);
    expect(summary.confusion).toEqual(set.confusion);
    close(summary.brier, set.brier);
    close(summary.calibrationError, set.calibrationError);
    expect([summary.atHalf, summary.youden, summary.aucInterval]).toEqual([null, null, null]);
  });
});
