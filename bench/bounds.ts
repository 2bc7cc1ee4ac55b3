/** Bounds that a measured figure is held to, as cells of a result: the bound in words, and whether it was met. */
import type { Row } from "./results.ts";

export type Bound = { readonly atLeast: number } | { readonly atMost: number };

/** `bound` and `verdict` of a row; both empty where nothing was asked. */
export function judged(value: number | null, bound?: Bound, unit = ""): Pick<Row, "bound" | "verdict"> {
  if (bound === undefined) return { bound: null, verdict: null };
  const least = "atLeast" in bound;
  const limit = least ? bound.atLeast : bound.atMost;
  const text = `${least ? "≥" : "≤"} ${limit}${unit === "" ? "" : ` ${unit}`}`;
  if (value === null || Number.isNaN(value)) return { bound: text, verdict: "not measured" };
  return { bound: text, verdict: (least ? value >= limit : value <= limit) ? "met" : "missed" };
}

/** Rounded to so many significant digits, for cells whose column mixes units. */
export function significant(value: number, digits: number): number {
  return Number(value.toPrecision(digits));
}
