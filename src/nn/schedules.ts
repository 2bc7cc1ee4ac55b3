/** Learning rates over time. A schedule is a factor on the optimizer's rate at a point of the training, 0 at its start and 1 at its end. */
import { ConfigError } from "../errors.ts";

export type ScheduleSpec =
  | { readonly kind: "constant" }
  /** ×gamma at each milestone, milestones as epochs. */
  | { readonly kind: "step"; readonly milestones: readonly number[]; readonly gamma: number }
  /** ×gamma each epoch. */
  | { readonly kind: "exponential"; readonly gamma: number }
  /** (1 − t)^power: nnU-Net's with 0.9. */
  | { readonly kind: "polynomial"; readonly power: number }
  /** Half a cosine from 1 to `floor`. */
  | { readonly kind: "cosine"; readonly floor?: number };

/** The schedule of whoever asks for none: half a cosine from the optimizer's rate to 0. */
export const defaultSchedule: ScheduleSpec = { kind: "cosine" };

/** A point of a training. */
export interface SchedulePoint {
  /** From 0. */
  readonly epoch: number;
  /** Update in the epoch, from 0. */
  readonly step: number;
  /** How many epochs there are. */
  readonly epochs: number;
  /** How much of the epoch is over, 0 to 1; 0 in the first epoch of data whose number of batches is not known. */
  readonly share: number;
}

/** A schedule of one's own: the factor on the optimizer's rate. */
export type ScheduleFunction = (at: SchedulePoint) => number;

export interface Warmup {
  /** Epochs (fractions allowed) over which the rate rises linearly from `from`. */
  readonly epochs: number;
  readonly from?: number;
}

/** Factor on the learning rate. @param epoch counted from 0, fractional inside an epoch */
export function scheduleFactor(spec: ScheduleSpec, epoch: number, epochs: number, warmup?: Warmup): number {
  const warm =
    warmup !== undefined && epoch < warmup.epochs
      ? (warmup.from ?? 0) + (1 - (warmup.from ?? 0)) * (epoch / warmup.epochs)
      : 1;
  return warm * plainFactor(spec, epoch, epochs);
}

function plainFactor(spec: ScheduleSpec, epoch: number, epochs: number): number {
  const t = epochs > 0 ? Math.min(1, epoch / epochs) : 0;
  switch (spec.kind) {
    case "constant":
      return 1;
    case "step":
      return spec.gamma ** spec.milestones.filter((milestone) => epoch >= milestone).length;
    case "exponential":
      return spec.gamma ** Math.floor(epoch);
    case "polynomial":
      return (1 - t) ** spec.power;
    case "cosine": {
      const floor = spec.floor ?? 0;
      return floor + (1 - floor) * 0.5 * (1 + Math.cos(Math.PI * t));
    }
    default:
      throw new ConfigError(
        `schedule ${(spec as { kind: string }).kind}; it must be constant, step, exponential, polynomial or cosine`,
      );
  }
}
