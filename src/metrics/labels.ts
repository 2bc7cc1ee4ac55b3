/** The one rule for labels that are scored: a label that no class has would count as no mistake, so it is refused with its place. */
import { DataError } from "../errors.ts";

/**
 * @param where the case or the image, and what of it: `spleen_29: truth`
 * @param at the label's place there: `voxel [3, 0, 1]`, `box 2`
 * @param rule what a label may be
 */
export function refuseLabel(where: string, label: number, at: string, rule: string): never {
  throw new DataError(`${where}: label ${label} at ${at}; ${rule}`);
}

/** Whether a label is one of the classes 0 … K−1. */
export function isClass(label: number, classes: number): boolean {
  return Number.isInteger(label) && label >= 0 && label < classes;
}

/** The rule of labels that are counted from 0: `labels of 3 classes are 0 to 2`. */
export function classRule(classes: number): string {
  return classes === 0 ? "there are no classes" : `labels of ${classes} classes are 0 to ${classes - 1}`;
}
