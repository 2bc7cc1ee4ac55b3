/**
 * Training by a schedule's phases (`schedule.ts`), each a training of its own with its folder, checkpoints and log. A phase that has ended is
 * read back, one that was cut off goes on where it was: so a schedule can be stopped between and inside its phases.
 */

import { join } from "node:path";
import { ConfigError } from "../errors.ts";
import { makeFolder } from "../files/index.ts";
import type { Optimiser, ParameterGroup, ScheduleSpec, Warmup } from "../nn/index.ts";
import type { Engine } from "../runtime/index.ts";
import {
  type BatchSource,
  createModel,
  type EpochReport,
  runTraining,
  type StateMap,
  type StepReport,
  type ValidationResult,
} from "../train/index.ts";
import type { DetectorConfig } from "./config.ts";
import { createDetector, type Detector } from "./detector.ts";
import { joinedWeights, type Phase, phaseConfig, phaseGroups, phaseStart } from "./schedule.ts";
import { type TrainingDefinition, type TrainingImages, trainingDefinition } from "./training.ts";

/** Batches of prepared images that depend on nothing but epoch and step. */
export interface ImageSource {
  readonly stepsPerEpoch: number;
  /** Images of a batch, and its padded size x y (z). */
  readonly images: number;
  readonly size: readonly number[];
  batches(
    epoch: number,
    fromStep: number,
  ): AsyncIterable<{ readonly images: TrainingImages; readonly cases: readonly string[]; readonly waitedMs: number }>;
}

export interface PhasesOptions {
  readonly engine: Engine;
  readonly config: DetectorConfig;
  readonly schedule: readonly Phase[];
  readonly source: ImageSource;
  readonly epochs: (phase: Phase) => number;
  /** @param groups what the phase freezes; others may be added behind */
  readonly optimiser: (groups: readonly ParameterGroup[]) => Optimiser;
  readonly learningRate?: ScheduleSpec;
  readonly warmup?: Warmup;
  readonly seed?: number;
  readonly clipNorm?: number;
  readonly accumulate?: number;
  readonly validateEvery?: number;
  readonly patience?: number;
  readonly checkpointSeconds?: number;
  /** First values, as far as given: a backbone's, or all. The seed makes the others. */
  readonly start?: StateMap;
  /** Where each phase has its folder; that of a lone phase is the folder itself. Without it nothing is written, and nothing can be resumed. */
  readonly folder?: string;
  readonly resume?: boolean;
  /** Loss and score on held-out images after an epoch. */
  readonly validate?: (phase: Phase, current: CurrentDetector) => Promise<ValidationResult>;
  readonly signal?: AbortSignal;
  readonly onStep?: (phase: Phase, report: StepReport) => void;
  readonly onEpoch?: (phase: Phase, report: EpochReport) => void;
  /** Images that fit are padded to this when they are detected in, x y (z). */
  readonly canvas?: readonly number[];
}

/** A phase's network as it stands. */
export interface CurrentDetector {
  /** Mean loss of a batch; nothing is learnt from it. */
  loss(images: TrainingImages): Promise<number>;
  /**
   * What can be made of it, to be closed by the caller: a whole detector where the phase trains the region head, on the proposals that it is
   * trained on; one that can only propose where it trains the RPN alone.
   */
  detector(): Promise<Detector>;
}

export interface PhasesResult {
  /** The whole detector. */
  readonly weights: StateMap;
  /** What each phase ended with. */
  readonly phases: ReadonlyMap<Phase["name"] | "start", StateMap>;
}

/**
 * Runs all phases.
 * @throws MedvoxError `E_INTERRUPTED` after the signal, with everything saved; DataError if a loss is no number
 */
