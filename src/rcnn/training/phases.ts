/**
 * Training by a schedule's phases (`schedule.ts`), each a training of its own with its place, checkpoints and log. A phase that has
 * ended is read back, one that was cut off goes on where it was: so a schedule can be stopped between and inside its phases.
 */

import { ConfigError } from "../../errors.ts";
import type { Optimizer, ParameterGroup, ScheduleSpec, Warmup } from "../../nn/index.ts";
import type { Engine } from "../../runtime/index.ts";
import {
  type BatchSource,
  createModel,
  type EpochReport,
  type LoopSettings,
  type Model,
  runTraining,
  type StateMap,
  type StepReport,
  type Store,
  type ValidationResult,
} from "../../train/index.ts";
import { createDetector, type Detector } from "../detect/detector.ts";
import type { DetectorConfig } from "../network/config.ts";
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

/** What a phase needs, whichever it is. */
export interface PhaseOptions {
  readonly engine: Engine;
  readonly config: DetectorConfig;
  readonly source: ImageSource;
  readonly epochs: (phase: Phase) => number;
  /** @param groups what the phase freezes; others may be added behind */
  readonly optimizer: (groups: readonly ParameterGroup[]) => Optimizer;
  readonly learningRate?: ScheduleSpec;
  readonly warmup?: Warmup;
  readonly seed?: number;
  readonly clipNorm?: number;
  readonly accumulate?: number;
  readonly validateEvery?: number;
  readonly patience?: number;
  readonly checkpointSeconds?: number;
  /** Loss and score on held-out images after an epoch. */
  readonly validate?: (phase: Phase, current: CurrentDetector) => Promise<ValidationResult>;
  /** Images that fit are padded to this when they are detected in, x y (z). */
  readonly canvas?: readonly number[];
}

export interface PhasesOptions extends PhaseOptions {
  readonly schedule: readonly Phase[];
  /** First values, as far as given: a backbone's, or all. The seed makes the others. */
  readonly start?: StateMap;
  /** Where each phase has its place; that of a lone phase is the store itself. Without it nothing is written, and nothing can be resumed. */
  readonly store?: Store;
  readonly resume?: boolean;
  readonly signal?: AbortSignal;
  readonly onStep?: (phase: Phase, report: StepReport) => void;
  readonly onEpoch?: (phase: Phase, report: EpochReport) => void;
}

/** What phases ended with, and the weights that the first began with. */
export type Ended = ReadonlyMap<Phase["name"] | "start", StateMap>;

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
 * @throws the signal's reason, with everything saved; DataError if a loss is no number
 */
export async function trainPhases(options: PhasesOptions): Promise<PhasesResult> {
  const { schedule, start = new Map(), store, resume, signal, onStep, onEpoch } = options;
  if (schedule.length === 0) throw new ConfigError("schedule: it has no phase");
  const ended = new Map<Phase["name"] | "start", StateMap>([["start", start]]);
  for (const phase of schedule) {
    const { model, loop, close } = await openPhase(phase, options, ended);
    try {
      await runTraining({
        ...loop,
        model,
        store: store && phaseStore(store, phase, schedule),
        resume,
        signal,
        onStep: (report) => onStep?.(phase, report),
        onEpoch: (report) => onEpoch?.(phase, report),
      });
      ended.set(phase.name, await model.weights());
    } finally {
      await close();
    }
  }
  const [last] = schedule.slice(-1);
  return { weights: last.name === "detector-2" ? joinedWeights(ended) : ended.get(last.name)!, phases: ended };
}

/** A phase's own place; a lone phase has the run's. */
export function phaseStore(store: Store, phase: Phase, schedule: readonly Phase[]): Store {
  return schedule.length === 1 ? store : store.child(phase.name);
}

/** A phase ready to be trained: its network with its first values, its batches with their targets. */
export interface OpenPhase {
  readonly model: Model;
  readonly loop: LoopSettings;
  close(): Promise<void>;
}

/** Opens a phase on what earlier ones ended with. */
export async function openPhase(phase: Phase, options: PhaseOptions, ended: Ended): Promise<OpenPhase> {
  const { engine, source, seed = 0, clipNorm, accumulate, validate, canvas } = options;
  const proposer =
    phase.proposalsOf === undefined
      ? undefined
      : createDetector({ engine, config: options.config, weights: ended.get(phase.proposalsOf)!, canvas });
  const config = phaseConfig(phase, options.config);
  const definition = trainingDefinition(config, phase.part, { seed });
  const optimizer = options.optimizer(phaseGroups(phase));
  const model = await createModel(
    { engine, ...definition, optimizer, seed, clipNorm, accumulate },
    definition.example(source.images, source.size),
  );
  const close = async (): Promise<void> => {
    await model.close();
    await proposer?.close();
  };
  try {
    const first = phaseStart(phase, ended);
    await model.load(new Map([...first].filter(([name]) => model.parameters.has(name))));
  } catch (error) {
    await close();
    throw error;
  }
  const current: CurrentDetector = {
    detector: async () => {
      const weights = await model.weights();
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
  return {
    model,
    loop: {
      data: phaseBatches(phase, source, definition, proposer, config),
      epochs: options.epochs(phase),
      learningRate: optimizer.lr,
      schedule: options.learningRate,
      warmup: options.warmup,
      accumulate,
      validate: validate && (() => validate(phase, current)),
      validateEvery: options.validateEvery,
      patience: options.patience,
      checkpointSeconds: options.checkpointSeconds,
    },
    close,
  };
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
