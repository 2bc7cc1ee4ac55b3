/** The scores of a classification: a case at a time, and all of them as figures, tables and the report. */
import { type ClassifiedCase, classOf, type RatingRule, readImage, readLabel, ruleFor } from "../../data/index.ts";
import { ConfigError } from "../../errors.ts";
import {
  type CaseProbabilities,
  type ClassificationSummary,
  classificationCsv,
  classificationJson,
  evaluateClassification,
} from "../../metrics/index.ts";
import { runFrame, splitText, trainingSeconds, writeClassificationReport } from "../../report/index.ts";
import { type EvaluationFrame, epochRecordsOf, type Options, type Scored, type Summary } from "../../train/index.ts";
import { encoderName } from "../encoder/config.ts";
import type { ClassificationConfig } from "./config.ts";
import { memberRuns } from "./members.ts";
import { classShares } from "./network.ts";
import type { ClassificationPlan } from "./plan.ts";
import type { ClassificationFound } from "./prediction/predictor.ts";
import type { ClassificationRun } from "./session.ts";

export type ScoredCase = Pick<ClassifiedCase, "id" | "image" | "moreChannels" | "label" | "class" | "rating">;

/** One case's prediction beside its truth. */
export interface ClassificationScore {
  readonly case: string;
  /** Place in the classes; undefined for a rating that the rule leaves out. */
  readonly truth: number | undefined;
  readonly probabilities: readonly number[];
  /** As the network gives them, of the classes or the ratings: also of cases that no rule scores. */
  readonly outputs: readonly number[];
}

export async function scoreClassification(
  { record, plan }: ClassificationRun,
  item: ScoredCase,
  outputs: ClassificationFound,
  options: Options,
): Promise<ClassificationScore> {
  const rule = ruleOf(plan, options);
  return {
    case: item.id,
    truth: rule === undefined || item.rating === undefined ? item.class : classOf(item.rating, rule),
    probabilities: classShares(outputs, plan, record.config, rule),
    outputs,
  };
}

/**
 * The rule to score by: the run's own, or the one asked for. A network that learnt ratings weighs those the rule knows; one that
 * learnt classes keeps its score, and the rule says which cases count as what.
 */
function ruleOf({ ratings, classes }: ClassificationPlan, options: Options): RatingRule | undefined {
  const { positive, negative } = options as Partial<RatingRule>;
  if (positive === undefined && negative === undefined) return ratings?.rule;
  if (ratings === undefined)
    throw new ConfigError(
      `--positive and --negative: the run knows classes (${classes.join(", ")}), no ratings that a rule could divide`,
    );
  return ruleFor(ratings.scale, { positive, negative });
}

/** Names the scores of another rule than the run's own, so that they never replace them. */
export function ruleName({ plan }: ClassificationRun, options: Options): string {
  const rule = ruleOf(plan, options);
  if (JSON.stringify(rule) === JSON.stringify(plan.ratings?.rule)) return "";
  return `${rule?.positive.join("-")}-against-${rule?.negative.join("-")}`;
}

export function summariseClassification(
  run: ClassificationRun,
  scored: readonly Scored<ScoredCase, ClassificationScore>[],
  options: Options,
): Summary {
  const { record, plan, store } = run;
  const { config } = record;
  const rule = ruleOf(plan, options);
  const shown = scored.filter(({ score }) => score.truth !== undefined);
  if (shown.length === 0)
    throw new ConfigError(`${store.place}: none of the ${scored.length} cases has a class to be scored by`);
  const cases = shown.map(
    ({ score: { case: id, truth, probabilities } }): CaseProbabilities => ({
      case: id,
      truth: truth!,
      probabilities: [...probabilities],
    }),
  );
  const summary = evaluateClassification(cases, plan.classes);
  return {
    figures: summary,
    json: {
      ...classificationJson(summary, cases),
      ...(rule === undefined ? {} : { rule }),
      ...(config.folds === null ? {} : { folds: config.folds }),
    },
    tables: { "scores.csv": classificationCsv(cases, plan.classes) },
    lines: summaryLines(summary),
    report: (path, frame) =>
      writeRunReport(path, run, { summary, cases, items: shown.map(({ item }) => item), rule }, frame),
  };
}

