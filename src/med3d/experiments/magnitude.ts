/**
 * "Training data magnitude" (Med3D, arXiv:1904.00625 §4): Dice on held-out cases after training on growing shares of the
 * cases, each for the same number of steps, so that only the data differ.
 */
import { ConfigError } from "../../errors.ts";
import type { Findings } from "../../experiments/index.ts";
import { resolveSegmentationConfig, type SegmentationRequest } from "../segmentation/config.ts";
import type { ExperimentConfig } from "./config.ts";
import { diceScore, repeatsOf, scoreTable, summaryOf } from "./scores.ts";
import { segmentationTrial } from "./segmentation-trial.ts";
import type { Trial, TrialResult } from "./trial.ts";

/** Epochs that a training's cosine schedule and its watched cases are measured in. */
const EPOCHS = 20;

export function magnitudeTrials(config: ExperimentConfig<"magnitude">): Trial[] {
  const { shares, steps, seeds, segmentation, mirror } = config;
  for (const key of ["epochs", "stepsPerEpoch", "trainCases", "seed"])
    if (key in segmentation) throw new ConfigError(`segmentation.${key}: is set by the experiment`);
  const epochs = Math.min(EPOCHS, steps);
  return shares.flatMap((share) =>
    Array.from({ length: seeds }, (_, seed) => {
      const request = {
        validation: 0,
        splitSeed: 0,
        ...segmentation,
        epochs,
        stepsPerEpoch: Math.round(steps / epochs),
        trainCases: share === 1 ? null : share,
        seed,
      } as SegmentationRequest;
      const trial = { condition: conditionOf(share), target: "dice", seed };
      return segmentationTrial(trial, resolveSegmentationConfig(request), { mirror });
    }),
  );
}

function conditionOf(share: number): string {
  return `${Number((100 * share).toFixed(3))}-percent`;
}

export function magnitudeFindings({ shares }: ExperimentConfig<"magnitude">, trials: readonly TrialResult[]): Findings {
  const points = shares.map((share) => {
    const those = trials.filter(({ condition }) => condition === conditionOf(share));
    return { share, trials: those, ...summaryOf(repeatsOf(those), diceScore) };
  });
  const cases = (point: (typeof points)[number]): number => point.trials[0].trainedCases;
  return {
    title: "How much data is enough",
    charts: [
      {
        kind: "curve",
        title: "Dice on held-out cases",
        xName: "cases trained on",
        series: [
          {
            name: "mean, with its 95 % interval",
            color: 0,
            dots: true,
            points: points.flatMap((point) => (point.mean === null ? [] : [[cases(point), point.mean] as const])),
            band: points.flatMap((point) =>
              point.interval === null ? [] : [[cases(point), ...point.interval] as const],
            ),
          },
        ],
      },
    ],
    table: scoreTable(
      "share of the cases",
      points.map((point) => ({ name: `${Number((100 * point.share).toFixed(3))} % (${cases(point)})`, ...point })),
      "Dice",
    ),
  };
}
