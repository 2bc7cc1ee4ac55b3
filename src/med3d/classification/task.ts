/** Classification as a task: from a list of cases and their labels to networks that say which class an image is of. */
import {
  checkPreparationFits,
  type DataCase,
  fingerprintOf,
  isClassification,
  listImages,
  openClassification,
  readableOf,
  readPreparationFile,
} from "../../data/index.ts";
import { ConfigError } from "../../errors.ts";
import { epochsOf, isFinished, type Listed, MODEL, notTrained, refuseSeen, type Task } from "../../train/index.ts";
import { encoderName } from "../encoder/config.ts";
import { readStart } from "../encoder/start-from.ts";
import { runLines } from "../run-lines.ts";
import { creditOf, filesOf, hashesOf } from "../segmentation/data.ts";
import { planAuxiliary } from "./auxiliary-targets.ts";
import { type ClassificationConfig, resolveClassificationConfig, takesMask } from "./config.ts";
import {
  type ClassificationCase,
  type ClassifiedSplits,
  classificationCase,
  classificationFingerprint,
  everyCase,
  openFor,
  splitCases,
  usableCases,
} from "./data.ts";
import { hasMembers, memberRuns } from "./members.ts";
import { type ClassificationPlan, type DataFacts, planClassification } from "./plan.ts";
import { encodeRun } from "./prediction/export.ts";
import { type ClassificationFound, classificationPredictor } from "./prediction/predictor.ts";
import { classificationSchemas } from "./schemas.ts";
import {
  type ClassificationScore,
  ruleName,
  type ScoredCase,
  scoreClassification,
  summariseClassification,
} from "./scores.ts";
import { balancedWeights, classificationSession } from "./session.ts";

export type ClassificationTask = Task<
  ClassificationConfig,
  ClassificationPlan,
  ClassificationCase,
  ScoredCase,
  ClassificationFound,
  ClassificationScore
>;