function summaryLines(summary: ClassificationSummary): string[] {
  const { auc, aucInterval, accuracy, atHalf, youden, averagePrecision, calibrationError, brier, classes } = summary;
  const number = (value: number | null, digits = 3): string => value?.toFixed(digits) ?? "undefined";
  const interval = aucInterval === null ? "" : `  (95 % ${aucInterval.map((v) => v.toFixed(3)).join("–")})`;
  const at = (name: string, point: typeof atHalf): string[] =>
    point === null
      ? []
      : [
          `${name.padEnd(13)}sensitivity ${number(point.sensitivity.value)} · specificity ${number(point.specificity.value)} · accuracy ${number(point.accuracy.value)}`,
        ];
  return [
    `held out     AUC ${number(auc)}${interval} · average precision ${number(averagePrecision)}   ${summary.cases} cases: ${classes.map((c) => `${c.cases} ${c.name}`).join(", ")}`,
    ...(atHalf === null ? [`accuracy     ${number(accuracy.value)}`] : at("at 0.5", atHalf)),
    ...at("at Youden’s", youden).map(
      (line) => `${line}  (threshold ${youden!.threshold.toFixed(3)}, chosen on these cases)`,
    ),
    `calibration  error ${number(calibrationError)} · Brier ${number(brier)}`,
  ];
}

async function writeRunReport(
  path: string,
  run: ClassificationRun,
  made: {
    readonly summary: ClassificationSummary;
    readonly cases: readonly CaseProbabilities[];
    readonly items: readonly ScoredCase[];
    readonly rule: RatingRule | undefined;
  },
  frame: EvaluationFrame,
): Promise<void> {
  const { record, plan, store } = run;
  const { config, splits } = record;
  const members = memberRuns(run);
  const histories = await Promise.all(
    (members.length === 0
      ? [{ title: "training", place: store }]
      : members.map(({ name, title }) => ({ title, place: store.child(name) }))
    ).map(async ({ title, place }) => ({ name: title, epochs: await epochRecordsOf(place) })),
  );
  const byId = new Map(made.items.map((item) => [item.id, item]));
  const [depth, height, width] = plan.patch;
  const { spacingMm: spacing, intensity } = plan.preprocessing;
  await writeClassificationReport(
    path,
    {
      ...runFrame({
        title: `${plan.dataset} classification`,
        lead: {
          network: networkText(config),
          trained: splits.train.length,
          scored: made.summary.cases,
          noun: "case",
          part: frame.part,
          folds: config.folds,
          ways: [
            ...(config.seeds > 1 ? [`${config.seeds} networks averaged`] : []),
            ...(frame.options.mirror ? ["eight mirrored views averaged"] : []),
          ],
        },
        record,
        plan,
        device: config.device,
        seconds: trainingSeconds(...histories.map(({ epochs }) => epochs)) + frame.seconds,
        instead: ["medvox", "train", "classification", "--data", config.data, "--out", store.place],
        split: splitText(splits, config.folds),
        problems: frame.problems,
        evaluations: frame.evaluations,
      }),
      summary: made.summary,
      cases: made.cases,
      rule: made.rule && ruleText(made.rule, plan.classes),
      histories,
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

function networkText(config: ClassificationConfig): string {
  const pooling = config.pooling === "mask" ? "average pooling over all and under the mask" : "global average pooling";
  const beside = config.auxiliary.length > 0 ? `, taught ${config.auxiliary.join(", ")} as well` : "";
  const input = config.mask ? "image and mask of the lesion" : "image alone";
  const encoder = encoderName(config).replace(/^resnet/, "ResNet-");
  return `MedicalNet ${encoder}, ${pooling} and a 1×1×1 convolution, from ${config.from ?? "random weights"}${beside}; ${input}`;
}

/** `malignant: rating 4, 5 · benign: rating 1, 2`. */
export function ruleText({ positive, negative }: RatingRule, classes: readonly string[]): string {
  return `${classes[1]}: rating ${positive.join(", ")} · ${classes[0]}: rating ${negative.join(", ")}`;
}
