/**
 * What pre-training brings (Med3D, arXiv:1904.00625 §4): small targets trained from random weights and from a pre-trained
 * encoder, for the same number of steps, scored on the same cases. Nothing that the encoder has seen may be among those.
 */
import { openClassification, openDataset } from "../../data/index.ts";
import { ConfigError, DataError } from "../../errors.ts";
import { digits, type Findings, intervalText } from "../../experiments/index.ts";
import { meanOf, repeatedDifference } from "../../metrics/index.ts";
import type { ReportChart } from "../../report/index.ts";
import { findOverlap, seenBy } from "../../train/index.ts";
import { type ClassificationRequest, resolveClassificationConfig } from "../classification/config.ts";
import { resolveSegmentationConfig, type SegmentationRequest } from "../segmentation/config.ts";
import { splitCases } from "../segmentation/data.ts";
import { classificationTrial, meanCurve } from "./classification-trial.ts";
import type { ExperimentConfig } from "./config.ts";
import { aucScore, diceScore, repeatsOf, type ScoreRow, scoreTable, summaryOf } from "./scores.ts";
import { segmentationTrial } from "./segmentation-trial.ts";
import type { Trial, TrialResult } from "./trial.ts";

type Config = ExperimentConfig<"transfer">;
type Target = Config["targets"][number];

const conditions = ["scratch", "pretrained"] as const;
type Condition = (typeof conditions)[number];

export function transferTrials(config: Config, from: string): Trial[] {
  return config.targets.flatMap((target) =>
    conditions.flatMap((condition) =>
      Array.from({ length: config.seeds }, (_, seed): Trial => {
        const trial = { condition, target: target.name, seed };
        const request = requestOf(config, target, condition, from, seed);
        return target.segmentation === undefined
          ? classificationTrial(trial, resolveClassificationConfig(request as ClassificationRequest))
          : segmentationTrial(trial, resolveSegmentationConfig(request as SegmentationRequest), config);
      }),
    ),
  );
}

function requestOf(config: Config, target: Target, condition: Condition, from: string, seed: number): object {
  const settings = (target.segmentation ?? target.classification)!;
  for (const key of ["from", "seed"])
    if (key in settings) throw new ConfigError(`targets (${target.name}): ${key}: is set by the experiment`);
  return {
    // The same cases are held out whatever the seed.
    ...(target.segmentation && { splitSeed: 0 }),
    ...settings,
    ...config[condition],
    ...target[condition],
    from: condition === "scratch" ? null : from,
    seed,
  };
}

/**
 * Refuses targets whose test cases the encoder's run has learned from.
 * @returns whether there was a run that says what it was trained on
 * @throws DataError naming target and cases
 */
export async function refuseOverlap(config: Config, from: string, signal?: AbortSignal): Promise<void> {
  const used = await seenBy(from);
  for (const target of config.targets) {
    const request = requestOf(config, target, "scratch", from, 0);
    const overlap = await findOverlap(await testCases(target, request), used, { signal });
    if (overlap.length === 0) continue;
    const names = overlap.slice(0, 5).map((item) => item.case.id);
    const more = overlap.length > names.length ? `, … (${overlap.length} in all)` : "";
    throw new DataError(
      `${target.name}: its test cases ${names.join(", ")}${more} were among those that ${overlap[0].used.run} was trained on; a score on them would say nothing`,
    );
  }
}

/** Whoever is scored: the held-out cases, with folds every case. */
async function testCases(target: Target, request: object) {
  if (target.segmentation !== undefined) {
    const config = resolveSegmentationConfig(request as SegmentationRequest);
    return splitCases(await openDataset(config.data), config).heldOut;
  }
  const { data, labelColumn, groupColumn } = resolveClassificationConfig(request as ClassificationRequest);
  const { cases } = await openClassification(data, {
    labelColumn: labelColumn ?? undefined,
    groupColumn: groupColumn ?? undefined,
  });
  return cases;
}

