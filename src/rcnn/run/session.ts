/** The training of a detector: a phase of its schedule, with the batches it learns from and the images it is watched by. */

import { createDetectionLoader, type DetectionItem, type Problem } from "../../data/index.ts";
import type { Beginning, Host, Session, Stage, StateMap } from "../../train/index.ts";
import { withHead } from "../network/config.ts";
import type { RegionHead } from "../network/head.ts";
import { readDetectorStart } from "../network/weights.ts";
import { type Ended, openPhase } from "../training/phases.ts";
import { type Phase, phaseEpochs, schedules } from "../training/schedule.ts";
import { imageSource, loaderOptions } from "./batches.ts";
import { detectorOptimizer, frozenStages } from "./config.ts";
import { type DetectionRun, itemsOfRun } from "./data.ts";
import { openWatched, watch } from "./watch.ts";

/** The phase that a stage of a run stands for. */
function phaseOf({ record: { config } }: Pick<DetectionRun, "record">, { name }: Stage): Phase {
  const schedule: readonly Phase[] = schedules[config.schedule];
  return schedule.find((phase) => phase.name === name) ?? schedule[0];
}

/** Opens data and network of a phase. @param head of a run whose head is a program's own */
export async function detectionSession(
  run: DetectionRun,
  stage: Stage,
  { engine, finished, resumes }: Beginning,
  { signal, cache }: Host,
  head: RegionHead | undefined,
): Promise<Session> {
  const { record } = run;
  const plan = { ...run.plan, detector: withHead(run.plan.detector, head, run.store.place) };
  const { config } = record;
  const phase = phaseOf(run, stage);
  const begins = phase.from.some((from) => from.phase === "start") && !resumes;
  const start = begins ? await readDetectorStart(config, plan.detector) : undefined;
  const { train, validation } = await openedItems(run, signal);
  const loader = createDetectionLoader(loaderOptions(record, plan, train, "training", cache));
  const watched =
    validation.length === 0
      ? undefined
      : createDetectionLoader(loaderOptions(record, plan, validation, "validation", cache));
  const images = openWatched(plan, { items: validation, workers: config.workers, cache });
  const closeLoaders = async (): Promise<void> => {
    await loader.close();
    await watched?.close();
    await images.close();
  };
  try {
    const ended = new Map<Phase["name"] | "start", StateMap>([["start", start?.weights ?? new Map()]]);
    for (const [name, weights] of finished) ended.set(name as Phase["name"], weights);
    const { model, loop, close } = await openPhase(
      phase,
      {
        engine,
        config: plan.detector,
        source: imageSource(loader, config.batch),
        epochs: (one) => phaseEpochs(config, one),
        optimizer: (groups) => detectorOptimizer(config, [...groups, ...frozenStages(config, plan.detector)]),
        learningRate: config.learningRateSchedule,
        warmup: config.warmupEpochs > 0 ? { epochs: config.warmupEpochs, from: 0.001 } : undefined,
        seed: config.seed,
        clipNorm: config.clipNorm ?? undefined,
        accumulate: config.accumulate,
        validateEvery: config.validateEvery,
        patience: config.patience ?? undefined,
        checkpointSeconds: config.checkpointSeconds,
        canvas: plan.canvas,
        validate:
          watched &&
          ((one, current) => watch(current, { phase: one, plan, items: validation, images, loader: watched, signal })),
      },
      ended satisfies Ended,
    );
    return {
      model,
      loop,
      startText: start?.report,
      close: async () => {
        await close();
        await closeLoaders();
      },
    };
  } catch (error) {
    await closeLoaders();
    throw error;
  }
}

interface OpenedItems {
  readonly train: readonly DetectionItem[];
  readonly validation: readonly DetectionItem[];
  readonly problems: readonly Problem[];
}

/** Boxes of the runs that are being trained, so that a data set is read once for all stages. */
const opened = new WeakMap<DetectionRun["plan"], OpenedItems>();

/** Hands on what preparing a run has read. */
export function keepItems(plan: DetectionRun["plan"], items: OpenedItems): void {
  opened.set(plan, items);
}

/** What a run trains and watches on, as it stands in the data set. */
export async function openedItems(run: DetectionRun, signal?: AbortSignal): Promise<OpenedItems> {
  const there = opened.get(run.plan);
  if (there !== undefined) return there;
  const { train, validation } = run.record.splits;
  const { cases, problems } = await itemsOfRun(run, [...train, ...validation], signal);
  const items = { train: cases.slice(0, train.length), validation: cases.slice(train.length), problems };
  opened.set(run.plan, items);
  return items;
}
