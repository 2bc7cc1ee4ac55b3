/**
 * Optimizers, as graphs: from a parameter, its gradient and its state to their next values, with PyTorch's rules.
 *
 * Numbers that change from step to step (learning rate, bias corrections) are scalar inputs, computed in float64 outside.
 * Adam keeps its moments divided by (1 − β): m̃ ← β₁m̃ + g, ṽ ← β₂ṽ + g², which saves three passes over all parameters a step;
 * the factors are folded into the scalars.
 */
import { ConfigError } from "../errors.ts";
import { add, div, minimum, mul, sqrt, square, sub, sumSquare, type Tensor } from "../graph/index.ts";

/** How parameters whose name matches are treated. The first group that matches counts. */
export interface ParameterGroup {
  readonly match: RegExp;
  /** Factor on the learning rate. */
  readonly lrFactor?: number;
  /**
   * Never changed; no gradient is computed. Batch norms of the group use their running statistics and leave them as they are, unless
   * {@link ParameterGroup.movingStatistics} says otherwise.
   */
  readonly frozen?: boolean;
  /** In a frozen group: batch norms normalise by their batch, and their running statistics go on moving. */
  readonly movingStatistics?: boolean;
  /** Overrides the optimizer's. */
  readonly weightDecay?: number;
  /** Whether the pattern may match no parameter. Without it that is an error. */
  readonly optional?: boolean;
}

export interface OptimizerStep {
  readonly parameter: Tensor;
  readonly gradient: Tensor;
  readonly state: Readonly<Record<string, Tensor>>;
  /** The values of {@link Optimizer.scalars}, as tensors. */
  readonly scalars: Readonly<Record<string, Tensor>>;
  readonly lrFactor: number;
  readonly weightDecay: number;
}

export interface Optimizer {
  readonly name: string;
  readonly lr: number;
  readonly weightDecay: number;
  readonly groups: readonly ParameterGroup[];
  /** Names of the state kept for each parameter, all zero at first. */
  readonly slots: readonly string[];
  /** The step's scalars. @param step from 1 */
  readonly scalars: (step: number, lr: number) => Record<string, number>;
  readonly update: (step: OptimizerStep) => { parameter: Tensor; state: Record<string, Tensor> };
}

/** What every optimizer takes. */
export interface OptimizerOptions {
  lr: number;
  weightDecay?: number;
  groups?: readonly ParameterGroup[];
}

export interface SgdOptions extends OptimizerOptions {
  momentum?: number;
  nesterov?: boolean;
}

/** Stochastic gradient descent: g ← g + wd·p; v ← μv + g; p ← p − lr·(nesterov ? g + μv : v). */
export function sgd({ lr, momentum = 0, nesterov = false, weightDecay = 0, groups = [] }: SgdOptions): Optimizer {
  check("sgd", { lr, weightDecay });
  if (nesterov && momentum <= 0) throw new ConfigError("sgd: nesterov needs a momentum above 0");
  return {
    name: "sgd",
    lr,
    weightDecay,
    groups,
    slots: momentum === 0 ? [] : ["momentum"],
    scalars: (_step, rate) => ({ lr: rate }),
    update: ({ parameter, gradient, state, scalars, lrFactor, weightDecay: decay }) => {
      const g = decay === 0 ? gradient : add(gradient, mul(parameter, decay));
      const rate = lrFactor === 1 ? scalars.lr : mul(scalars.lr, lrFactor);
      if (momentum === 0) return { parameter: sub(parameter, mul(g, rate)), state: {} as Record<string, Tensor> };
      const velocity = add(mul(state.momentum, momentum), g);
      const direction = nesterov ? add(g, mul(velocity, momentum)) : velocity;
      return { parameter: sub(parameter, mul(direction, rate)), state: { momentum: velocity } };
    },
  };
}

export interface AdamOptions extends OptimizerOptions {
  betas?: readonly [number, number];
  epsilon?: number;
}

/** Adam (Kingma & Ba 2015) with L2 weight decay in the gradient. */
export function adam(options: AdamOptions): Optimizer {
  return adamLike("adam", options, false);
}

/** AdamW (Loshchilov & Hutter 2019): weight decay apart from the gradient. */
export function adamW({ weightDecay = 0.01, ...options }: AdamOptions): Optimizer {
  return adamLike("adamW", { ...options, weightDecay }, true);
}

