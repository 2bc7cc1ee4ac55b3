/**
 * Seeded random numbers. Every random choice comes from a named stream of one seed, so adding a consumer never
 * shifts the numbers of another, and a stream's state can be saved and restored exactly.
 *
 * Generator: xoshiro128** (Blackman & Vigna 2018), seeded through a 32-bit mix of the seed and the stream's name.
 */
export type RandomState = readonly [number, number, number, number];

export interface Random {
  /** Uniform in [0, 1), 32 bits of resolution. */
  uniform(): number;
  /** Uniform in [low, high). */
  between(low: number, high: number): number;
  /** Integer in [0, n). */
  integer(n: number): number;
  /** Standard normal (Box–Muller; one value per call, nothing cached, so the state is only the generator's). */
  normal(): number;
  /** A new array with the elements in random order (Fisher–Yates). */
  shuffle<T>(items: readonly T[]): T[];
  /** The state, to be handed to {@link restoreRandom}. */
  state(): RandomState;
}

/** A stream named `name` of `seed`. The same pair always gives the same numbers. */
export function random(seed: number, name: string): Random {
  const words: [number, number, number, number] = [0, 0, 0, 0];
  let h = (seed >>> 0) ^ Math.imul(Math.floor(seed / 2 ** 32) >>> 0, 0x9e3779b1);
  for (let i = 0; i < name.length; i++) h = mix(h ^ name.charCodeAt(i), 0x85ebca6b + i);
  for (let i = 0; i < 4; i++) words[i] = h = mix(h, 0x9e3779b9 + i);
  if ((words[0] | words[1] | words[2] | words[3]) === 0) words[0] = 1;
  return restoreRandom(words);
}

/** The stream that goes on where `state()` was taken. */
export function restoreRandom(state: RandomState): Random {
  let [a, b, c, d] = [state[0] >>> 0, state[1] >>> 0, state[2] >>> 0, state[3] >>> 0];
  const next = (): number => {
    const result = Math.imul(rotl(Math.imul(b, 5), 7), 9) >>> 0;
    const t = (b << 9) >>> 0;
    c = (c ^ a) >>> 0;
    d = (d ^ b) >>> 0;
    b = (b ^ c) >>> 0;
    a = (a ^ d) >>> 0;
    c = (c ^ t) >>> 0;
    d = rotl(d, 11);
    return result;
  };
  const self: Random = {
    uniform: () => next() / 2 ** 32,
    between: (low, high) => low + (high - low) * self.uniform(),
    integer: (n) => Math.floor(self.uniform() * n),
    normal: () => {
      const radius = Math.sqrt(-2 * Math.log(1 - self.uniform()));
      return radius * Math.cos(2 * Math.PI * self.uniform());
    },
    shuffle: (items) => {
      const out = [...items];
      for (let i = out.length - 1; i > 0; i--) {
        const j = self.integer(i + 1);
        [out[i], out[j]] = [out[j], out[i]];
      }
      return out;
    },
    state: () => [a, b, c, d],
  };
  return self;
}

function rotl(x: number, k: number): number {
  return ((x << k) | (x >>> (32 - k))) >>> 0;
}

/** One murmur3-style avalanche round over 32 bits. */
function mix(x: number, salt: number): number {
  let h = (x + salt) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
