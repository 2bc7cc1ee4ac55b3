/**
 * Benign or malignant: 101 nodules in five folds, one network on image and mask and one on the image alone, and their mean.
 * Trained by the paper's rule on all cases of the training folds; scored by two rules from the same out-of-fold scores.
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { classOf, med3dNodules, openClassification, type RatingRule } from "../../src/data/index.ts";
import { readVolume } from "../../src/files/index.ts";
import {
  type ClassificationEvents,
  type ClassificationRequest,
  evaluateClassificationRun,
  readRun,
  resolveClassificationConfig,
  resumeClassification,
  trainClassification,
} from "../../src/med3d/index.ts";
import { compareAucs, delong, operatingPoint, type TwoClasses } from "../../src/metrics/index.ts";
import { spacingOf } from "../../src/volume/index.ts";
import { judged } from "../bounds.ts";
import { startClock } from "../clock.ts";
import { type Result, type Row, writeResult } from "../results.ts";

const COMMAND = "npm run accuracy -- nodules";
const CLOCK = "results/work/accuracy-nodules.json";

const RULES: readonly { readonly name: string; readonly rule: RatingRule }[] = [
  { name: "4–5 against 1–2", rule: { negative: [1, 2], positive: [4, 5] } },
  { name: "4–5 against 1–3", rule: med3dNodules },
];
const VARIANTS = [
  { name: "image alone", folder: "image", mask: false },
  { name: "image and mask", folder: "mask", mask: true },
] as const;

export interface NoduleOptions {
  /** Folder of the data set, relative to the repository. */
  readonly data: string;
  readonly recipe: string;
  /** Folder of the runs. */
  readonly out: string;
  readonly fresh: boolean;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

type Scores = ReadonlyMap<string, number>;

export async function noduleAccuracy(options: NoduleOptions): Promise<Result> {
  const { data, recipe, fresh, say, signal } = options;
  if (fresh) rmSync(CLOCK, { force: true });
  const clock = startClock(CLOCK);
  const asked = JSON.parse(readFileSync(recipe, "utf8")) as Partial<ClassificationRequest>;
  const scored: { readonly name: string; readonly scores: Scores }[] = [];
  for (const { name, folder, mask } of VARIANTS) {
    const request = { ...asked, data, mask } as ClassificationRequest;
    const run = join(options.out, folder);
    await trained(request, run, { ...options, name, eachNetwork: clock.save });
    say(`${name}: scoring, eight mirrored views of each case`);
    const { cases } = await evaluateClassificationRun(run, { mirror: true, signal });
    scored.push({ name, scores: new Map(cases.map((item) => [item.case, item.probabilities[1]])) });
  }
  const [first, second] = scored.map(({ scores }) => scores);
  const mean = new Map([...first].map(([id, score]) => [id, (score + second.get(id)!) / 2]));
  scored.push({ name: "mean of both", scores: mean });
  const { cases } = await openClassification(data);
  const ratings = new Map(cases.map(({ id, rating }) => [id, rating!]));
  const volumes = new Map<string, number>();
  for (const { id, label } of cases) volumes.set(id, await maskVolumeMm3(label!));

  const seconds = clock.save();
  const rows = [
    ...RULES.flatMap(({ name, rule }) => rowsOf(name, rule, ratings, volumes, scored)),
    {
      task: "both tasks, all folds",
      input: "minutes in all",
      auc: Number((seconds / 60).toFixed(1)),
      ...judged(seconds / 60, { atMost: 60 }),
    },
  ].map((row) => ({ ...BLANK, ...row }));
  const config = resolveClassificationConfig({ ...asked, data });
  const result = writeResult("accuracy-nodules", rows, {
    command: COMMAND,
    columns: [
      { key: "task", title: "malignancy" },
      { key: "input" },
      { key: "auc", title: "AUC", digits: 3 },
      { key: "interval", title: "95 % (DeLong)" },
      { key: "gain", title: "more than volume alone" },
      { key: "sensitivity", title: "sensitivity at 0.5" },
      { key: "specificity", title: "specificity at 0.5" },
      { key: "bound" },
      { key: "verdict", title: "" },
    ],
    notes: [
      `MedicalNet ResNet-${config.depth}, its first ${config.stages} stages, from random weights; ${cases.length} nodules of lidc-nodules in ${config.folds} folds with equal shares of ratings (seed ${config.seed}); ` +
        `${config.seeds} networks a fold and input, ${config.epochs} epochs each, no early stop. Each case is scored by networks that never saw it, eight mirrored views averaged. ` +
        "Trained on 4–5 against 1–3; the first task leaves the cases of rating 3 out of the score only.",
      "Volume alone ranks nodules by the volume of the reader’s mask, which “image and mask” sees as well and “image alone” does not. Its figures need no training and have no threshold. " +
        "The difference is paired (DeLong).",
    ],
  });
  for (const row of result.rows)
    say(
      Object.values(row)
        .filter((cell) => cell !== null)
        .join("  "),
    );
  return result;
}

