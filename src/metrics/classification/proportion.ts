/** Shares of counted cases, and the normal quantile that their intervals are made with. */
import { ConfigError } from "../../errors.ts";

export interface Proportion {
  readonly hits: number;
  readonly of: number;
  /** `null` of nothing. */
  readonly value: number | null;
  /** Wilson's score interval (1927), which stays within [0, 1] and holds up for few cases. */
  readonly interval: readonly [low: number, high: number] | null;
}

/** `hits` of `of` with its interval at confidence `level`. */
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
    3.3871328727963665, 133.14166789178438, 1971.5909503065513, 13731.69376550946, 45921.95393154987, 67265.7709270087,
    33430.57558358813, 2509.0809287301227,
  ],
  [
    1, 42.31333070160091, 687.1870074920579, 5394.196021424751, 21213.794301586597, 39307.89580009271,
    28729.085735721943, 5226.495278852546,
  ],
];
const near: Coefficients = [
  [
    1.4234371107496835, 4.630337846156546, 5.769497221460691, 3.6478483247632045, 1.2704582524523684,
    0.2417807251774506, 0.022723844989269184, 0.0007745450142783414,
  ],
  [
    1, 2.053191626637759, 1.6763848301838038, 0.6897673349851, 0.14810397642748008, 0.015198666563616457,
    0.0005475938084995345, 1.0507500716444169e-9,
  ],
];
const far: Coefficients = [
  [
    6.657904643501103, 5.463784911164114, 1.7848265399172913, 0.29656057182850487, 0.026532189526576124,
    0.0012426609473880784, 2.7115555687434876e-5, 2.0103343992922881e-7,
  ],
  [
    1, 0.599832206555888, 0.1369298809227358, 0.014875361290850615, 0.0007868691311456133, 1.8463183175100548e-5,
    1.421511758316446e-7, 2.0442631033899397e-15,
  ],
];
