/** One training of the ablations, scored on its held-out images under every condition that it serves. */
import { ConfigError } from "../../errors.ts";
import type { TrialEvents, Trial as TrialOf, TrialResult, TrialScores } from "../../experiments/index.ts";
import { createEngine, type Engine } from "../../runtime/index.ts";
import { continueRun, epochsOf, readWeights, type Store } from "../../train/index.ts";
import { createDetector, type Detector } from "../detect/detector.ts";
import { openImage } from "../detect/images.ts";
import { scoredImage } from "../detect/scores.ts";
import type { DetectionConfig } from "../run/config.ts";
import { type DetectionRun, itemsOfRun } from "../run/data.ts";
import { detection } from "../run/task.ts";
import { phaseStore } from "../training/phases.ts";
import { schedules } from "../training/schedule.ts";
import { type ImageScore, imageScore } from "./scores.ts";
import { asTrained, type TestTimeCondition } from "./test-time.ts";

export interface RpnScores extends TrialScores {
  readonly classes: readonly string[];
  /** Of the anchors; of a pyramid the scales of all levels. */
  readonly scales: number;
  readonly ratios: number;
  /** By the condition's name, every held-out image. */
  readonly conditions: Readonly<Record<string, readonly ImageScore[]>>;
}

export type RpnTrial = TrialOf<RpnScores>;
export type RpnResult = TrialResult<RpnScores>;

/** Name of the condition of steps 1 and 2, whose networks share nothing. */
export const UNSHARED = "unshared";

export function rpnTrial(
  about: Pick<RpnTrial, "condition" | "target" | "seed">,
  config: DetectionConfig,
  conditions: readonly TestTimeCondition[],
  { unshared }: { readonly unshared: boolean },
): RpnTrial {
  return {
    ...about,
    run: async (folder, events) => {
      const run = await continueRun(detection, config, { out: folder, ...events });
      const scored = await scoreRun(run, conditions, unshared, events);
      const { record, plan, store } = run;
      const trainedCases = record.splits.train.length;
      const perEpoch = Math.floor((config.stepsPerEpoch ?? Math.ceil(trainedCases / config.batch)) / config.accumulate);
      const schedule = schedules[config.schedule];
      const phases = schedule.map((phase) => epochsOf(phaseStore(store, phase, schedule)));
      const epochs = (await Promise.all(phases)).flat();
      return {
        classes: plan.classes.map(({ name }) => name),
        scales: plan.detector.anchors.sizes.flat().length,
        ratios: plan.detector.anchors.ratios.length,
        conditions: scored,
        trainedCases,
        steps: epochs.length * perEpoch,
        seconds: epochs.reduce((sum, { seconds }) => sum + seconds, 0),
      };
    },
  };
}

async function scoreRun(
  run: DetectionRun,
  conditions: readonly TestTimeCondition[],
  unshared: boolean,
  events: TrialEvents,
): Promise<RpnScores["conditions"]> {
  const { record, store } = run;
  const engine = await createEngine({ device: record.config.device, threads: record.threads });
  try {
    const detector = await openDetector(engine, run, store, { programs: 2 * conditions.length + 2 });
    const scored = await scoreImages(detector, run, conditions, events).finally(() => detector.close());
    if (!unshared) return scored;
    const proposer = await openDetector(engine, run, store.child("rpn-1"));
    const separate = await openDetector(engine, run, store.child("detector-1"), { proposer });
    try {
      const { [asTrained.name]: images } = await scoreImages(separate, run, [asTrained], events);
      return { ...scored, [UNSHARED]: images };
    } finally {
      await separate.close();
      await proposer.close();
    }
  } finally {
    await engine.close();
  }
}

async function openDetector(
  engine: Engine,
  { plan }: DetectionRun,
  store: Store,
  options: { readonly proposer?: Detector; readonly programs?: number } = {},
): Promise<Detector> {
  const weights = await readWeights(store);
  return createDetector({ engine, config: plan.detector, weights, canvas: plan.canvas, ...options });
}

/** Every held-out image under every condition; its features are computed once. */
async function scoreImages(
  detector: Detector,
  run: DetectionRun,
  conditions: readonly TestTimeCondition[],
  { signal }: TrialEvents,
): Promise<Record<string, ImageScore[]>> {
  const { plan, record } = run;
  const { axes } = plan;
  const { cases: items } = await itemsOfRun(run, record.splits.heldOut, signal);
  if (items.length === 0) throw new ConfigError(`${plan.source}: no image is held out to be scored on; set heldOut`);
  const scored: Record<string, ImageScore[]> = Object.fromEntries(conditions.map(({ name }) => [name, []]));
  for (const item of items) {
    signal?.throwIfAborted();
    const opened = await openImage(item, plan);
    const found = await detector.detectBy(
      [opened.input],
      conditions.map(({ rule }) => rule(item.id)),
    );
    for (const [i, { proposals, detections }] of found.entries()) {
      const [own] = proposals;
      const { boxes } = opened.back({ ...own, labels: new Int32Array(own.scores.length) });
      const image = scoredImage(item, opened.back(detections[0]));
      scored[conditions[i].name].push(imageScore(image, boxes, { axes, classes: plan.classes.length }));
    }
  }
  return scored;
}