export async function trainPhases(options: PhasesOptions): Promise<PhasesResult> {
  const { config, schedule, start = new Map(), folder } = options;
  if (schedule.length === 0) throw new ConfigError("schedule: it has no phase");
  const ended = new Map<Phase["name"] | "start", StateMap>([["start", start]]);
  for (const phase of schedule) {
    const place = folder && phaseFolder(folder, phase, schedule);
    if (place !== undefined) await makeFolder(place);
    const weights = ended.get(phase.proposalsOf ?? "start");
    const proposer =
      phase.proposalsOf === undefined
        ? undefined
        : createDetector({ engine: options.engine, config, weights: weights as StateMap, canvas: options.canvas });
    try {
      ended.set(phase.name, await trainPhase(phase, options, ended, proposer, place));
    } finally {
      await proposer?.close();
    }
  }
  const [last] = schedule.slice(-1);
  return { weights: last.name === "detector-2" ? joinedWeights(ended) : ended.get(last.name)!, phases: ended };
}

/** A phase's own folder; a lone phase has the run's. */
export function phaseFolder(folder: string, phase: Phase, schedule: readonly Phase[]): string {
  return schedule.length === 1 ? folder : join(folder, phase.name);
}

async function trainPhase(
  phase: Phase,
  options: PhasesOptions,
  ended: ReadonlyMap<Phase["name"] | "start", StateMap>,
  proposer: Detector | undefined,
  folder: string | undefined,
): Promise<StateMap> {
  const { engine, source, seed = 0, clipNorm, accumulate, resume, signal, validate } = options;
  const config = phaseConfig(phase, options.config);
  const definition = trainingDefinition(config, phase.part, { seed });
  const optimiser = options.optimiser(phaseGroups(phase));
  const model = await createModel(
    { engine, ...definition, optimiser, seed, clipNorm, accumulate },
    definition.example(source.images, source.size),
  );
  try {
    const first = phaseStart(phase, ended);
    await model.load(new Map([...first].filter(([name]) => model.parameters.has(name))));
    const current: CurrentDetector = {
      detector: async () => {
        const weights = await model.weights();
        const { canvas } = options;
        if (!phase.frozenBackbone || phase.part === "rpn")
          return createDetector({ engine, config, weights, canvas, proposer });
        return createDetector({
          engine,
          config,
          canvas,
          weights: joinedWeights(new Map([...ended, [phase.name, weights]])),
        });
      },
      loss: async (images: TrainingImages): Promise<number> => {
        const feeds = definition.feeds(await withProposals(images, proposer, config), "validation");
        const { outputs } = await model.evaluate(feeds, { withLoss: true, fetch: ["loss"] });
        return Number(outputs.loss.data[0]);
      },
    };
    await runTraining({
      model,
      data: phaseBatches(phase, source, definition, proposer, config),
      epochs: options.epochs(phase),
      learningRate: optimiser.lr,
      schedule: options.learningRate,
      warmup: options.warmup,
      accumulate,
      validate: validate && (() => validate(phase, current)),
      validateEvery: options.validateEvery,
      patience: options.patience,
      checkpointSeconds: options.checkpointSeconds,
      folder,
      resume,
      signal,
      onStep: (report) => options.onStep?.(phase, report),
      onEpoch: (report) => options.onEpoch?.(phase, report),
    });
    return await model.weights();
  } finally {
    await model.close();
  }
}

/** Batches with targets. Random choices are named by epoch and step, so a resumed phase makes the same. */
function phaseBatches(
  phase: Phase,
  source: ImageSource,
  definition: TrainingDefinition,
  proposer: Detector | undefined,
  config: DetectorConfig,
): BatchSource {
  return {
    stepsPerEpoch: source.stepsPerEpoch,
    batches: async function* (epoch, fromStep) {
      let step = fromStep;
      for await (const { images, cases, waitedMs } of source.batches(epoch, fromStep)) {
        const stream = `${phase.name} epoch ${epoch} step ${step++}`;
        yield { feeds: definition.feeds(await withProposals(images, proposer, config), stream), cases, waitedMs };
      }
    },
  };
}

async function withProposals(
  images: TrainingImages,
  proposer: Detector | undefined,
  { rpn }: DetectorConfig,
): Promise<TrainingImages> {
  if (proposer === undefined) return images;
  const found = await proposer.proposeBatch(images, rpn.training);
  return { ...images, proposals: found.map(({ boxes }) => boxes) };
}
