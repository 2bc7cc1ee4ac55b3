/** Segmentation as a task: from a data set of images and label maps to a network that labels images on their own grids. */
import {
  checkedJson,
  checkPlanFits,
  type DataCase,
  fingerprintOf,
  listImages,
  makePlan,
  matchClasses,
  openDataset,
  type Plan,
  planSchema,
  readableOf,
  readPlanFile,
} from "../../data/index.ts";
import { ConfigError } from "../../errors.ts";
import { readOnnx } from "../../graph/index.ts";
import type { CaseScores } from "../../metrics/index.ts";
import {
  type Beginning,
  type Child,
  epochsOf,
  type Host,
  MODEL,
  type Prepared,
  type RunCase,
  refuseSeen,
  type Source,
  type Task,
} from "../../train/index.ts";
import { encoderName } from "../encoder/config.ts";
import { readStart } from "../encoder/start-from.ts";
import { lastOf, runLines } from "../run-lines.ts";
import { coarseConfig, planChoicesOf, resolveSegmentationConfig, type SegmentationConfig } from "./config.ts";
import { checkPlannedPatch, creditOf, filesOf, hashesOf, openFor, type VolumeCase, volumeCase } from "./data.ts";
import { COARSE, encodeRun } from "./export.ts";
import { foldsOf, splitsOf } from "./folds.ts";
import { checkKeepLargest } from "./keep-largest.ts";
import type { SegmentationDecoder } from "./network/network.ts";
import { type SegmentationFound, segmentationPredictor } from "./prediction/predictor.ts";
import { segmentationSchemas } from "./schemas.ts";
import {
  scoreSegmentation,
  segmentationEvaluationName,
  segmentationScoreText,
  summariseSegmentation,
} from "./scores.ts";
import { type SegmentationRun, segmentationSession, withDecoder } from "./session.ts";

export type SegmentationTask = Task<
  SegmentationConfig,
  Plan,
  VolumeCase & RunCase,
  DataCase,
  SegmentationFound,
  CaseScores
>;

