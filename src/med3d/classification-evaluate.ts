/**
 * Scoring a classification run: probabilities of its held-out cases, or with folds of every case by the members that never saw
 * it; scores as JSON and CSV, the report.
 */
import { join } from "node:path";
import { type ClassifiedCase, classOf, type RatingRule, readImage, readLabel, ruleFor } from "../data/index.ts";
import { ConfigError } from "../errors.ts";
import { makeFolder, writeFileAtomic } from "../files/index.ts";
import {
  type CaseProbabilities,
  type ClassificationSummary,
  classificationCsv,
  classificationJson,
  evaluateClassification,
} from "../metrics/index.ts";
import { type Json, writeClassificationReport } from "../report/index.ts";
import { epochRecordsOf, reportMachine } from "../train/index.ts";
import { isTrained, membersOf } from "./classification-members.ts";
import { classShares } from "./classification-network.ts";
import type { ClassificationPlan } from "./classification-plan.ts";
import { type ClassifierOptions, openClassifier } from "./classification-predict.ts";
import { type RunRecord, readRun } from "./run-folder.ts";

export interface EvaluateClassificationOptions extends ClassifierOptions, Partial<RatingRule> {
  /** Which cases; the held-out ones by default. */
  readonly split?: "heldOut" | "validation" | "train";
  /** Other cases with classes or ratings instead, predicted by all members together. */
  readonly cases?: readonly ClassifiedCase[];
  /** Folder for what is written; the run's own for its held-out cases, else `evaluations/NAME` in it. */
  readonly out?: string;
  readonly signal?: AbortSignal;
  readonly onCase?: (done: number, of: number, name: string) => void;
}

export interface ClassificationEvaluation {
  readonly task: "classification";
  readonly summary: ClassificationSummary;
  readonly cases: readonly CaseProbabilities[];
  /** Probabilities as the network gives them, of the classes or the ratings, by case: also of those that no rule scores. */
  readonly outputs: ReadonlyMap<string, readonly number[]>;
  /** As `medvox evaluate --json` prints it. */
  readonly json: object;
  readonly report: string;
  readonly seconds: number;
}

type Scored = Pick<ClassifiedCase, "id" | "image" | "moreChannels" | "label" | "class" | "rating">;

/**
 * Predicts and scores; writes `evaluation.json`, `scores.csv` and `report.html`.
 * @throws ConfigError where there is nothing to score, or for a rule the run cannot be scored by
 */
export async function evaluateClassificationRun(
  folder: string,
  options: EvaluateClassificationOptions = {},
): Promise<ClassificationEvaluation> {
  const began = performance.now();
  const { record, plan } = await readRun(folder, "classification");
  const rule = ruleOf(plan, options);
  const outputs = await predictAll(folder, record, options);
  const items = casesOf(folder, record, options);
  const truthOf = (item: Scored): number | undefined =>
    rule === undefined || item.rating === undefined ? item.class : classOf(item.rating, rule);
  const shown = items.filter((item) => truthOf(item) !== undefined);
  if (shown.length === 0)
    throw new ConfigError(`${folder}: none of the ${items.length} cases has a class to be scored by`);
  const cases = shown.map(
    (item): CaseProbabilities => ({
      case: item.id,
      truth: truthOf(item)!,
      probabilities: classShares(outputs.get(item.id)!, plan, record.config, rule),
    }),
  );
  const summary = evaluateClassification(cases, plan.classes);
  const json = {
    ...classificationJson(summary, cases),
    ...(rule === undefined ? {} : { rule }),
    ...(record.config.folds === null || options.cases !== undefined ? {} : { folds: record.config.folds }),
  };
  const out = options.out ?? outputFolder(folder, plan, rule, options);
  await makeFolder(out);
  const write = (name: string, text: string): Promise<void> => writeFileAtomic(join(out, name), text, { force: true });
  await write("evaluation.json", `${JSON.stringify(json, null, 2)}\n`);
  await write("scores.csv", classificationCsv(cases, plan.classes));
  const seconds = (performance.now() - began) / 1000;
  const report = join(out, "report.html");
  await writeRunReport(report, folder, record, plan, { summary, cases, items: shown, rule, seconds, options });
  return { task: "classification", summary, cases, outputs, json, report, seconds };
}

