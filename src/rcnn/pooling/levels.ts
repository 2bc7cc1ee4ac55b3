/** Which level of a feature pyramid a box is pooled from (Lin et al. 2017, FPN, eq. 1; the volume's cube root in 3D). */
import { type Axes, areaOf, boxCount } from "../../boxes/index.ts";

export interface LevelRule {
  /** log2 of the strides of the finest and the coarsest level. */
  readonly lowest: number;
  readonly highest: number;
  /** A box with sides of `canonicalSide` goes to the level of stride 2^canonicalLevel. */
  readonly canonicalSide: number;
  readonly canonicalLevel: number;
}

/** Per box [R, 2·axes] its level, from 0 for the finest. */
export function assignLevels(boxes: Float32Array, axes: Axes, rule: LevelRule): Int32Array {
  const { lowest, highest, canonicalSide, canonicalLevel } = rule;
  return Int32Array.from({ length: boxCount(boxes, axes) }, (_, i) => {
    const side = areaOf(boxes, i, axes) ** (1 / axes);
    const level = Math.floor(canonicalLevel + Math.log2(side / canonicalSide) + 1e-6);
    return Math.min(Math.max(level, lowest), highest) - lowest;
  });
}
