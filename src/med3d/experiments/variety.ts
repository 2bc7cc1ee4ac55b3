/**
 * "Variety" (Med3D, arXiv:1904.00625 §4): does a set gain from being trained on together with others? Every set alone, and all
 * sets jointly, with the same decoders, scored on the same held-out cases of each set. All of it is `pretrain`, with one set or
 * with all, so nothing else differs.
 */
import { ConfigError } from "../../errors.ts";
import { digits, type Findings, intervalText } from "../../experiments/index.ts";
import { repeatedDifference } from "../../metrics/index.ts";
import { continueRun, epochsOf } from "../../train/index.ts";
import { type PretrainingConfig, type PretrainingRequest, resolvePretrainingConfig } from "../pretraining/config.ts";
import { pretraining } from "../pretraining/task.ts";
import { evaluateBranch } from "../runs.ts";
import type { ExperimentConfig } from "./config.ts";
import { diceScore, repeatsOf, type ScoreRow, scoreTable, summaryOf } from "./scores.ts";
import type { CaseScore, Trial, TrialResult } from "./trial.ts";

type Config = ExperimentConfig<"variety">;
type Joint = Config["joint"][number];

/** Epochs that the learning-rate schedule is measured in. */
const EPOCHS = 10;

export function varietyTrials(config: Config): Trial[] {
  const { pretraining: request, steps, joint, seeds } = config;
  for (const key of ["epochs", "updatesPerSet", "seed"])
    if (key in request) throw new ConfigError(`pretraining.${key}: is set by the experiment`);
  // What is missing is told by the check itself.
  const whole = resolvePretrainingConfig(request as object as PretrainingRequest);
  if (whole.sets.length < 2) throw new ConfigError("pretraining.sets: one alone has no others; name at least two");
  const unscored = whole.sets.find((set) => (set.heldOut ?? whole.heldOut) === 0);
  if (unscored !== undefined)
    throw new ConfigError(
      `pretraining.sets (${unscored.name}): heldOut is 0; without held-out cases it cannot be scored`,
    );
  const epochs = Math.min(EPOCHS, steps);
  const perEpoch = Math.round(steps / epochs);
  const shares: Readonly<Record<Joint, number>> = {
    perSet: perEpoch,
    total: Math.max(1, Math.round(perEpoch / whole.sets.length)),
  };
  return Array.from({ length: seeds }, (_, seed) => [
    ...whole.sets.map((set) => {
      const alone = { ...whole, sets: [set], epochs, updatesPerSet: perEpoch, seed };
      return varietyTrial("alone", set.name, seed, alone, config);
    }),
    ...joint.map((kind) =>
      varietyTrial(kind, "all", seed, { ...whole, epochs, updatesPerSet: shares[kind], seed }, config),
    ),
  ]).flat();
}

/** One training, scored on the held-out cases of all its sets; a case is named by its set, too. */
function varietyTrial(
  condition: string,
  target: string,
  seed: number,
  request: PretrainingConfig,
  { mirror }: Pick<Config, "mirror">,
): Trial {
  return {
    condition,
    target,
    seed,
    run: async (folder, events) => {
      const { record, store } = await continueRun(pretraining, request, { out: folder, ...events });
      const cases: CaseScore[] = [];
      for (const { name } of record.config.sets) {
        const scored = await evaluateBranch(folder, name, { mirror, signal: events.signal });
        cases.push(...scored.scores.map((item) => ({ case: `${name}/${item.case}`, dice: item.meanDice })));
      }
      const epochs = await epochsOf(store);
      return {
        cases,
        curve: [],
        trainedCases: record.splits.train.length,
        steps: epochs.length * request.updatesPerSet! * request.sets.length,
        seconds: epochs.reduce((sum, epoch) => sum + epoch.seconds, 0),
      };
    },
  };
}

const names: Readonly<Record<string, string>> = {
  alone: "alone",
  perSet: "jointly, as many steps of each set",
  total: "jointly, as many steps in all",
};

export function varietyFindings({ joint }: Config, trials: readonly TrialResult[]): Findings {
  const alone = trials.filter(({ condition }) => condition === "alone");
  const sets = [...new Set(alone.map(({ target }) => target))];
  const compared = sets.map((set) => {
    const trialsOf = (condition: string): TrialResult[] =>
      trials
        .filter((trial) => trial.condition === condition && (condition !== "alone" || trial.target === set))
        .map((trial) => ({ ...trial, cases: trial.cases.filter((item) => item.case.startsWith(`${set}/`)) }));
    const rows = ["alone", ...joint].map((condition, i) => {
      const found = trialsOf(condition);
      return { condition, color: i, name: names[condition], trials: found, ...summaryOf(repeatsOf(found), diceScore) };
    });
    return { set, rows };
  });
  const tables = compared.map(({ set, rows }) => {
    const named: ScoreRow[] = rows.map((row) => ({ ...row, name: `${set}, ${row.name}` }));
    const gains = rows.slice(1).map((row) => {
      const gain = repeatedDifference(repeatsOf(row.trials), repeatsOf(rows[0].trials), diceScore);
      const perSeed = gain.perSeed.map(digits).join(", ");
      return [`${set}, difference to alone`, digits(gain.mean), intervalText(gain.interval), perSeed, "", ""];
    });
    const { columns, rows: made } = scoreTable("set", named, "Dice");
    return { columns, rows: [made[0], ...made.slice(1).flatMap((row, i) => [row, gains[i]])] };
  });
  return {
    title: "What other sets add",
    charts: [
      {
        kind: "forest",
        title: "Dice on held-out cases",
        xName: "Dice",
        groups: compared.map(({ set, rows }) => ({
          name: set,
          rows: rows.map((row) => ({ ...row, single: row.perSeed })),
        })),
      },
    ],
    table: { columns: tables[0].columns, rows: tables.flatMap(({ rows }) => rows) },
  };
}
