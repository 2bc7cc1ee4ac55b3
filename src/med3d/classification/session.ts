/** The training of a classifier: network, loss, batches, and what it is watched by. */
import {
  type Batch,
  createLoader,
  type PreparedCase,
  preparedCases,
  type VolumeLoader,
  type WholeItems,
} from "../../data/index.ts";
import { ConfigError } from "../../errors.ts";
import { add, mul } from "../../graph/index.ts";
import { meanOf, rocAuc } from "../../metrics/index.ts";
import type { Feeds } from "../../runtime/index.ts";
import {
  type BatchSource,
  type Beginning,
  createModel,
  type Host,
  type Model,
  type Run,
  type Session,
  type ValidationResult,
} from "../../train/index.ts";
import { readStart, startFrom, startText } from "../encoder/start-from.ts";
import { augmentationOf, optimizerOf } from "../segmentation/config.ts";
import { auxiliaryCount, auxiliaryLoss, auxiliaryOf } from "./auxiliary-targets.ts";
import type { ClassificationConfig } from "./config.ts";
import { takesMask } from "./config.ts";
import type { ClassificationCase } from "./data.ts";
import {
  classificationLoss,
  classificationProbabilities,
  classShares,
  multiTaskScores,
  outputCount,
  targetOf,
} from "./network.ts";
import type { ClassificationPlan } from "./plan.ts";
import { viewFeeds, viewsOf } from "./prediction/case.ts";

export type ClassificationRun = Run<ClassificationConfig, ClassificationPlan, ClassificationCase>;

