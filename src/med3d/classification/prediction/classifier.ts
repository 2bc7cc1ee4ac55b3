/// <reference lib="esnext.disposable" preserve="true" />
/** Predicting classes: a run (all its networks together) or an exported `model.onnx`, as a function from an image to probabilities. */
import { checkedJson, type DataCase } from "../../../data/index.ts";
import { DataError } from "../../../errors.ts";
import { readOnnx } from "../../../graph/index.ts";
import { createEngine, type Engine, type Program } from "../../../runtime/index.ts";
import { BEST_CHECKPOINT, LAST_CHECKPOINT, notOfWeights, readWeights, type Source } from "../../../train/index.ts";
import { takingTurns } from "../../../turns.ts";
import { takesMask } from "../config.ts";
import { type ClassificationPlan, checkMasks } from "../plan.ts";
import { classificationPlanSchema } from "../schemas.ts";
import type { ClassificationRun } from "../session.ts";
import { type PreparedViews, prepareViews, viewFeeds } from "./case.ts";
import {
  type ClassifierConfig,
  classifierOf,
  classifierSchema,
  encodeClassifier,
  encodePlainClassifier,
  usedWeights,
} from "./export.ts";

/** What a classifier may take. */
export interface ClassifierOptions {
  /** Of the engine; all cores by default. */
  readonly threads?: number;
  /** Where ONNX Runtime computes; `cpu` by default. */
  readonly device?: "cpu" | "webgpu" | "cuda";
  /** Calls that may wait while another is at work; one more is refused at once. 1000 by default. */
  readonly mostWaiting?: number;
  /** Also predict the image mirrored along every axis, eight views in all, and average. */
  readonly mirror?: boolean;
}

/** A trained classifier, opened. Calls take turns, so one network may serve many requests; only so many may wait (`mostWaiting`). */
export interface Classifier extends AsyncDisposable {
  readonly plan: ClassificationPlan;
  readonly network: ClassifierConfig;
  /** Networks that are averaged. */
  readonly members: number;
  /**
   * Probabilities [K] of the classes, or [R] of the ratings: the mean over members and views.
   * @param call `signal`: stops between two networks, or at once while the call waits; it is rejected with the signal's reason
   * @throws DataError or GeometryError for an image that cannot be read or was not planned for
   */
  classify(item: DataCase, call?: { readonly signal?: AbortSignal }): Promise<Float64Array>;
  /** Ends the engine; what waits or runs is rejected. */
  close(): Promise<void>;
}

/**
 * Opens a run (the mean of all its networks) or an exported model.
 * @throws DataError for a model that is no classifier of medvox
 */
export async function openClassifierOf(
  source: Source<ClassificationRun>,
  options: ClassifierOptions = {},
): Promise<Classifier> {
  if ("weights" in source) throw notOfWeights(source.weights);
  const engine = await createEngine({ device: options.device, threads: options.threads });
  try {
    return "model" in source
      ? await exported(source.model, source.path, engine, options)
      : await ofRuns(source, engine, options);
  } catch (error) {
    await engine.close();
    throw error;
  }
}

interface Loaded {
  readonly plan: ClassificationPlan;
  readonly program: Program;
}

async function exported(
  bytes: Uint8Array,
  path: string,
  engine: Engine,
  options: ClassifierOptions,
): Promise<Classifier> {
  const { metadata } = readOnnx(bytes, path);
  if (metadata.task !== "classification" || metadata.plan === undefined || metadata.network === undefined)
    throw new DataError(`${path}: is no classifier of medvox (its metadata has no plan of one)`);
  const plan = checkedJson(classificationPlanSchema, metadata.plan, `${path}: metadata.plan`);
  const network = checkedJson(classifierSchema, metadata.network, `${path}: metadata.network`);
  const program = await engine.load(bytes, { label: "classifier" });
  // An exported model takes one view at a time.
  return classifier(engine, network, [{ plan, program }], options, 1);
}

async function ofRuns(
  { run, members, use }: Extract<Source<ClassificationRun>, { run: ClassificationRun }>,
  engine: Engine,
  options: ClassifierOptions,
): Promise<Classifier> {
  const views = options.mirror ? 8 : 1;
  const encode = engine.device === "cpu" ? encodeClassifier : encodePlainClassifier;
  const loaded: Loaded[] = [];
  for (const { record, plan, store } of members) {
    const which = (use ?? usedWeights(record)) === "best" ? BEST_CHECKPOINT : LAST_CHECKPOINT;
    const bytes = encode(classifierOf(record), plan, await readWeights(store, which), views);
    loaded.push({ plan, program: await engine.load(bytes, { label: `classifier ${store.place}` }) });
  }
  return classifier(engine, classifierOf(run.record), loaded, options, views);
}

function classifier(
  engine: Engine,
  network: ClassifierConfig,
  loaded: readonly Loaded[],
  { mirror = false, mostWaiting = 1000 }: ClassifierOptions,
  viewsAtOnce: number,
): Classifier {
  const turns = takingTurns({ name: "classifier", mostWaiting });
  const classify = async (item: DataCase, signal: AbortSignal | undefined): Promise<Float64Array> => {
    checkMasks([item], takesMask(network));
    let sum: Float64Array | undefined;
    let views = 0;
    for (const { plan, program } of loaded) {
      const prepared = await prepareViews(item, plan, takesMask(network), mirror);
      for (let view = 0; view < prepared.views; view += viewsAtOnce) {
        signal?.throwIfAborted();
        const { outputs } = await program.run(viewFeeds(viewsFrom(prepared, view, viewsAtOnce), plan));
        const { data, shape } = outputs.probability;
        sum ??= new Float64Array(shape[1]);
        for (let i = 0; i < data.length; i++) sum[i % shape[1]] += Number(data[i]);
        views += shape[0];
      }
    }
    signal?.throwIfAborted();
    return sum!.map((value) => value / views);
  };
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= engine.close();
    return closing;
  };
  return {
    plan: loaded[0].plan,
    network,
    members: loaded.length,
    classify: (item, { signal } = {}) => turns.take(() => classify(item, signal), signal),
    close,
    [Symbol.asyncDispose]: close,
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
