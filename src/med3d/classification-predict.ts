/** Predicting classes: a run (all its members together) or an exported `model.onnx`, as a function from an image to probabilities. */
import { readFile, stat } from "node:fs/promises";
import type { DataCase } from "../data/index.ts";
import { DataError } from "../errors.ts";
import { readOnnx } from "../graph/index.ts";
import { createEngine, type Engine, type Program } from "../runtime/index.ts";
import { type PreparedViews, prepareViews, viewFeeds } from "./classification-case.ts";
import {
  type ClassifierConfig,
  classifierOf,
  encodeClassifier,
  encodePlainClassifier,
  usedWeights,
} from "./classification-export.ts";
import { membersOf } from "./classification-members.ts";
import { takesMask } from "./classification-network.ts";
import { type ClassificationPlan, checkMasks } from "./classification-plan.ts";
import { readRun } from "./run-folder.ts";
import { runWeights } from "./segmentation-export.ts";

export interface ClassifierOptions {
  readonly use?: "last" | "best";
  readonly threads?: number;
  readonly device?: "cpu" | "webgpu" | "cuda";
  /** Also predict the image mirrored along every axis, eight views in all, and average. */
  readonly mirror?: boolean;
}

export interface Classifier {
  readonly plan: ClassificationPlan;
  readonly network: ClassifierConfig;
  /** Networks that are averaged. */
  readonly members: number;
  /** Probabilities [K] of the classes, or [R] of the ratings: the mean over members and views. */
  classify(item: DataCase): Promise<Float64Array>;
  close(): Promise<void>;
}

/**
 * Opens a run folder or an exported model.
 * @throws ConfigError or DataError if it is neither
 */
export async function openClassifier(path: string, options: ClassifierOptions = {}): Promise<Classifier> {
  const isFile = (await stat(path).catch(() => undefined))?.isFile() ?? false;
  const engine = await createEngine({ device: options.device, threads: options.threads });
  try {
    return isFile ? await exported(path, engine, options) : await ofRun(path, engine, options);
  } catch (error) {
    await engine.close();
    throw error;
  }
}

interface Loaded {
  readonly plan: ClassificationPlan;
  readonly program: Program;
}

async function exported(path: string, engine: Engine, options: ClassifierOptions): Promise<Classifier> {
  const bytes = await readFile(path);
  const { metadata } = readOnnx(bytes, path);
  if (metadata.task !== "classification" || metadata.plan === undefined || metadata.network === undefined)
    throw new DataError(`${path}: is no classifier of medvox (its metadata has no plan of one)`);
  const plan = JSON.parse(metadata.plan) as ClassificationPlan;
  const program = await engine.load(bytes, { label: "classifier" });
  // An exported model takes one view at a time.
  return classifier(engine, JSON.parse(metadata.network) as ClassifierConfig, [{ plan, program }], options, 1);
}

async function ofRun(folder: string, engine: Engine, options: ClassifierOptions): Promise<Classifier> {
  const { record } = await readRun(folder, "classification");
  const views = options.mirror ? 8 : 1;
  const encode = engine.device === "cpu" ? encodeClassifier : encodePlainClassifier;
  const loaded: Loaded[] = [];
  for (const member of membersOf(folder, record.config)) {
    const { record: own, plan } = await readRun(member.folder, "classification");
    const weights = await runWeights(member.folder, options.use ?? usedWeights(own));
    const bytes = encode(classifierOf(own), plan, weights, views);
    loaded.push({ plan, program: await engine.load(bytes, { label: `classifier ${member.name}` }) });
  }
  return classifier(engine, classifierOf(record), loaded, options, views);
}

function classifier(
  engine: Engine,
  network: ClassifierConfig,
  loaded: readonly Loaded[],
  { mirror = false }: ClassifierOptions,
  viewsAtOnce: number,
): Classifier {
  return {
    plan: loaded[0].plan,
    network,
    members: loaded.length,
    classify: async (item) => {
      checkMasks([item], takesMask(network));
      let sum: Float64Array | undefined;
      let views = 0;
      for (const { plan, program } of loaded) {
        const prepared = await prepareViews(item, plan, takesMask(network), mirror);
        for (let view = 0; view < prepared.views; view += viewsAtOnce) {
          const { outputs } = await program.run(viewFeeds(viewsFrom(prepared, view, viewsAtOnce), plan));
          const { data, shape } = outputs.probability;
          sum ??= new Float64Array(shape[1]);
          for (let i = 0; i < data.length; i++) sum[i % shape[1]] += Number(data[i]);
          views += shape[0];
        }
      }
      return sum!.map((value) => value / views);
    },
    close: async () => {
      for (const { program } of loaded) await program.close();
      await engine.close();
    },
  };
}

/** Some of the views; all of them without copying. */
function viewsFrom(all: PreparedViews, from: number, count: number): PreparedViews {
  if (count === all.views) return all;
  const part = (data: Float32Array): Float32Array => {
    const each = data.length / all.views;
    return data.slice(from * each, (from + count) * each);
  };
  return { views: count, input: part(all.input), ...(all.mask ? { mask: part(all.mask) } : {}) };
}
