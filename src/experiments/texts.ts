/** Scores as the tables of experiments print them. */
import type { RepeatedScore } from "../metrics/index.ts";

export function digits(value: number | null): string {
  return value === null ? "–" : value.toFixed(3).replace("-", "−");
}

export function intervalText(interval: RepeatedScore["interval"]): string {
  // A dash between numbers that may have a minus of their own cannot be read.
  return interval === null ? "–" : interval.map(digits).join(interval[0] < 0 ? " to " : "–");
}

/** Of trainings, on average. */
export function minutesEach(trials: readonly { readonly seconds: number }[]): string {
  return (trials.reduce((sum, { seconds }) => sum + seconds, 0) / trials.length / 60).toFixed(1);
}