const BLANK: Row = {
  task: null,
  input: null,
  auc: null,
  interval: null,
  gain: null,
  sensitivity: null,
  specificity: null,
  bound: null,
  verdict: null,
};

/** The run of one input, trained to its end; goes on where it was stopped. */
async function trained(
  request: ClassificationRequest,
  run: string,
  { fresh, say, signal, name, eachNetwork }: NoduleOptions & { name: string; eachNetwork: () => number },
): Promise<void> {
  const begun = existsSync(join(run, "run.json")) && !fresh;
  const config = resolveClassificationConfig(request);
  if (
    begun &&
    !isDeepStrictEqual((await readRun(run, "classification")).record.config, JSON.parse(JSON.stringify(config)))
  )
    throw new Error(`${run}: holds a run of another recipe; --fresh replaces it, --out names another folder`);
  const events: ClassificationEvents = {
    onStart: ({ member, at, of, record: { splits } }) =>
      say(
        `${name}: ${member.name} (${at}/${of}), ${splits.train.length} to train on, ${splits.heldOut.length} held out, ` +
          `${(eachNetwork() / 60).toFixed(1)} min so far`,
      ),
    onEpoch: ({ epoch, epochs, trainLoss, seconds }) => {
      if (epoch % 10 === 0) say(`  epoch ${epoch}/${epochs}  loss ${trainLoss.toFixed(4)}  ${seconds.toFixed(1)} s`);
      eachNetwork();
    },
  };
  if (begun) await resumeClassification(run, { signal, ...events });
  else await trainClassification(request, { out: run, force: true, signal, command: COMMAND, ...events });
}

function rowsOf(
  task: string,
  rule: RatingRule,
  ratings: Scores,
  volumes: Scores,
  scored: readonly { readonly name: string; readonly scores: Scores }[],
): Row[] {
  const divided = (scores: Scores): TwoClasses => {
    const of = (side: 0 | 1): number[] =>
      [...ratings].filter(([, rating]) => classOf(rating, rule) === side).map(([id]) => scores.get(id)!);
    return { positives: of(1), negatives: of(0) };
  };
  const volume = divided(volumes);
  const baseline = delong(volume);
  const name = `${task} (${volume.positives.length} against ${volume.negatives.length})`;
  return [
    { task: name, input: "mask’s volume alone", auc: rounded(baseline.auc), interval: ends(baseline.interval) },
    ...scored.map((entry, i): Row => {
      const both = divided(entry.scores);
      const { auc, interval } = delong(both);
      const { difference, interval: around } = compareAucs(both, volume);
      const { sensitivity, specificity } = operatingPoint(both, 0.5);
      // Which of the three counts was settled beforehand: their mean.
      const judgement = i === scored.length - 1 ? judged(rounded(auc), { atLeast: rounded(baseline.auc) }) : {};
      return {
        task: name,
        input: entry.name,
        auc: rounded(auc),
        interval: ends(interval),
        gain: `${signed(difference)}${around ? ` (${signed(around[0])} to ${signed(around[1])})` : ""}`,
        sensitivity: Number(sensitivity.value!.toFixed(3)),
        specificity: Number(specificity.value!.toFixed(3)),
        ...judgement,
      };
    }),
  ];
}

function ends(interval: readonly [number, number] | null): string | null {
  return interval === null ? null : interval.map((end) => end.toFixed(3)).join("–");
}

function rounded(value: number): number {
  return Number(value.toFixed(4));
}

function signed(value: number): string {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;
}

async function maskVolumeMm3(path: string): Promise<number> {
  const { data, affine } = await readVolume(path);
  const [x, y, z] = spacingOf(affine);
  let voxels = 0;
  for (let i = 0; i < data.length; i++) if (Number(data[i]) > 0) voxels++;
  return voxels * x * y * z;
}