/** Opens data and network of a run. */
export async function classificationSession(
  { record, plan }: ClassificationRun,
  { engine, resumes }: Beginning,
  { signal, cache }: Host,
): Promise<Session> {
  const { config, splits } = record;
  const start = resumes ? undefined : await readStart(config.from);
  const { patch, batch, preprocessing } = plan;
  const outputs = outputCount(plan, config);
  const { auxiliary: columns = [] } = plan;
  const extra = auxiliaryCount(columns);
  const weights = config.classWeights === "balanced" ? balancedWeights(splits.train, plan.classes) : undefined;
  const loader = createLoader({
    cases: splits.train,
    prepare: preprocessing,
    augmentation: augmentationOf(config),
    patch,
    batch,
    crop: "centre",
    targetType: takesMask(config) ? "float32" : "none",
    seed: config.seed,
    workers: config.workers,
    cache,
  });
  const watched = preparedCases({
    cases: splits.validation,
    prepare: preprocessing,
    withLabel: takesMask(config),
    workers: config.workers,
    cache,
    signal,
  });
  let model: Model | undefined;
  const close = async (): Promise<void> => {
    await loader.close();
    await watched.close();
    await model?.close();
  };
  try {
    const network = await createModel(
      {
        engine,
        network: ({ input, mask }) => {
          const { scores, auxiliary } = multiTaskScores(input, mask, outputs, extra, config);
          return {
            scores,
            probability: classificationProbabilities(scores, config),
            ...(auxiliary === undefined ? {} : { auxiliary }),
          };
        },
        // Watched cases are not told what stands beside the label, so that their loss is the label's.
        loss: ({ scores, auxiliary }, { target, auxiliaryValues, auxiliaryCounts }) => {
          const loss = classificationLoss(scores, target, config, weights);
          if (auxiliaryValues === undefined) return loss;
          const beside = auxiliaryLoss(auxiliary, auxiliaryValues, auxiliaryCounts, columns);
          return add(loss, mul(beside, config.auxiliaryWeight));
        },
        optimizer: optimizerOf(config),
        seed: config.seed,
        clipNorm: config.clipNorm ?? undefined,
        accumulate: config.accumulate,
      },
      {
        input: { shape: [batch, preprocessing.channels, ...patch], dtype: "float32" },
        ...(takesMask(config) ? { mask: { shape: [batch, ...patch], dtype: "float32" } } : {}),
        target: { shape: [batch, outputs], dtype: "float32" },
        ...(extra > 0
          ? {
              auxiliaryValues: { shape: [batch, extra], dtype: "float32" },
              auxiliaryCounts: { shape: [batch, extra], dtype: "float32" },
            }
          : {}),
      },
    );
    model = network;
    const match = start && (await startFrom(network, start));
    // What is wrong with a watched case is told before the first step.
    for await (const _ of watched.all());
    return {
      model: network,
      startText: start && match && startText(start, match),
      loop: {
        data: batchSource(loader, record, plan),
        epochs: config.epochs,
        learningRate: config.learningRate,
        schedule: config.schedule,
        warmup: config.warmupEpochs > 0 ? { epochs: config.warmupEpochs, from: 0.05 } : undefined,
        accumulate: config.accumulate,
        validate: watched.count === 0 ? undefined : () => validate(network, watched, splits.validation, record, plan),
        validateEvery: config.validateEvery,
        patience: config.patience ?? undefined,
        checkpointSeconds: config.checkpointSeconds,
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The loader's batches as the engine takes them, each with what the network should say. */
function batchSource(
  loader: VolumeLoader,
  { config, splits }: ClassificationRun["record"],
  plan: ClassificationPlan,
): BatchSource {
  const { patch, batch, preprocessing } = plan;
  const outputs = outputCount(plan, config);
  const smooth = (t: number): number =>
    t * (1 - config.labelSmoothing) + config.labelSmoothing / (config.target === "rating" ? 2 : outputs);
  const targets = new Map(splits.train.map((item) => [item.id, targetOf(item, plan, config).map(smooth)]));
  const { auxiliary: columns = [] } = plan;
  const extra = auxiliaryCount(columns);
  const beside = new Map(splits.train.map((item) => [item.id, auxiliaryOf(item, columns, config.labelSmoothing)]));
  const gathered = (cases: readonly string[], of: (id: string) => readonly number[], width: number) => ({
    data: Float32Array.from(cases.flatMap(of)),
    shape: [batch, width],
  });
  const feedsOf = ({ input, target: mask, cases }: Batch): Feeds => ({
    input: { data: input, shape: [batch, preprocessing.channels, ...patch] },
    ...(takesMask(config) ? { mask: { data: mask, shape: [batch, ...patch] } } : {}),
    target: gathered(cases, (id) => targets.get(id)!, outputs),
    ...(extra > 0
      ? {
          auxiliaryValues: gathered(cases, (id) => beside.get(id)!.values, extra),
          auxiliaryCounts: gathered(cases, (id) => beside.get(id)!.counts, extra),
        }
      : {}),
  });
  return {
    stepsPerEpoch: loader.stepsPerEpoch,
    batches: async function* (epoch, fromStep) {
      for await (const made of loader.batches(epoch, fromStep))
        yield { feeds: feedsOf(made), waitedMs: made.waitedMs, cases: made.cases };
    },
    recycle: ({ input, mask }) =>
      loader.recycle({ input: input as Float32Array, target: mask as Float32Array | undefined }),
  };
}

/** Mean loss of the watched cases, and what it is judged by: AUC of two classes, else accuracy. */
async function validate(
  model: Model,
  prepared: WholeItems<PreparedCase>,
  cases: readonly ClassificationCase[],
  { config }: ClassificationRun["record"],
  plan: ClassificationPlan,
): Promise<ValidationResult> {
  const losses: number[] = [];
  const scored: { truth: number; shares: number[] }[] = [];
  let at = 0;
  for await (const whole of prepared.all()) {
    const item = cases[at++];
    const target = Float32Array.from(targetOf(item, plan, config));
    const feeds: Feeds = {
      ...viewFeeds(viewsOf(whole, plan, takesMask(config)), plan),
      target: { data: target, shape: [1, target.length] },
    };
    const { outputs } = await model.evaluate(feeds, { withLoss: true, fetch: ["probability", "loss"] });
    losses.push(Number(outputs.loss.data[0]));
    if (item.class === undefined) continue;
    const shares = classShares(outputs.probability.data as Float32Array, plan, config);
    scored.push({ truth: item.class, shares });
  }
  const right = scored.filter(({ truth, shares }) => shares.indexOf(Math.max(...shares)) === truth).length;
  const accuracy = scored.length === 0 ? null : right / scored.length;
  const positives = scored.filter(({ truth }) => truth === 1).map(({ shares }) => shares[1]);
  const negatives = scored.filter(({ truth }) => truth === 0).map(({ shares }) => shares[1]);
  const auc =
    plan.classes.length === 2 && positives.length > 0 && negatives.length > 0 ? rocAuc({ positives, negatives }) : null;
  return {
    loss: meanOf(losses) ?? Number.NaN,
    score: auc ?? accuracy ?? 0,
    details: { ...(auc === null ? {} : { AUC: auc }), accuracy },
  };
}

/** n / (K · n_k): the mean over cases is 1. */
export function balancedWeights(cases: readonly ClassificationCase[], classes: readonly string[]): number[] {
  return classes.map((name, k) => {
    const count = cases.filter((item) => item.class === k).length;
    if (count === 0) throw new ConfigError(`data: no training case is ${name}; every class needs one`);
    return cases.length / (classes.length * count);
  });
}
