/**
 * Ordinal ratings (a reader's 1 to 5) and the rule that makes two classes of them. Med3D calls nodules of malignancy 1–3
 * benign and 4–5 malignant; others leave the undecided 3 out.
 */
import { ConfigError } from "../../errors.ts";

/** Which ratings are which class; a rating in neither is left out of the score. */
export interface RatingRule {
  readonly negative: readonly number[];
  readonly positive: readonly number[];
}

/** Med3D's rule for the malignancy of nodules (LIDC-IDRI's ratings): 4 and 5 against 1 to 3. */
export const med3dNodules: RatingRule = { negative: [1, 2, 3], positive: [4, 5] };

/** Whole numbers from the smallest to the largest rating, those nobody gave too. */
export function ratingScale(ratings: Iterable<number>): number[] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const rating of ratings) {
    low = Math.min(low, rating);
    high = Math.max(high, rating);
  }
  return Array.from({ length: Math.max(0, high - low + 1) }, (_, i) => low + i);
}

/** 0 for negative, 1 for positive, undefined for a rating that the rule leaves out. */
export function classOf(rating: number, { negative, positive }: RatingRule): 0 | 1 | undefined {
  if (positive.includes(rating)) return 1;
  return negative.includes(rating) ? 0 : undefined;
}

/**
 * The rule for a scale, from what was asked: with one side given, the other is the rest of the scale; with neither, Med3D's,
 * if the scale lies within 1 to 5.
 * @throws ConfigError for ratings on both sides or none, or for no rule at all
 */
export function ruleFor(scale: readonly number[], asked: Partial<RatingRule>): RatingRule {
  const { positive, negative } = asked;
  if (positive === undefined && negative === undefined) {
    if (scale.every((rating) => rating >= 1 && rating <= 5)) return med3dNodules;
    throw new ConfigError(
      `positive: is missing; say which of the ratings ${scale.join(", ")} are positive, e.g. --positive ${scale.at(-1)}`,
    );
  }
  const rest = (side: readonly number[]): number[] => scale.filter((rating) => !side.includes(rating));
  const rule = { negative: negative ?? rest(positive ?? []), positive: positive ?? rest(negative ?? []) };
  const both = rule.positive.find((rating) => rule.negative.includes(rating));
  if (both !== undefined) throw new ConfigError(`positive: rating ${both} is negative, too; it must be on one side`);
  for (const side of ["positive", "negative"] as const) {
    if (!rule[side].some((rating) => scale.includes(rating)))
      throw new ConfigError(
        `${side}: ${rule[side].join(", ") || "nothing"}; must name at least one of the ratings ${scale.join(", ")}`,
      );
  }
  return rule;
}

/**
 * Probability of the positive class, among those that the rule knows, from probabilities of each rating of the scale.
 * One half where all of them are 0, because then nothing is known.
 */
export function positiveShare(
  probabilities: ArrayLike<number>,
  scale: readonly number[],
  { negative, positive }: RatingRule,
): number {
  const mass = (side: readonly number[]): number =>
    scale.reduce((sum, rating, i) => sum + (side.includes(rating) ? probabilities[i] : 0), 0);
  const [yes, no] = [mass(positive), mass(negative)];
  return yes + no > 0 ? yes / (yes + no) : 0.5;
}
