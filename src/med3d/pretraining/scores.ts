/** Dice on the patches a branch is trained on: counted in the step itself, added up over an epoch. */
import { argMax, cast, mul, sum, type Tensor } from "../../graph/index.ts";
import { meanOf } from "../../metrics/index.ts";
import { oneHot } from "../../nn/index.ts";
import type { Monitor, Tally } from "../../train/index.ts";

/** What the log says of a set's epoch. */
export interface SetEpoch {
  readonly steps: number;
  readonly loss: number;
  /** Mean over the classes that occurred; null where none did. */
  readonly meanDice: number | null;
  readonly dice: Readonly<Record<string, number | null>>;
}

/** Voxels per class in the prediction, in the truth and in both; with `ignores`, of those whose target is a class. */
export const overlapMonitor =
  (ignores = false): Monitor =>
  ({ scores }, { target }) => {
    const classes = scores.shape[1];
    const everywhere = oneHot(cast(argMax(scores, 1), "int32"), classes);
    const truth = oneHot(target, classes);
    const predicted = ignores ? mul(everywhere, sum(truth, { axes: [1], keepDims: true })) : everywhere;
    const perClass = (x: Tensor): Tensor => sum(x, { axes: [0, 2, 3, 4] });
    return { both: perClass(mul(predicted, truth)), predicted: perClass(predicted), truth: perClass(truth) };
  };

/** From an epoch's sums; `classes` are the names behind the background's. */
export function setEpoch({ steps, lossSum, monitored }: Tally, classes: readonly string[]): SetEpoch {
  const { both, predicted, truth } = monitored;
  const dice = Object.fromEntries(
    classes.map((name, i) => {
      const total = predicted[i + 1] + truth[i + 1];
      return [name, total === 0 ? null : (2 * both[i + 1]) / total];
    }),
  );
  return { steps, loss: lossSum / steps, meanDice: meanOf(Object.values(dice)), dice };
}
