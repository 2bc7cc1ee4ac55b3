/** Reports of classifications: what they say, what they show, and that nothing from outside becomes markup. */
import { describe, expect, it } from "vitest";
import { type CaseProbabilities, evaluateClassification } from "../../metrics/index.ts";
import type { Volume } from "../../volume/index.ts";
import {
  type ClassificationReportInput,
  type ClassifiedVolumes,
  hitsAndMistakes,
  renderClassificationReport,
} from "../index.ts";

const volume = (data: Float32Array | Uint8Array): Volume => ({
  data,
  size: [12, 10, 8],
  affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1],
  channels: 1,
});

/** A bright block with its mask in slice 5 (from 0) only. */
function volumes(): ClassifiedVolumes {
  const image = Float32Array.from({ length: 960 }, (_, i) => (i * 37) % 101);
  const mask = new Uint8Array(960);
  for (let y = 3; y < 7; y++) for (let x = 4; x < 8; x++) mask[x + 12 * (y + 10 * 5)] = 1;
  return { image: volume(image), mask: volume(mask), window: [0, 100], patchMm: [8, 8, 16] };
}

const scores = [0.97, 0.8, 0.4, 0.35, 0.6, 0.1, 0.03, 0.55];
const truths = [1, 1, 1, 0, 0, 0, 0, 1];

function example(name: (what: string) => string = (what) => what): ClassificationReportInput {
  const classes = [name("benign"), name("malignant")];
  const cases = scores.map(
    (p, i): CaseProbabilities => ({ case: name(`case ${i}`), truth: truths[i], probabilities: [1 - p, p] }),
  );
  const epochs = [1, 2, 3].map((epoch) => ({ epoch, trainLoss: 1 / epoch, learningRate: 0.001, seconds: 2 }));
  return {
    title: name("Nodules"),
    lead: name("a lead"),
    summary: evaluateClassification(cases, classes),
    cases,
    rule: name("malignant: rating 4, 5"),
    histories: [
      { name: name("fold-1"), epochs },
      { name: name("fold-2"), epochs },
    ],
    asked: { [name("data")]: name("a folder"), folds: 2 },
    machine: {
      cpu: name("a processor"),
      cores: 2,
      versions: { medvox: "0.1.0" },
      date: "2026-01-02T03:04:05.000Z",
      seconds: 61,
    },
    command: name("medvox train classification"),
    data: [{ name: name("a set"), licence: name("CC BY 3.0") }],
  };
}

const count = (text: string, part: string | RegExp): number => text.split(part).length - 1;

describe("a report of a classification", () => {
  it("says the numbers with their intervals, and which thresholds flatter", async () => {
    const { summary } = example();
    const html = await renderClassificationReport(example(), async () => volumes());
    const text = html.replace(/<[^>]+>/g, " ");
    expect(text).toContain(summary.auc!.toFixed(3));
    expect(text).toMatch(/Accuracy at 0\.5\s+0\.750\s+95 % CI/);
    expect(text).toContain("Malignant: rating 4, 5.");
    expect(text).toMatch(/Youden’s threshold was chosen on these very cases/);
    expect(text).toMatch(/4 benign · 4 malignant/);
    expect(text).toContain("each of 2");
    expect(text).toContain("CC BY 3.0");
  });

  it("shows the surest hits and the worst mistakes: what the network saw, the mask outlined", async () => {
    const asked: string[] = [];
    const html = await renderClassificationReport(example(), async (name) => {
      asked.push(name);
      return volumes();
    });
    // Rightly called by falling probability of the truth, wrongly called by rising.
    expect(asked).toEqual(["case 0", "case 6", "case 5", "case 1", "case 3", "case 7", "case 4", "case 2"].sort(order));
    expect(count(html, '<div class="picture">')).toBe(8);
    expect(count(html, "axial slice 6 of 8, mask outlined")).toBe(8);
    // 8 × 8 mm of the slice's 12 × 10.
    expect(count(html, 'viewBox="0 0 8 8" role="img"')).toBe(8);
  });

  it("gives the same bytes for the same input, and draws without pictures, too", async () => {
    const make = () => renderClassificationReport(example(), async () => volumes());
    expect(await make()).toBe(await make());
    const bare = await renderClassificationReport(example());
    expect(bare).not.toContain("<image");
    expect(count(bare, '<svg class="chart" viewBox="0 0 330 320"')).toBe(3);
  });

  it("loads and runs nothing, whatever a name is", async () => {
    for (const bad of [
      '"><script>alert(1)</script>',
      "'><img src=x onerror=alert(1)>",
      "</style><script>x()</script>",
    ]) {
      const html = await renderClassificationReport(
        example((what) => `${what} ${bad}`),
        async () => volumes(),
      );
      expect(html).not.toMatch(/<script|<img|onerror=alert\(1\)>(?!&)/);
      expect(count(html, "<section")).toBe(
        count(await renderClassificationReport(example(), async () => volumes()), "<section"),
      );
    }
    const html = await renderClassificationReport(example(), async () => volumes());
    expect(html).toContain("default-src 'none'");
    expect(html).not.toMatch(/(src|href)="https?:|undefined|NaN/);
  });

  it("of more than two classes has a curve for each", async () => {
    const cases = Array.from({ length: 9 }, (_, i): CaseProbabilities => {
      const probabilities = [0, 1, 2].map((k) => (k === i % 3 ? 0.5 : 0.25));
      return { case: `c${i}`, truth: i < 8 ? i % 3 : 0, probabilities };
    });
    const summary = evaluateClassification(cases, ["a", "b", "c"]);
    const html = await renderClassificationReport({ ...example(), cases, summary, rule: undefined });
    expect(count(html, /[abc]: AUC \d\.\d{3}/)).toBe(3);
    expect(html).not.toContain("Youden");
    expect(html).not.toMatch(/undefined|NaN/);
  });

  it("of one class only has no ROC curve, and says the rest", async () => {
    const cases = example().cases.filter(({ truth }) => truth === 1);
    const summary = evaluateClassification(cases, ["benign", "malignant"]);
    const html = await renderClassificationReport({ ...example(), cases, summary });
    expect(html).not.toContain("ROC curve");
    expect(html).not.toMatch(/undefined|NaN/);
  });
});

/** Hits first by falling probability of the truth, then mistakes by rising. */
function order(a: string, b: string): number {
  const place = (name: string): number => {
    const i = Number(name.slice(5));
    const p = truths[i] === 1 ? scores[i] : 1 - scores[i];
    return p >= 0.5 ? 1 - p : 1 + p;
  };
  return place(a) - place(b);
}

describe("hitsAndMistakes", () => {
  it("by hand", () => {
    const { hits, mistakes } = hitsAndMistakes(example().cases, 2);
    expect(hits.map((item) => item.case)).toEqual(["case 0", "case 6"]);
    // 0.4 for a malignant one and 0.6 for a benign one are equally wrong: by name.
    expect(mistakes.map((item) => item.case).sort()).toEqual(["case 2", "case 4"]);
  });
});
