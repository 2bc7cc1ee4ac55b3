/** Pre-training as a task: one encoder under a decoder for each of several data sets. A branch predicts as the segmentation it is. */
import { z } from "zod";
import { type DataCase, listImages } from "../../data/index.ts";
import { ConfigError } from "../../errors.ts";
import { type CaseScores, meanOf } from "../../metrics/index.ts";
import { epochsOf, notOfWeights, readProblems, type Task } from "../../train/index.ts";
import { encoderName } from "../encoder/config.ts";
import { readStart } from "../encoder/start-from.ts";
import { lastOf, runLines } from "../run-lines.ts";
import { encodeRun } from "../segmentation/export.ts";
import { type SegmentationFound, segmentationPredictor } from "../segmentation/prediction/predictor.ts";
import { maxMemory, windowOptions } from "../segmentation/schemas.ts";
import {
  scoreSegmentation,
  segmentationEvaluationName,
  segmentationScoreText,
  summariseSegmentation,
} from "../segmentation/scores.ts";
import { segmentation } from "../segmentation/task.ts";
import { branchRecord, branchRun, branchSet } from "./branch.ts";
import { type PretrainingConfig, pretrainingConfigSchema, resolvePretrainingConfig } from "./config.ts";
import { setOf, writePretrainingReport } from "./report.ts";
import type { SetEpoch } from "./scores.ts";
import { pretrainingSession } from "./session.ts";
import {
  type PretrainingCase,
  type PretrainingPlan,
  prepareSets,
  pretrainingCaseSchema,
  pretrainingPlanSchema,
  setHashes,
} from "./sets.ts";

export type PretrainingTask = Task<
  PretrainingConfig,
  PretrainingPlan,
  PretrainingCase,
  DataCase,
  SegmentationFound,
  CaseScores
>;

/** Whose branch is meant. */
const set = z.string().optional();
const setIn = (options: Readonly<Record<string, unknown>>): string | undefined => options.set as string | undefined;

/** Pre-training one encoder on many sets as a task. */
export const pretraining: PretrainingTask = {
  name: "pretraining",
  noun: "case",
  watched: () => "dice",
  schemas: {
    config: pretrainingConfigSchema,
    plan: pretrainingPlanSchema,
    case: pretrainingCaseSchema,
    evaluate: z.strictObject({ ...windowOptions, set }),
    predict: z.strictObject({ ...windowOptions, maxMemory, set }),
    export: z.strictObject({ set }),
  },
  resolve: (request) => resolvePretrainingConfig(request as Parameters<typeof resolvePretrainingConfig>[0]),

  async prepare(config, { events, signal, cache }) {
    // What cannot be started from is told before any data are read.
    await readStart(config.from);
    const { train, heldOut, ...made } = await prepareSets(config, { onFingerprint: events.onPlanning, signal, cache });
    return { ...made, splits: { train, validation: [], heldOut } };
  },
  fingerprint: ({ record: { splits }, plan }, host) => setHashes(splits.train, plan, host),
  children: () => [],
  stages: ({ epochs }) => [{ name: "", title: "training", epochs }],
  session: (run, _stage, beginning, host) => pretrainingSession(run, beginning, host),
  finish: async (run) => writePretrainingReport(run, await readProblems(run.store)),
  encode: async ({ run }, options) => encodeRun(await branchRun(run, setIn(options))),

  casesPerStep: ({ record: { config }, plan }) =>
    Math.max(...Object.values(plan.sets).map(({ batch }) => batch)) * config.accumulate,
  epochText({ branches = {} }) {
    const sets = Object.entries(branches as Record<string, SetEpoch>);
    const dice = sets.map(([name, { meanDice }]) => `${name} ${meanDice?.toFixed(2) ?? "–"}`);
    return `  dice ${meanOf(sets.map(([, { meanDice }]) => meanDice))?.toFixed(3) ?? "–"} (${dice.join(" · ")})`;
  },
  announce: ({ record: { config, splits }, plan }, threads) => [
    ...config.sets.map(({ name }) => {
      const count = (part: readonly { readonly set: string }[]): number =>
        part.filter((item) => item.set === name).length;
      const { labels, patch, batch } = plan.sets[name];
      return `${name}  ${count(splits.train)} train · ${count(splits.heldOut)} held out · ${labels.length - 1} classes · patch ${patch.join("×")} · batch ${batch}`;
    }),
    `${encoderName(config)}, ${config.decoder} decoders · ${config.optimizer} ${config.learningRate} · ${runLines.threads(threads)}`,
  ],

  async describe({ record, plan, store }) {
    const { config, splits } = record;
    const epochs = await epochsOf(store);
    const last = lastOf(epochs);
    const width = Math.max(...config.sets.map(({ name }) => name.length));
    return {
      lines: [
        runLines.begun(record, `${config.sets.length} sets`),
        `network   ${encoderName(config)}, ${config.decoder} decoders`,
        `cases     ${splits.train.length} train, ${splits.heldOut.length} held out`,
        runLines.progress(last, config.epochs, "dice"),
        ...config.sets.map(({ name }) => {
          const { labels, patch, batch, preprocessing } = plan.sets[name];
          const classes = labels.filter(({ index }) => index !== 0).map((label) => label.name);
          const dice = last === undefined ? undefined : setOf(last, name)?.meanDice;
          return `  ${name.padEnd(width)}  ${classes.join(", ")}; spacing ${preprocessing.spacingMm?.join("×") ?? "as scanned"} mm, patch ${patch.join("×")}, batch ${batch}${dice == null ? "" : `, dice ${dice.toFixed(3)}`}`;
        }),
      ],
      json: { epochs: epochs.length },
    };
  },

  outcome({ record: { config, splits } }, folder) {
    const [first] = config.sets;
    return {
      json: {
        report: `${folder}/report.html`,
        sets: config.sets.map(({ name }) => name),
        train: splits.train.length,
        heldOut: splits.heldOut.length,
      },
      lines: [`report ${folder}/report.html`],
      next: [
        `medvox transfer segmentation --data DATASET --from ${folder}`,
        `medvox evaluate ${folder} --set ${first.name}`,
      ],
    };
  },

  cases: (run, from, options, host) => segmentation.cases(branchRecord(run, setIn(options)), from, options, host),
  inputs: (path, source) =>
    listImages(path, {
      channels: source && "run" in source ? Object.values(source.run.plan.sets)[0].preprocessing.channels : undefined,
    }),
  async open(source, options, host) {
    if ("weights" in source) throw notOfWeights(source.weights);
    if ("model" in source)
      throw new ConfigError(`${source.path}: is no branch of a pre-training; medvox export RUN --set NAME writes one`);
    const branch = await branchRun(source.run, setIn(options));
    return segmentationPredictor({ run: branch, members: [branch], use: "last" }, options, host);
  },
  score: (run, item, found, options, report) =>
    scoreSegmentation(branchRecord(run, setIn(options)), item, found, options, report),
  scoreText: segmentationScoreText,
  evaluationName: ({ record, store }, options) =>
    [branchSet(record.config, setIn(options), store.place).name, segmentationEvaluationName(options)]
      .filter((part) => part !== "")
      .join("-"),
  summarise: (run, scored, options) => summariseSegmentation(branchRecord(run, setIn(options)), scored),
};