/** Each case by the mean of all members that may score it. */
async function predictAll(
  folder: string,
  record: RunRecord<"classification">,
  options: EvaluateClassificationOptions,
): Promise<Map<string, number[]>> {
  const { config } = record;
  const members = membersOf(folder, config);
  const bare = members.find((member) => !isTrained(member));
  if (bare)
    throw new ConfigError(
      `${folder}: ${bare.name === "" ? "the run" : bare.name} is not trained to its end; go on with medvox train --resume ${folder}`,
    );
  const sums = new Map<string, { total: Float64Array; n: number }>();
  const work = await Promise.all(
    members.map(async (member) => {
      const own = member.folder === folder ? record : (await readRun(member.folder, "classification")).record;
      const cases: readonly Scored[] = options.cases ?? own.splits[options.split ?? "heldOut"];
      return { member, cases };
    }),
  );
  const of = work.reduce((sum, { cases }) => sum + cases.length, 0);
  let done = 0;
  for (const { member, cases } of work) {
    if (cases.length === 0) continue;
    const classifier = await openClassifier(member.folder, options);
    try {
      for (const item of cases) {
        options.signal?.throwIfAborted();
        const probabilities = await classifier.classify(item);
        const known = sums.get(item.id);
        if (known === undefined) sums.set(item.id, { total: probabilities, n: 1 });
        else {
          for (const [i, value] of probabilities.entries()) known.total[i] += value;
          known.n++;
        }
        options.onCase?.(++done, of, item.id);
      }
    } finally {
      await classifier.close();
    }
  }
  return new Map([...sums].map(([id, { total, n }]) => [id, Array.from(total, (value) => value / n)]));
}

function casesOf(
  folder: string,
  { splits, config }: RunRecord<"classification">,
  { cases, split = "heldOut" }: EvaluateClassificationOptions,
): readonly Scored[] {
  if (cases !== undefined) return cases;
  if (config.folds !== null && split !== "heldOut")
    throw new ConfigError(`${folder}: has folds, in which every case is held out once; --split ${split} means nothing`);
  const items = splits[split];
  if (items.length === 0)
    throw new ConfigError(`${folder}: the run held no case out to be scored on; name labelled cases with --data`);
  return items;
}

/**
 * The rule to score by: the run's own, or the one asked for. A network that learnt ratings weighs those the rule knows; one that
 * learnt classes keeps its score, and the rule says which cases count as what.
 */
function ruleOf(
  { ratings, classes }: ClassificationPlan,
  { positive, negative }: EvaluateClassificationOptions,
): RatingRule | undefined {
  if (positive === undefined && negative === undefined) return ratings?.rule;
  if (ratings === undefined)
    throw new ConfigError(
      `--positive and --negative: the run knows classes (${classes.join(", ")}), no ratings that a rule could divide`,
    );
  return ruleFor(ratings.scale, { positive, negative });
}

/** The run's own folder for its own cases and rule, so that other scores never replace them. */
function outputFolder(
  folder: string,
  { ratings }: ClassificationPlan,
  rule: RatingRule | undefined,
  { cases, split = "heldOut", positive, negative }: EvaluateClassificationOptions,
): string {
  const name = cases === undefined ? split : "data";
  const other = (positive ?? negative) !== undefined && JSON.stringify(rule) !== JSON.stringify(ratings?.rule);
  if (name === "heldOut" && !other) return folder;
  const ruleName = `${rule?.positive.join("-")}-against-${rule?.negative.join("-")}`;
  const parts = [...(name === "heldOut" ? [] : [name]), ...(other ? [ruleName] : [])];
  return join(folder, "evaluations", parts.join("-"));
}