/** All of the task that does not depend on a decoder. */
const plainSegmentation: SegmentationTask = {
  name: "segmentation",
  noun: "case",
  watched: () => "dice",
  schemas: segmentationSchemas,
  resolve: (request) => resolveSegmentationConfig(request as Parameters<typeof resolveSegmentationConfig>[0]),

  async prepare(config, host, child) {
    // What cannot be started from is told before any data are read.
    await readStart(config.from);
    const given = config.plan === null ? undefined : await readPlanFile(config.plan);
    const dataset = await openFor(config);
    const listed = child?.splits ?? splitsOf(dataset, config);
    const { signal, cache, events } = host;
    // Folds and a cascade's two networks learn from the same files.
    if (config.folds !== null || config.coarse !== null) cache.stay(listed.train.flatMap(filesOf));
    const reading = { onProgress: events.onPlanning, signal, cache, leaveOut: true };
    const data = { labels: dataset.labels, source: dataset.source };
    const fingerprint = await fingerprintOf({ ...data, cases: listed.train }, reading);
    const watched = await fingerprintOf({ ...data, cases: listed.validation }, { signal, cache, leaveOut: true });
    const found = [...fingerprint.problems, ...watched.problems];
    const splits = {
      train: readableOf(listed.train, found),
      validation: readableOf(listed.validation, found),
      heldOut: readableOf(listed.heldOut, found),
    };
    // Folds are made with one plan, so that their predictions can be averaged.
    const shared = child?.splits === undefined ? undefined : child.parent.plan;
    const plan = shared ?? given ?? makePlan(dataset, fingerprint, planChoicesOf(config));
    if (given !== undefined) checkPlanFits(given, dataset, fingerprint, config.plan!);
    checkPlannedPatch(plan, config.outputStride);
    checkKeepLargest(config.keepLargest, plan);
    if (child === undefined) {
      const scored = config.folds === null ? splits.heldOut : [...splits.heldOut, ...splits.train];
      await refuseSeen(scored, config.from, config.data, { signal });
    }
    return {
      plan,
      splits: {
        train: splits.train.map(volumeCase),
        validation: splits.validation.map(volumeCase),
        heldOut: splits.heldOut.map(volumeCase),
      },
      credit: await creditOf(dataset),
      problems: [...dataset.problems, ...found],
      fingerprint: { ...hashesOf(fingerprint), ...hashesOf(watched) },
    } satisfies Prepared<Plan, VolumeCase>;
  },

  async fingerprint({ record: { splits }, plan, store }, { signal, cache }) {
    const cases = [...splits.train, ...splits.validation];
    const now = await fingerprintOf({ cases, labels: plan.labels, source: store.place }, { signal, cache });
    return { fingerprint: hashesOf(now), problems: now.problems };
  },

  children({ record: { config, splits } }) {
    const coarse: Child<SegmentationConfig, VolumeCase>[] =
      config.coarse === null ? [] : [{ name: COARSE, title: COARSE, role: "before", config: coarseConfig(config) }];
    return [...coarse, ...foldsOf(config, splits)];
  },

  stages: (config) => (config.folds === null ? [{ name: "", title: "training", epochs: config.epochs }] : []),

  session: (run, _stage, beginning: Beginning, host: Host) => segmentationSession(run, beginning, host),

  async finish(run) {
    // A run of folds has a model in each of them.
    if (run.record.config.folds === null) await run.store.write(MODEL, await encodeRun(run));
  },

  encode: ({ run, use }) => encodeRun(run, use),

  casesPerStep: ({ record: { config }, plan }) => plan.batch * config.accumulate,
  announce: ({ record: { config, splits }, plan }, threads) => [
    runLines.data(plan.dataset, splits),
    `${encoderName(config)}, ${config.decoder} decoder · patch ${plan.patch.join("×")} · batch ${plan.batch} · ${config.optimizer} ${config.learningRate} · ${runLines.threads(threads)}`,
  ],

  async describe(run) {
    const { record, plan } = run;
    const { config, splits } = record;
    const epochs = await epochsOf(run.store);
    return {
      lines: [
        runLines.begun(record, plan.dataset),
        `network   ${encoderName(config)}, ${config.decoder} decoder, classes ${plan.labels.map(({ name }) => name).join(", ")}`,
        runLines.plan(plan),
        config.folds === null ? runLines.cases(splits) : `cases     ${splits.heldOut.length} in ${config.folds} folds`,
        runLines.progress(lastOf(epochs), config.epochs, "dice"),
      ],
      json: { epochs: epochs.length },
    };
  },

  outcome({ record: { config, splits } }, folder) {
    const model = config.folds === null ? { model: `${folder}/${MODEL}` } : { folds: config.folds };
    const { train, validation, heldOut } = splits;
    return {
      json: { ...model, train: train.length, validation: validation.length, heldOut: heldOut.length },
      lines: [
        config.folds === null ? `model  ${folder}/${MODEL}` : `models ${folder}/members/*/${MODEL} (${config.folds})`,
      ],
    };
  },

  async cases({ record: { splits, config }, plan, store }, from) {
    if ("split" in from) {
      if (config.folds !== null && from.split !== "heldOut")
        throw new ConfigError(
          `${store.place}: has folds, in which every case is held out once; --split ${from.split} means nothing`,
        );
      return { cases: splits[from.split], problems: [] };
    }
    const dataset = matchClasses(await openDataset(from.data), plan.labels, store.place);
    const cases = [...dataset.cases, ...dataset.test].filter(({ label }) => label !== undefined);
    return { cases, problems: dataset.problems };
  },

  inputs: (path, source) => listImages(path, { channels: channelsOf(source) }),
  open: (source, options, host) => segmentationPredictor([source], options, host),
  openSeveral: (sources, options, host) => segmentationPredictor(sources, options, host),
  score: scoreSegmentation,
  scoreText: segmentationScoreText,
  evaluationName: (_run, options) => segmentationEvaluationName(options),
  summarise: summariseSegmentation,
};

/**
 * Segmentation as a task; with a decoder of one's own, for runs whose `decoder` is `custom`. `run.json` cannot hold a function, so it is
 * given again to go on with such a run, to score it, to predict with it and to export it.
 */
export function segmentationTask(decoder?: SegmentationDecoder): SegmentationTask {
  const known = (run: SegmentationRun): SegmentationRun => withDecoder(run, decoder);
  const knownSource = (source: Source<SegmentationRun>): Source<SegmentationRun> =>
    "run" in source ? { ...source, run: known(source.run), members: source.members.map(known) } : source;
  const task = plainSegmentation;
  return {
    ...task,
    resolve: (request) => {
      const config = task.resolve(request);
      if (config.decoder === "custom" && decoder === undefined)
        throw new ConfigError(
          "decoder: custom stands for a function, which only a program can give: trainSegmentation(request, { decoder, out })",
        );
      return config;
    },
    session: (run, ...rest) => task.session(known(run), ...rest),
    finish: async (run) => task.finish!(known(run)),
    encode: ({ run, ...rest }, options) => task.encode({ run: known(run), ...rest }, options),
    open: (source, ...rest) => task.open(knownSource(source), ...rest),
    openSeveral: (sources, ...rest) => task.openSeveral!(sources.map(knownSource), ...rest),
  };
}

/** Segmentation as a task: `beginRun` and its like train, score and predict by it. */
export const segmentation: SegmentationTask = segmentationTask();

/** How many channels the images of a network have. */
function channelsOf(source: Source<SegmentationRun> | undefined): number | undefined {
  if (source === undefined || "weights" in source) return undefined;
  if ("run" in source) return source.run.plan.preprocessing.channels;
  const { plan } = readOnnx(source.model, source.path).metadata;
  if (plan === undefined) return undefined;
  return checkedJson(planSchema, plan, `${source.path}: metadata.plan`).preprocessing.channels;
}