/** Classification as a task. */
export const classification: ClassificationTask = {
  name: "classification",
  noun: "case",
  watched: ({ plan }) => (plan.classes.length === 2 ? "AUC" : "accuracy"),
  schemas: classificationSchemas,
  resolve: (request) => resolveClassificationConfig(request as Parameters<typeof resolveClassificationConfig>[0]),

  async prepare(config, { events, signal, cache }, child) {
    // What cannot be started from is told before any data are read.
    await readStart(config.from);
    const {
      facts,
      splits: listed,
      credit,
      problems,
    } = child?.splits === undefined ? await opened(config) : inherited(child);
    // A run's own copy of the plan: the file may have changed since, or be gone.
    const given =
      config.plan === null
        ? undefined
        : child === undefined
          ? await readPreparationFile(config.plan)
          : child.parent.plan;
    const seenBy = (item: ClassificationCase): DataCase => (takesMask(config) ? item : { ...item, label: undefined });
    // All members learn from the same files.
    if (hasMembers(config)) cache.stay(listed.train.flatMap(filesOf));
    const seen = await fingerprintOf(
      { cases: listed.train.map(seenBy) },
      { onProgress: events.onPlanning, signal, cache, leaveOut: true },
    );
    const watched = await fingerprintOf({ cases: listed.validation.map(seenBy) }, { signal, cache, leaveOut: true });
    const found = [...seen.problems, ...watched.problems];
    const splits = {
      train: readableOf(listed.train, found),
      validation: readableOf(listed.validation, found),
      heldOut: readableOf(listed.heldOut, found),
    };
    if (child === undefined) {
      const scored = hasMembers(config) ? [...splits.heldOut, ...splits.train] : splits.heldOut;
      await refuseSeen(scored, config.from, config.data, { signal });
    }
    const auxiliary = planAuxiliary(splits.train, config.auxiliary);
    const plan = {
      ...planClassification(facts, seen, config, given),
      ...(auxiliary.length > 0 ? { auxiliary } : {}),
    };
    if (given !== undefined) checkPreparationFits(given, facts, seen, config.plan!);
    const record = { config, splits: mapped(splits) };
    // All folds are looked at before the first is trained.
    for (const { splits: part } of memberRuns({ record }))
      if (config.classWeights === "balanced") balancedWeights(part!.train, plan.classes);
    const learnt = [...record.splits.train, ...record.splits.validation];
    return {
      plan,
      splits: record.splits,
      credit,
      problems: [...problems, ...found],
      fingerprint: classificationFingerprint(learnt, { ...hashesOf(seen), ...hashesOf(watched) }),
    };
  },

  async fingerprint({ record: { config, splits } }, { signal, cache }) {
    const { dataset, cases: usableNow } = await usable(config);
    const now = new Map(usableNow.map((item) => [item.id, item]));
    const cases = [...splits.train, ...splits.validation].flatMap(({ id }) => now.get(id) ?? []);
    const seen = cases.map((item) => (takesMask(config) ? item : { ...item, label: undefined }));
    const hashes = hashesOf(await fingerprintOf({ cases: seen }, { signal, cache }));
    return { fingerprint: classificationFingerprint(cases, hashes), problems: dataset.problems };
  },

  children: memberRuns,
  stages: (config) => (hasMembers(config) ? [] : [{ name: "", title: "training", epochs: config.epochs }]),
  session: (run, _stage, beginning, host) => classificationSession(run, beginning, host),

  async finish(run) {
    if (!hasMembers(run.record.config)) await run.store.write(MODEL, await encodeRun(run));
  },
  encode: ({ run, use }) => encodeRun(run, use),

  casesPerStep: ({ record: { config }, plan }) => plan.batch * config.accumulate,
  announce: ({ record: { config, splits }, plan }, threads) => [
    runLines.data(plan.dataset, splits),
    `${encoderName(config)} on ${config.mask ? "image and mask" : "image"}, ${[config.target, ...config.auxiliary].join(" + ")} · patch ${plan.patch.join("×")} · batch ${plan.batch} · ${config.optimizer} ${config.learningRate} · ${runLines.threads(threads)}`,
  ],

  async describe(run) {
    const { record, plan, store } = run;
    const { config, splits } = record;
    const places = memberRuns(run).map(({ name }) => store.child(name));
    const networks = places.length === 0 ? [store] : places;
    const trained = (await Promise.all(networks.map((place) => place.has(MODEL)))).filter(Boolean).length;
    const epochs = await Promise.all(networks.map(async (place) => (await epochsOf(place)).length));
    const rule = plan.ratings === undefined ? "" : `, ratings ${plan.ratings.scale.join(", ")}`;
    return {
      lines: [
        runLines.begun(record, plan.dataset),
        `network   ${encoderName(config)} on ${config.mask ? "image and mask" : "image"}, classes ${plan.classes.join(", ")}${rule}`,
        runLines.plan(plan),
        config.folds === null ? runLines.cases(splits) : `cases     ${splits.heldOut.length} in ${config.folds} folds`,
        `progress  ${trained} of ${networks.length} networks trained, ${epochs.reduce((a, b) => a + b, 0)} of ${networks.length * config.epochs} epochs`,
      ],
      json: { epochs, trained },
    };
  },

  outcome({ record: { config, splits }, plan }, folder) {
    const networks = (config.folds ?? 1) * config.seeds;
    const { train, validation, heldOut } = splits;
    return {
      json: {
        ...(networks === 1 ? { model: `${folder}/${MODEL}` } : {}),
        classes: plan.classes,
        train: train.length,
        validation: validation.length,
        heldOut: heldOut.length,
        folds: config.folds,
        networks,
      },
      lines: [networks === 1 ? `model  ${folder}/${MODEL}` : `models ${folder}/members/*/${MODEL} (${networks})`],
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
    const { labelColumn, groupColumn } = config;
    const dataset = await openClassification(from.data, {
      ...plan.ratings?.rule,
      classes: plan.classes,
      labelColumn: labelColumn ?? undefined,
      groupColumn: groupColumn ?? undefined,
    });
    const all = [...dataset.cases, ...dataset.test];
    const cases = all.filter((item) => item.class !== undefined || item.rating !== undefined);
    return { cases, problems: dataset.problems };
  },

  inputs: (path, source) =>
    casesToClassify(path, source && "run" in source ? source.run.plan.preprocessing.channels : undefined),
  async open(source, options) {
    for (const member of "members" in source ? source.members : [])
      if (!(await isFinished(member.store))) throw notTrained(member);
    return classificationPredictor(source, options);
  },
  score: scoreClassification,
  scoreText: ({ probabilities }) => `p ${probabilities.map((share) => share.toFixed(2)).join(" · ")}`,
  evaluationName: ruleName,
  summarise: summariseClassification,
};

/** The data set that a configuration names, and its cases that can be learnt from. */
async function usable(config: ClassificationConfig) {
  const dataset = await openFor(config);
  return { dataset, cases: usableCases(dataset, config) };
}

async function opened(config: ClassificationConfig) {
  const { dataset, cases } = await usable(config);
  const splits: ClassifiedSplits = config.folds === null ? splitCases(dataset, cases, config) : everyCase(cases);
  const facts: DataFacts = dataset;
  return { facts, splits, credit: await creditOf(dataset), problems: dataset.problems };
}

/** What a fold or a seed takes over from the run that it is part of. */
function inherited({ splits, parent }: NonNullable<Parameters<ClassificationTask["prepare"]>[2]>) {
  const facts: DataFacts = { ...parent.plan, name: parent.plan.dataset };
  return { facts, splits: splits! as ClassifiedSplits, credit: parent.record.credit, problems: [] };
}

function mapped({ train, validation, heldOut }: ClassifiedSplits) {
  return {
    train: train.map(classificationCase),
    validation: validation.map(classificationCase),
    heldOut: heldOut.map(classificationCase),
  };
}

/** Lists of classification data as well, for their masks; their labels are not looked at. */
async function casesToClassify(path: string, channels?: number): Promise<Listed<DataCase>> {
  if (!(await isClassification(path))) return listImages(path, { channels });
  const { cases, test, problems } = await openClassification(path, { unlabelled: true });
  return { cases: test.length > 0 ? test : cases, problems };
}
