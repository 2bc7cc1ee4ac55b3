/**
 * Intensity transforms, in place on one channel of one patch: `values[start … end)`.
 * Order and definitions follow batchgenerators / nnU-Net where they have the transform.
 */

export interface Statistics {
  readonly mean: number;
  /** Population standard deviation. */
  readonly sd: number;
  readonly min: number;
  readonly max: number;
}

/** Two passes: the textbook one-pass variance loses its digits when the mean is far from zero (CT in HU). */
export function statistics(values: Float32Array, start: number, end: number): Statistics {
  let sum = 0;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (let i = start; i < end; i++) {
    const v = values[i];
    sum += v;
    if (v < min) min = v;
    if (v > max) max = v;
  }
  const mean = sum / (end - start);
  let squares = 0;
  for (let i = start; i < end; i++) {
    const d = values[i] - mean;
    squares += d * d;
  }
  return { mean, sd: Math.sqrt(squares / (end - start)), min, max };
}

/** v · scale + shift. */
export function scaleShift(values: Float32Array, start: number, end: number, scale: number, shift: number): void {
  for (let i = start; i < end; i++) values[i] = values[i] * scale + shift;
}

/** (v − mean) · factor + mean, kept within the former minimum and maximum. */
export function contrast(values: Float32Array, start: number, end: number, factor: number): void {
  const { mean, min, max } = statistics(values, start, end);
  const offset = mean * (1 - factor);
  for (let i = start; i < end; i++) {
    const v = values[i] * factor + offset;
    values[i] = Math.min(Math.max(v, min), max);
  }
}

/** Steps of the power table; linear in between, which is within 1e-3 of the exact power for gamma ≥ 0.7. */
const gammaSteps = 4096;
const powers = new Float64Array(gammaSteps + 2);

/**
 * v ↦ v^gamma on the channel scaled to [0, 1]; then back to the former mean and standard deviation. `inverted` does the
 * same to −v, which bends the bright end instead of the dark one. A constant channel stays as it is.
 */
export function gammaCurve(values: Float32Array, start: number, end: number, gamma: number, inverted = false): void {
  const before = statistics(values, start, end);
  const range = before.max - before.min;
  if (!(range > 0)) return;
  for (let i = 0; i <= gammaSteps; i++) powers[i] = (i / gammaSteps) ** gamma;
  powers[gammaSteps + 1] = powers[gammaSteps];
  const toStep = (inverted ? -gammaSteps : gammaSteps) / range;
  const zero = inverted ? before.max : before.min;
  for (let i = start; i < end; i++) {
    const position = (values[i] - zero) * toStep;
    const step = position | 0;
    const low = powers[step];
    values[i] = low + (position - step) * (powers[step + 1] - low);
  }
  const after = statistics(values, start, end);
  const scale = ((inverted ? -1 : 1) * before.sd) / after.sd;
  scaleShift(values, start, end, scale, before.mean - after.mean * scale);
}
