/**
 * Multi-branch pre-training (Med3D §3, arXiv:1904.00625): one encoder under one decoder for each data set. A step is one
 * set's: it takes a batch of that set and renews the encoder and that set's decoder. Sets smaller than the largest are
 * filled up to its size by augmented copies. What is left for others is the encoder.
 */
import { type CaseCache, createLoader, type VolumeLoader } from "../../data/index.ts";
import { scope } from "../../graph/index.ts";
import {
  type Beginning,
  type Branch,
  createBranchedModel,
  type Host,
  type Run,
  type Session,
  type Tally,
} from "../../train/index.ts";
import { readStart, startFrom, startText } from "../encoder/start-from.ts";
import { augmentationOf, optimizerOf } from "../segmentation/config.ts";
import { trainingLoss, trainingOutputs } from "../segmentation/network/deep-supervision.ts";
import { ignoresVoxels } from "../segmentation/network/network.ts";
import { balancingOf, branchConfig, type PretrainingConfig } from "./config.ts";
import { overlapMonitor, setEpoch } from "./scores.ts";
import type { PretrainingCase, PretrainingPlan } from "./sets.ts";
import { type SetStream, turnSource } from "./turns.ts";

export type PretrainingRun = Run<PretrainingConfig, PretrainingPlan, PretrainingCase>;

/** Where a branch keeps the running statistics of the encoder's norms: `branch.NAME.norms.bn1.running_mean`. */
export const STATISTICS = "norms";

/** Opens the data and the branches of a run. */
export async function pretrainingSession(
  { record, plan }: PretrainingRun,
  { engine, resumes }: Beginning,
  { cache }: Host,
): Promise<Session> {
  const { config } = record;
  const start = resumes ? undefined : await readStart(config.from);
  const streams = openStreams(record, plan, cache);
  const closeStreams = async (): Promise<void> => {
    for (const { loader } of streams) await loader.close();
  };
  try {
    const model = await createBranchedModel({
      engine,
      branches: branchesOf(config, plan, record.splits.train),
      optimizer: optimizerOf(config),
      seed: config.seed,
      clipNorm: config.clipNorm ?? undefined,
      accumulate: config.accumulate,
    });
    const match = start && (await startFrom(model, start));
    return {
      model,
      startText: start && match && startText(start, match),
      loop: {
        data: turnSource(streams, config.accumulate, config.seed),
        epochs: config.epochs,
        learningRate: config.learningRate,
        schedule: config.schedule,
        warmup: config.warmupEpochs > 0 ? { epochs: config.warmupEpochs, from: 0.05 } : undefined,
        accumulate: config.accumulate,
        summarise: (set: string, tally: Tally) => setEpoch(tally, foregroundOf(plan, set)),
        checkpointSeconds: config.checkpointSeconds,
      },
      close: async () => {
        await closeStreams();
        await model.close();
      },
    };
  } catch (error) {
    await closeStreams();
    throw error;
  }
}

/** One network per set, all of them over the same encoder. @param train cases, for those that have voxels which do not count */
function branchesOf(
  config: PretrainingConfig,
  plan: PretrainingPlan,
  train: readonly PretrainingCase[] = [],
): Record<string, Branch> {
  return Object.fromEntries(
    config.sets.map((set): [string, Branch] => {
      const { patch, batch, preprocessing } = plan.sets[set.name];
      const at = scope("branch").child(set.name);
      const statistics = config.branchStatistics ? at.child(STATISTICS) : undefined;
      const branch = { ...branchConfig(config, set), statistics };
      const ignores = ignoresVoxels(train.filter((item) => item.set === set.name));
      return [
        set.name,
        {
          network: ({ input }) => trainingOutputs(input, preprocessing.labels.length, branch, at),
          loss: (outputs, { target }) => trainingLoss(outputs, target, config.loss, ignores),
          monitor: overlapMonitor(ignores),
          example: {
            input: { shape: [batch, preprocessing.channels, ...patch], dtype: "float32" },
            target: { shape: [batch, ...patch], dtype: "int32" },
          },
        },
      ];
    }),
  );
}

/** A loader for each set, whose epochs are as long as the largest set's. */
function openStreams(
  { config, splits }: PretrainingRun["record"],
  plan: PretrainingPlan,
  cache: CaseCache,
): SetStream[] {
  const balancing = balancingOf(config);
  const casesOf = (name: string) => splits.train.filter(({ set }) => set === name);
  const largest = Math.max(...config.sets.map(({ name }) => casesOf(name).length));
  return config.sets.map(({ name }): SetStream => {
    const cases = casesOf(name);
    const { preprocessing, patch, batch } = plan.sets[name];
    const patches = balancing === undefined ? cases.length : largest;
    const updates = config.updatesPerSet ?? Math.ceil(patches / (batch * config.accumulate));
    const loader: VolumeLoader = createLoader({
      cases,
      prepare: preprocessing,
      augmentation: augmentationOf(config),
      repeatAugmentation: balancing,
      patch,
      batch,
      seed: config.seed,
      workers: config.workers,
      stepsPerEpoch: updates * config.accumulate,
      cache,
    });
    return { name, plan: plan.sets[name], loader };
  });
}

/** Names of a set's classes, without the background. */
function foregroundOf(plan: PretrainingPlan, set: string): string[] {
  return plan.sets[set].labels.filter(({ index }) => index !== 0).map(({ name }) => name);
}
