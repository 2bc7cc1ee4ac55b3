/** Shares of counted cases, and the normal quantile that their intervals are made with. */
import { ConfigError } from "../errors.ts";

export interface Proportion {
  readonly hits: number;
  readonly of: number;
  /** `null` of nothing. */
  readonly value: number | null;
  /** Wilson's score interval (1927), which stays within [0, 1] and holds up for few cases. */
  readonly interval: readonly [low: number, high: number] | null;
}

export function proportion(hits: number, of: number, level = 0.95): Proportion {
  if (of === 0) return { hits, of, value: null, interval: null };
  const z = normalQuantile((1 + level) / 2);
  const p = hits / of;
  const centre = (p + (z * z) / (2 * of)) / (1 + (z * z) / of);
  const reach = (z / (1 + (z * z) / of)) * Math.sqrt((p * (1 - p)) / of + (z * z) / (4 * of * of));
  // The ends are exact where all or none were hit; rounding would leave them a little off.
  const interval = [hits === 0 ? 0 : centre - reach, hits === of ? 1 : centre + reach] as const;
  return { hits, of, value: p, interval };
}

/**
 * The value below which a standard normal lies with probability `p`: Wichura's algorithm AS 241 (1988), 16 digits.
 * @throws ConfigError for p outside (0, 1)
 */
export function normalQuantile(p: number): number {
  if (!(p > 0 && p < 1)) throw new ConfigError(`normal quantile of ${p}: must lie between 0 and 1`);
  const q = p - 0.5;
  if (Math.abs(q) <= 0.425) return q * ratio(0.180625 - q * q, central);
  const r = Math.sqrt(-Math.log(q < 0 ? p : 1 - p));
  const tail = r <= 5 ? ratio(r - 1.6, near) : ratio(r - 5, far);
  return q < 0 ? -tail : tail;
}

type Coefficients = readonly [numerator: readonly number[], denominator: readonly number[]];

function ratio(x: number, [numerator, denominator]: Coefficients): number {
  const polynomial = (coefficients: readonly number[]): number => coefficients.reduceRight((sum, c) => sum * x + c, 0);
  return polynomial(numerator) / polynomial(denominator);
}

const central: Coefficients = [
  [
    3.387132872796366608, 133.14166789178437745, 1971.5909503065514427, 13731.693765509461125, 45921.953931549871457,
    67265.770927008700853, 33430.575583588128105, 2509.0809287301226727,
  ],
  [
    1, 42.313330701600911252, 687.1870074920579083, 5394.1960214247511077, 21213.794301586595867, 39307.89580009271061,
    28729.085735721942674, 5226.495278852545925,
  ],
];
const near: Coefficients = [
  [
    1.42343711074968357734, 4.6303378461565452959, 5.7694972214606914055, 3.64784832476320460504,
    1.27045825245236838258, 0.24178072517745061177, 0.0227238449892691845833, 7.7454501427834140764e-4,
  ],
  [
    1, 2.05319162663775882187, 1.6763848301838038494, 0.68976733498510000455, 0.14810397642748007459,
    0.0151986665636164571966, 5.475938084995344946e-4, 1.05075007164441684324e-9,
  ],
];
const far: Coefficients = [
  [
    6.6579046435011037772, 5.4637849111641143699, 1.7848265399172913358, 0.29656057182850489123,
    0.026532189526576123093, 0.0012426609473880784386, 2.71155556874348757815e-5, 2.01033439929228813265e-7,
  ],
  [
    1, 0.59983220655588793769, 0.13692988092273580531, 0.0148753612908506148525, 7.868691311456132591e-4,
    1.8463183175100546818e-5, 1.4215117583164458887e-7, 2.04426310338993978564e-15,
  ],
];