export function transferFindings({ targets }: Config, trials: readonly TrialResult[]): Findings {
  const compared = targets.map((target) => {
    const score = target.segmentation === undefined ? aucScore : diceScore;
    const rows = conditions.map((condition) => {
      const those = trials.filter((trial) => trial.target === target.name && trial.condition === condition);
      return { condition, name: nameOf(condition), trials: those, ...summaryOf(repeatsOf(those), score) };
    });
    const [scratch, pretrained] = rows.map((row) => repeatsOf(row.trials));
    return { target, score, rows, gain: repeatedDifference(pretrained, scratch, score) };
  });
  return {
    title: "What pre-training brings",
    charts: [
      ...compared.flatMap(({ target, rows }) => convergence(target, rows)),
      {
        kind: "forest",
        title: "Final scores on test cases",
        xName: "Dice, or area under the ROC curve",
        groups: compared.map(({ target, rows }) => ({
          name: target.name,
          rows: rows.map((row) => ({ ...row, color: colorOf(row.condition), single: row.perSeed })),
        })),
      },
    ],
    table: joined(
      compared.map(({ target, score, rows, gain }) => {
        const kind = score === aucScore ? "AUC" : "Dice";
        const named = rows.map((row) => ({ ...row, name: `${target.name}, ${row.name}` }));
        const { columns, rows: made } = scoreTable("target", named, "score");
        const difference = [
          `${target.name}, difference`,
          digits(gain.mean),
          intervalText(gain.interval),
          gain.perSeed.map(digits).join(", "),
          "",
          "",
        ];
        const reached = [kind, kind, `${kind}; ${fasterText(rows)}`];
        return {
          columns: [...columns, "measure"],
          rows: [...made, difference].map((cells, i) => [...cells, reached[i]]),
        };
      }),
    ),
  };
}

type Row = ScoreRow & { readonly condition: Condition };

function convergence(target: Target, rows: readonly Row[]): ReportChart[] {
  if (rows.every((row) => row.trials[0].curve.length === 0)) return [];
  const what = target.segmentation === undefined ? "AUC" : "Dice";
  return [
    {
      kind: "curve",
      title: `${target.name}: ${what} of watched cases`,
      xName: "steps",
      series: rows.map((row) => ({
        name: row.name,
        color: colorOf(row.condition),
        points: meanCurve(row.trials.map(({ curve }) => curve)),
        band: row.trials.length < 2 ? undefined : extremes(row.trials),
      })),
    },
  ];
}

/** Lowest and highest seed at every step. */
function extremes(trials: readonly TrialResult[]): [number, number, number][] {
  return trials[0].curve.map(([step], i) => {
    const values = trials.flatMap(({ curve }) => curve[i]?.[1] ?? []);
    return [step, Math.min(...values), Math.max(...values)];
  });
}

/** When the pre-trained one is as good on watched cases as the other is at its end. */
function fasterText(rows: readonly Row[]): string {
  const [scratch, pretrained] = rows.map((row) => meanCurve(row.trials.map(({ curve }) => curve)));
  if (scratch.length === 0) return "not watched";
  const goal = meanOf(scratch.slice(-1).map(([, value]) => value)) as number;
  const reached = pretrained.find(([, value]) => value >= goal);
  return reached === undefined
    ? "the end of the one from scratch is not reached"
    : `the end of the one from scratch (${scratch.at(-1)?.[0]} steps) is reached at step ${reached[0]}`;
}

function nameOf(condition: Condition): string {
  return condition === "scratch" ? "from scratch" : "pre-trained";
}

function colorOf(condition: Condition): number {
  return condition === "scratch" ? 1 : 0;
}

function joined(tables: readonly { columns: string[]; rows: string[][] }[]): Findings["table"] {
  return { columns: tables[0].columns, rows: tables.flatMap(({ rows }) => rows) };
}