async function writeRunReport(
  path: string,
  folder: string,
  record: RunRecord<"classification">,
  plan: ClassificationPlan,
  made: {
    summary: ClassificationSummary;
    cases: readonly CaseProbabilities[];
    items: readonly Scored[];
    rule: RatingRule | undefined;
    seconds: number;
    options: EvaluateClassificationOptions;
  },
): Promise<void> {
  const { config, splits, credit } = record;
  const members = membersOf(folder, config);
  const histories = await Promise.all(
    members.map(async (member) => ({
      name: member.name === "" ? "training" : member.name,
      epochs: await epochRecordsOf(member.folder),
    })),
  );
  const trained = histories.flatMap(({ epochs }) => epochs).reduce((sum, { seconds }) => sum + (seconds ?? 0), 0);
  const byId = new Map(made.items.map((item) => [item.id, item]));
  const [depth, height, width] = plan.patch;
  const spacing = plan.preprocessing.spacingMm;
  const { intensity } = plan.preprocessing;
  const isOwn = made.options.cases === undefined;
  await writeClassificationReport(
    path,
    {
      title: `${plan.dataset} classification`,
      lead: leadOf(record, made, isOwn),
      summary: made.summary,
      cases: made.cases,
      rule: made.rule && ruleText(made.rule, plan.classes),
      histories,
      asked: { ...(config as unknown as Record<string, Json>), plan: plan as unknown as Json },
      machine: reportMachine(record, config.device, trained + made.seconds),
      command: record.command || `medvox train classification --data ${config.data} --out ${folder}`,
      data: [
        {
          name: credit.name,
          licence: credit.licence,
          source: credit.source,
          split:
            config.folds === null
              ? `${splits.train.length} train · ${splits.validation.length} watched · ${splits.heldOut.length} held out`
              : `${splits.heldOut.length} cases in ${config.folds} folds`,
        },
      ],
    },
    async (name) => {
      const item = byId.get(name)!;
      return {
        image: await readImage(item),
        mask: item.label === undefined ? undefined : await readLabel(item),
        window: intensity.kind === "ctWindow" ? [intensity.low, intensity.high] : undefined,
        patchMm: spacing === null ? undefined : [width * spacing[0], height * spacing[1], depth * spacing[2]],
      };
    },
    { force: true },
  );
}

function leadOf(
  { config, splits }: RunRecord<"classification">,
  { summary, options }: { summary: ClassificationSummary; options: EvaluateClassificationOptions },
  isOwn: boolean,
): string {
  const pooling = config.pooling === "mask" ? "average pooling over all and under the mask" : "global average pooling";
  const beside = config.auxiliary?.length ? `, taught ${config.auxiliary.join(", ")} as well` : "";
  const network = `MedicalNet ResNet-${config.depth}, ${pooling} and a 1×1×1 convolution, from ${config.from ?? "random weights"}${beside}`;
  const input = config.mask ? "image and mask of the lesion" : "image alone";
  const seeds = config.seeds > 1 ? `, ${config.seeds} networks averaged` : "";
  const views = options.mirror ? ", eight mirrored views averaged" : "";
  if (!isOwn) return `${network}; ${input}${views}. Scored on ${summary.cases} cases of another data set.`;
  if (config.folds !== null)
    return `${network}; ${input}. ${config.folds} folds${seeds}${views}: each of the ${summary.cases} cases is scored by networks that never saw it.`;
  const split = options.split ?? "heldOut";
  const seen =
    split === "heldOut" ? "cases it never saw" : split === "train" ? "cases it was trained on" : "watched cases";
  return `${network}; ${input}. Trained on ${splits.train.length} cases${seeds}${views}, scored on ${summary.cases} ${seen}.`;
}

/** `malignant: rating 4, 5 · benign: rating 1, 2`. */
export function ruleText({ positive, negative }: RatingRule, classes: readonly string[]): string {
  return `${classes[1]}: rating ${positive.join(", ")} · ${classes[0]}: rating ${negative.join(", ")}`;
}
