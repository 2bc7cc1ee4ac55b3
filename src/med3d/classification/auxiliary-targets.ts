/**
 * What a classifier learns beside its label: further columns of the list (a reader's spiculation, a diameter), told by a second
 * head on the same pooled features, so that few cases teach the encoder more (multi-task learning with shared features,
 * Caruana 1997). They are targets of the training only: a prediction neither needs nor sees them.
 *
 * Whole numbers on a short scale are ordinal, one output per step as the label's own ratings have; other numbers are
 * standardised. Shape shorthand: N batch · A outputs of all columns together.
 */
import { type ClassifiedCase, ratingScale } from "../../data/index.ts";
import { ConfigError, DataError } from "../../errors.ts";
import { add, mul, softplus, square, sub, sum, type Tensor } from "../../graph/index.ts";
import { meanOf } from "../../metrics/index.ts";

export type AuxiliaryTarget =
  /** Ordinal: "above the first value of the scale", …, "above the last but one". */
  | { readonly name: string; readonly kind: "rating"; readonly scale: readonly number[] }
  /** (value − mean) / deviation. */
  | { readonly name: string; readonly kind: "number"; readonly mean: number; readonly deviation: number };

/** Whole numbers on a scale no longer than this are a rating. */
const longestScale = 10;

type Told = Pick<ClassifiedCase, "auxiliary">;

/** Kinds and scales, from the training cases. A column that is the same for all of them (in a small fold) is left out. */
export function planAuxiliary(cases: readonly Told[], names: readonly string[]): AuxiliaryTarget[] {
  return names.flatMap((name): AuxiliaryTarget[] => {
    const values = valuesOf(cases, name);
    if (values.every((value) => value === values[0])) return [];
    const scale = ratingScale(values);
    if (values.every(Number.isInteger) && scale.length <= longestScale) return [{ name, kind: "rating", scale }];
    const mean = meanOf(values)!;
    const deviation = Math.sqrt(meanOf(values.map((value) => (value - mean) ** 2))!);
    return [{ name, kind: "number", mean, deviation }];
  });
}

/** @throws DataError for a column without values, ConfigError for one in which all cases are alike */
export function checkAuxiliary(cases: readonly Told[], names: readonly string[]): void {
  for (const name of names) {
    const values = valuesOf(cases, name);
    if (values.length === 0) throw new DataError(`auxiliary ${name}: no case has a value`);
    if (values.every((value) => value === values[0]))
      throw new ConfigError(`auxiliary ${name}: is ${values[0]} for every case, so nothing can be learnt of it`);
  }
}

function valuesOf(cases: readonly Told[], name: string): number[] {
  return cases.flatMap(({ auxiliary }) => auxiliary?.[name] ?? []);
}

/** A: numbers that the second head gives for a case. */
export function auxiliaryCount(targets: readonly AuxiliaryTarget[]): number {
  return targets.reduce((total, target) => total + outputsOf(target), 0);
}

function outputsOf(target: AuxiliaryTarget): number {
  return target.kind === "rating" ? target.scale.length - 1 : 1;
}

/**
 * What the second head should say of a case, and what each output counts, both [A]. Every column counts 1 over the number of
 * columns, however many steps it has; one without a value for this case counts 0.
 */
export function auxiliaryOf(
  { auxiliary = {} }: Told,
  targets: readonly AuxiliaryTarget[],
  labelSmoothing = 0,
): { readonly values: number[]; readonly counts: number[] } {
  const smooth = (truth: boolean): number => (truth ? 1 - labelSmoothing / 2 : labelSmoothing / 2);
  const [values, counts]: [number[], number[]] = [[], []];
  for (const target of targets) {
    const value: number | undefined = auxiliary[target.name];
    const count = value === undefined ? 0 : 1 / (outputsOf(target) * targets.length);
    if (target.kind === "number") values.push(value === undefined ? 0 : (value - target.mean) / target.deviation);
    else values.push(...target.scale.slice(0, -1).map((step) => (value === undefined ? 0 : smooth(value > step))));
    counts.push(...new Array<number>(outputsOf(target)).fill(count));
  }
  return { values, counts };
}

/**
 * Mean over cases of binary cross-entropies (ratings) and squared errors (numbers), by their counts.
 * @param scores [N, A] @param values [N, A] and @param counts [N, A] as {@link auxiliaryOf} makes them
 */
export function auxiliaryLoss(
  scores: Tensor,
  values: Tensor,
  counts: Tensor,
  targets: readonly AuxiliaryTarget[],
): Tensor {
  const isStep = targets.flatMap((target) =>
    new Array<number>(outputsOf(target)).fill(target.kind === "rating" ? 1 : 0),
  );
  const only = (mask: readonly number[]): Tensor => scores.graph.constant(Float32Array.from(mask), [1, isStep.length]);
  const step = mul(sub(softplus(scores), mul(scores, values)), only(isStep));
  const number = mul(square(sub(scores, values)), only(isStep.map((one) => 1 - one)));
  return mul(sum(mul(counts, add(step, number))), 1 / scores.shape[0]);
}
