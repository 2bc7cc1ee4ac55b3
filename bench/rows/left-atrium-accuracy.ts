/**
 * Left atria in MRI after few cases: from random weights against the encoder that comes with medvox, for the same steps. la_001 to la_008 are
 * trained on, la_009 to la_020 scored on; the usual 20 test cases are not here. Results are written after every seed.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { openDataset } from "../../src/data/index.ts";
import type { SegmentationRequest } from "../../src/med3d/index.ts";
import { type CaseScores, meanOf, repeatedDifference, repeatedScore } from "../../src/metrics/index.ts";
import { significant } from "../bounds.ts";
import { startClock } from "../clock.ts";
import { type Result, type Row, writeResult } from "../results.ts";
import { type MeasureOptions, trainedAndScored } from "./segmentation-runs.ts";

const COMMAND = "npm run accuracy -- left-atrium";
const CLOCK = "results/work/accuracy-left-atrium.json";
const NAMES = { scratch: "from random weights", pretrained: "from med3d-resnet10" } as const;

interface Recipe {
  readonly seeds: number;
  /** How many cases are trained on; all behind the eighth are scored on. */
  readonly train: number;
  readonly both: Partial<SegmentationRequest>;
  readonly scratch: Partial<SegmentationRequest>;
  readonly pretrained: Partial<SegmentationRequest>;
}

export async function leftAtriumAccuracy(options: MeasureOptions): Promise<Result> {
  const { data, recipe, out, fresh, say } = options;
  if (fresh) rmSync(CLOCK, { force: true });
  const clock = startClock(CLOCK);
  const { seeds, train, both, ...own } = JSON.parse(readFileSync(recipe, "utf8")) as Recipe;
  const list = await writeList(join(out, "lists"), data, train);
  const scores: Record<keyof typeof NAMES, CaseScores[][]> = { scratch: [], pretrained: [] };
  let result: Result | undefined;
  for (let seed = 0; seed < seeds; seed++) {
    for (const way of ["scratch", "pretrained"] as const) {
      const request = { ...both, ...own[way], data: list, seed, splitSeed: 0 } as SegmentationRequest;
      const found = await trainedAndScored(`${way}-${seed}`, request, { ...options, command: COMMAND }, clock.save);
      scores[way].push([...found.scores].sort((a, b) => (a.case < b.case ? -1 : 1)));
    }
    result = written(scores, { train, steps: both.epochs! * both.stepsPerEpoch!, minutes: clock.save() / 60 });
    for (const { figure, value, interval } of result.rows) say(`${figure}  ${value}  ${interval ?? ""}`);
  }
  if (result === undefined) throw new Error(`${recipe}: seeds: ${seeds}; at least one is needed`);
  return result;
}

const diceOf = (cases: readonly CaseScores[]): number | null => meanOf(cases.map(({ meanDice }) => meanDice));

function written(
  scores: Readonly<Record<keyof typeof NAMES, readonly (readonly CaseScores[])[]>>,
  { train, steps, minutes }: { readonly train: number; readonly steps: number; readonly minutes: number },
): Result {
  const row = (figure: string, { mean, interval, perSeed }: ReturnType<typeof repeatedScore>): Row => ({
    figure,
    value: mean === null ? null : significant(mean, 4),
    interval: interval?.map((end) => end.toFixed(3)).join(" to ") ?? null,
    seeds: perSeed.map((value) => value?.toFixed(3) ?? "undefined").join(", "),
  });
  const ways = ["scratch", "pretrained"] as const;
  const rows = [
    ...ways.map((way) => row(`Dice, ${NAMES[way]}`, repeatedScore(scores[way], diceOf))),
    row("difference", repeatedDifference(scores.pretrained, scores.scratch, diceOf)),
  ];
  return writeResult("accuracy-left-atrium", rows, {
    command: COMMAND,
    columns: [
      { key: "figure" },
      { key: "value" },
      { key: "interval", title: "95 % interval" },
      { key: "seeds", title: "each seed" },
    ],
    notes: [
      `${train} cases trained on for ${steps} steps of two patches, ${scores.scratch[0].length} cases scored on; ${minutes.toFixed(0)} minutes in all. Intervals are percentile bootstrap over seeds and cases, paired for the difference. The recipe is bench/recipes/left-atrium.json; the learning rates were not searched.`,
    ],
  });
}

/** A list of the cases, by paths from its own folder: the first ones to train on, those from the ninth to be scored on. */
async function writeList(folder: string, data: string, train: number): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const { cases } = await openDataset(data);
  const rows = [...cases]
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map(({ id, image, label }, i) => ({
      case: id,
      image: relative(folder, image),
      label: relative(folder, label!),
      split: i < train ? "train" : i < 8 ? undefined : "test",
    }))
    .filter(({ split }) => split !== undefined);
  const path = join(folder, `${train}.json`);
  writeFileSync(
    path,
    `${JSON.stringify({ name: "left-atrium", modality: ["MRI"], labels: { 0: "background", 1: "left atrium" }, cases: rows }, null, 2)}\n`,
  );
  return path;
}
