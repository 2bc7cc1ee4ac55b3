/** The short table of results in README.md: one line for each thing that medvox does, taken from `results/*.json`. */
import type { Result, Row } from "../bench/results.ts";

interface SummaryLine {
  readonly what: string;
  /** File below `results/`, without `.json`. */
  readonly result: string;
  /** The row is the first one with this value under this key. */
  readonly row: readonly [key: string, value: string];
  readonly figure: string;
  /** The key of the figure in the row. Default `value`. */
  readonly key?: string;
}

const step = "MedicalNet ResNet-10, conv_seg, batch 2, 64³, cross-entropy, SGD";
const lines: readonly SummaryLine[] = [
  {
    what: "hippocampus in MRI, segmented from random weights; 40 held-out cases",
    result: "accuracy-hippocampus",
    row: ["figure", "mean Dice, held-out cases"],
    figure: "mean Dice",
  },
  {
    what: "lungs in whole chest CTs, each left out once",
    result: "accuracy-lungs",
    row: ["figure", "mean Dice, each CT left out once"],
    figure: "mean Dice",
  },
  {
    what: "nodules, malignancy 4–5 against 1–3, five folds",
    result: "accuracy-nodules",
    row: ["task", "4–5 against 1–3 (50 against 51)"],
    figure: "AUC",
    key: "auc",
  },
  {
    what: "blood cells in pictures, Faster R-CNN with a feature pyramid; 87 held out",
    result: "accuracy-cells",
    row: ["figure", "mean AP50, held-out images"],
    figure: "mean AP50",
  },
  {
    what: "the same by the paper’s four steps",
    result: "accuracy-cells-paper",
    row: ["figure", "mean AP50, held-out images"],
    figure: "mean AP50",
  },
  {
    what: "made-up lesions in volumes, 3D Faster R-CNN",
    result: "accuracy-lesions",
    row: ["figure", "sensitivity at 1 false positive a scan"],
    figure: "sensitivity at 1 false positive a scan",
  },
  {
    what: "a training step of MedicalNet ResNet-10 at 64³ on two cores",
    result: "bench-training",
    row: ["what", step],
    figure: "medvox’s time / PyTorch’s",
    key: "ratio",
  },
  {
    what: "a prediction of MedicalNet ResNet-18 at 96³ on two cores",
    result: "bench-inference",
    row: ["what", "MedicalNet ResNet-18, conv_seg, batch 1, 96³"],
    figure: "medvox’s time / PyTorch’s",
    key: "ratio",
  },
];

const MARKED = /(<!-- summary -->)[\s\S]*?(<!-- \/summary -->)/g;

/** Replaces the marked block. @throws Error where a result or a row that the table needs is not there */
export function fillSummary(markdown: string, load: (name: string) => Result | undefined): string {
  return markdown.replace(MARKED, (_, open: string, close: string) => `${open}\n\n${summaryTable(load)}\n\n${close}`);
}

function summaryTable(load: (name: string) => Result | undefined): string {
  const rows = lines.map(({ what, result: name, row: [key, value], figure, key: valueKey = "value" }) => {
    const result = load(name);
    const row = result && rowOf(result, key, value, valueKey);
    if (result === undefined || row === undefined)
      throw new Error(
        `results/${name}.json: has no row with ${key} "${value}" and a ${valueKey}, which README.md sums up`,
      );
    const bound = row.bound == null ? "–" : String(row.bound);
    return `| ${what} | ${figure} | ${Number(Number(row[valueKey]).toFixed(3))} | ${bound} | \`${result.command}\` |`;
  });
  return ["| what | figure | measured | bound | command |", "| --- | --- | ---: | --- | --- |", ...rows].join("\n");
}

/** Of rows alike the one that has a bound: it is medvox's own beside those it is compared with. */
function rowOf({ rows }: Result, key: string, value: string, valueKey: string): Row | undefined {
  const alike = rows.filter((row) => row[key] === value && typeof row[valueKey] === "number");
  return alike.find(({ bound }) => bound != null) ?? alike[0];
}