function adamLike(name: string, options: AdamOptions, decoupled: boolean): Optimizer {
  const { lr, betas = [0.9, 0.999], epsilon = 1e-8, weightDecay = 0, groups = [] } = options;
  const [beta1, beta2] = betas;
  check(name, { lr, weightDecay });
  if (!(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1))
    throw new ConfigError(`${name}: betas ${beta1}, ${beta2}; both must be in [0, 1)`);
  return {
    name,
    lr,
    weightDecay,
    groups,
    slots: ["mean", "square"],
    // p − lr·m̂/(√v̂ + ε) with m̂ = (1−β₁)m̃/(1−β₁ᵗ), v̂ = (1−β₂)ṽ/(1−β₂ᵗ): the divisor is √ṽ + ε/c with c = √((1−β₂)/(1−β₂ᵗ)).
    scalars: (step, rate) => {
      const c = Math.sqrt((1 - beta2) / (1 - beta2 ** step));
      return { lr: rate, stepSize: (rate * (1 - beta1)) / (1 - beta1 ** step) / c, floor: epsilon / c };
    },
    update: ({ parameter, gradient, state, scalars, lrFactor, weightDecay: decay }) => {
      const g = decay === 0 || decoupled ? gradient : add(gradient, mul(parameter, decay));
      const moment = add(mul(state.mean, beta1), g);
      const second = add(mul(state.square, beta2), square(g));
      const size = lrFactor === 1 ? scalars.stepSize : mul(scalars.stepSize, lrFactor);
      const move = mul(div(moment, add(sqrt(second), scalars.floor)), size);
      const kept = decay === 0 || !decoupled ? parameter : mul(parameter, sub(1, mul(scalars.lr, decay * lrFactor)));
      return { parameter: sub(kept, move), state: { mean: moment, square: second } };
    },
  };
}

/** Scales all gradients alike so that their joint norm is at most `maxNorm`: PyTorch's clip_grad_norm_. */
export function clipByNorm(gradients: readonly Tensor[], maxNorm: number): { gradients: Tensor[]; norm: Tensor } {
  const norm = sqrt(gradients.map((g) => sumSquare(g)).reduce(add));
  const factor = minimum(div(maxNorm, add(norm, 1e-6)), 1);
  return { gradients: gradients.map((g) => mul(g, factor)), norm };
}

/** Whether a pattern finds a name. A pattern with the flag `g` remembers where it stopped; that must not count. */
function matches(match: RegExp, name: string): boolean {
  match.lastIndex = 0;
  return match.test(name);
}

/**
 * Refuses groups that are about no parameter: a misspelt pattern would train what was meant to be frozen.
 * @throws ConfigError naming the pattern and some of the parameters
 */
export function refuseEmptyGroups(optimizer: Optimizer, names: readonly string[]): void {
  for (const { match, optional } of optimizer.groups) {
    if (optional || names.some((name) => matches(match, name))) continue;
    const some = names.length > 4 ? `${names.slice(0, 3).join(", ")}, …, ${names.at(-1)}` : names.join(", ");
    throw new ConfigError(`${optimizer.name}: groups: ${match} matches no parameter; there are ${some}`);
  }
}

/** Whether the running statistics of this name stay as they are. */
export function statisticsStay(optimizer: Optimizer, name: string): boolean {
  const group = optimizer.groups.find(({ match }) => matches(match, name));
  return (group?.frozen ?? false) && !(group?.movingStatistics ?? false);
}

/** The treatment of a parameter by name. */
export function groupOf(
  optimizer: Optimizer,
  name: string,
): { lrFactor: number; frozen: boolean; weightDecay: number } {
  const group = optimizer.groups.find(({ match }) => matches(match, name));
  return {
    lrFactor: group?.lrFactor ?? 1,
    frozen: group?.frozen ?? false,
    weightDecay: group?.weightDecay ?? optimizer.weightDecay,
  };
}

function check(name: string, { lr, weightDecay }: { lr: number; weightDecay: number }): void {
  if (!(lr >= 0 && Number.isFinite(lr))) throw new ConfigError(`${name}: lr ${lr}; it must be a number ≥ 0`);
  if (!(weightDecay >= 0)) throw new ConfigError(`${name}: weightDecay ${weightDecay}; it must be ≥ 0`);
}
