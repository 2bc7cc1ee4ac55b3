/**
 * First values of parameters.
 *
 * `kaimingUniform` and `biasUniform` are what PyTorch's Conv and Linear do by default; `kaimingNormalFanOut` is what
 * MedicalNet does to every Conv3d (He et al. 2015, gain √2, fan = output channels × kernel size).
 */
import type { Initializer, Shape } from "../graph/index.ts";
import { sizeOf } from "../graph/index.ts";

/** Inputs that one output element sums: [Co, Ci, k…] → Ci·k. */
export function fanIn(shape: Shape): number {
  return sizeOf(shape.slice(1));
}

function fill(shape: Shape, value: (i: number) => number): Float32Array {
  const out = new Float32Array(sizeOf(shape));
  for (let i = 0; i < out.length; i++) out[i] = value(i);
  return out;
}

/** The same value everywhere. */
export function constant(value: number): Initializer {
  return (shape) => new Float32Array(sizeOf(shape)).fill(value);
}

/** 0 everywhere. */
export const zeros: Initializer = constant(0);
/** 1 everywhere. */
export const ones: Initializer = constant(1);

/** Normal with mean 0. */
export function normal(deviation: number): Initializer {
  return (shape, random) => {
    // Box–Muller gives its numbers in pairs; taking both halves the time of filling a network.
    const out = new Float32Array(sizeOf(shape));
    for (let i = 0; i < out.length; i += 2) {
      const radius = deviation * Math.sqrt(-2 * Math.log(1 - random.uniform()));
      const angle = 2 * Math.PI * random.uniform();
      out[i] = radius * Math.cos(angle);
      if (i + 1 < out.length) out[i + 1] = radius * Math.sin(angle);
    }
    return out;
  };
}

/** Uniform in ±bound. */
export function uniform(bound: number): Initializer {
  return (shape, random) => fill(shape, () => random.between(-bound, bound));
}

/** PyTorch's default for weights: uniform in ±1/√fanIn (kaiming_uniform with a = √5). */
export const kaimingUniform: Initializer = (shape, random) => uniform(1 / Math.sqrt(fanIn(shape)))(shape, random);

/** PyTorch's default for biases: uniform in ±1/√fanIn of the weights beside it. */
export function biasUniform(weightShape: Shape): Initializer {
  return uniform(1 / Math.sqrt(fanIn(weightShape)));
}

/** Normal with deviation √(2 / fanOut), fanOut = Co·k. */
export const kaimingNormalFanOut: Initializer = (shape, random) =>
  normal(Math.sqrt(2 / (shape[0] * sizeOf(shape.slice(2)))))(shape, random);

/** Normal with deviation √(2 / fanIn). */
export const kaimingNormal: Initializer = (shape, random) => normal(Math.sqrt(2 / fanIn(shape)))(shape, random);

/** Uniform in ±√(3 / fanIn): kaiming_uniform with a = 1, as torchvision fills feature pyramids. */
export const kaimingUniformLinear: Initializer = (shape, random) => uniform(Math.sqrt(3 / fanIn(shape)))(shape, random);
