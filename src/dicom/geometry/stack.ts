/**
 * Whether slices make up a volume, told from their positions along their normal alone: never from file names, instance numbers or
 * slice thickness, which are often wrong. What is not regular gets a verdict and the slices that it is about.
 */
import type { Affine, Vec3 } from "../../volume/types.ts";
import type { DicomSlice } from "../slices.ts";

/**
 * - `regular`: one size and orientation, equal distances along the normal;
 * - `gap`: slices are missing among equal distances;
 * - `varying`: distances differ otherwise, or slices are shifted against each other;
 * - `tilt`: each slice is shifted in its plane against the one before (gantry tilt), so that they are stacked askew;
 * - `duplicate`: several slices at one position, and nothing that tells them apart;
 * - `mixed`: several orientations, sizes or pixel spacings (scouts, localizers);
 * - `unplaced`: no position, orientation or pixel spacing is said.
 */
export type StackVerdict = "regular" | "gap" | "varying" | "tilt" | "duplicate" | "mixed" | "unplaced";

export interface Stack {
  readonly verdict: StackVerdict;
  /** What is wrong, naming slices; `""` of a regular one. */
  readonly detail: string;
  /** In order along the normal; as they came where they are mixed or unplaced. */
  readonly slices: readonly DicomSlice[];
  /** Millimetres from slice to slice: the middle one of the distances. */
  readonly spacing: number;
}

/** How far a distance may be from the middle one: positions are written with few digits. */
const spacingTolerance = 0.02;
const leastToleranceMm = 0.01;
/** Positions nearer than this are one. */
const samePlaceMm = 1e-3;
/** Slices are askew from this angle on, in degrees. */
const askewDegrees = 0.1;

export function stackOf(slices: readonly DicomSlice[]): Stack {
  const unplaced = slices.find(({ position, orientation, pixelSpacing }) => !position || !orientation || !pixelSpacing);
  if (unplaced !== undefined) {
    const missing = !unplaced.position
      ? "ImagePositionPatient"
      : unplaced.orientation
        ? "PixelSpacing"
        : "ImageOrientationPatient";
    return { verdict: "unplaced", detail: `${sliceName(unplaced)} has no ${missing}`, slices, spacing: Number.NaN };
  }
  const [first] = slices;
  const other = slices.find((slice) => !isAlike(slice, first));
  if (other !== undefined) {
    return { verdict: "mixed", detail: `${sliceName(other)} ${difference(other, first)}`, slices, spacing: Number.NaN };
  }
  const normal = normalOf(first);
  const along = new Map(slices.map((slice) => [slice, dot(slice.position as Vec3, normal)]));
  const at = (slice: DicomSlice): number => along.get(slice) as number;
  const sorted = [...slices].sort((a, b) => at(a) - at(b) || a.frame - b.frame);
  const steps = sorted.slice(1).map((slice, i) => at(slice) - at(sorted[i]));
  const distinct = steps.filter((mm) => mm > samePlaceMm).sort((a, b) => a - b);
  const middle = distinct[Math.floor((distinct.length - 1) / 2)];
  const spacing = middle ?? first.spacing ?? first.thickness ?? 1;
  const judged = (verdict: StackVerdict, detail: string): Stack => ({ verdict, detail, slices: sorted, spacing });

  const twice = steps.findIndex((mm) => mm <= samePlaceMm);
  if (twice >= 0) {
    const count = steps.filter((mm) => mm <= samePlaceMm).length;
    return judged(
      "duplicate",
      `${sliceName(sorted[twice])} and ${sliceName(sorted[twice + 1])} lie at one position${count > 1 ? `, and ${count - 1} more do so` : ""}`,
    );
  }
  const skew = skewOf(sorted, normal);
  if (skew !== undefined) return judged(skew.verdict, skew.detail);
  const allowed = Math.max(leastToleranceMm, spacingTolerance * spacing);
  const wrong = steps.findIndex((mm) => Math.abs(mm - spacing) > allowed);
  if (wrong < 0) return judged("regular", "");
  const isWhole = (mm: number): boolean => {
    const times = Math.round(mm / spacing);
    return times >= 1 && Math.abs(mm - times * spacing) <= allowed * times;
  };
  const where = `${round(steps[wrong])} mm from ${sliceName(sorted[wrong])} to ${sliceName(sorted[wrong + 1])}, ${round(spacing)} mm elsewhere`;
  if (steps.every(isWhole)) {
    const missing = steps.reduce((sum, mm) => sum + Math.round(mm / spacing) - 1, 0);
    return judged("gap", `${missing} ${missing === 1 ? "slice is" : "slices are"} missing: ${where}`);
  }
  return judged("varying", where);
}

/** Shifts in the plane, from slice to slice. */
function skewOf(sorted: readonly DicomSlice[], normal: Vec3) {
  if (sorted.length < 2) return undefined;
  const [first, last] = [sorted[0], sorted[sorted.length - 1]];
  const from = first.position as Vec3;
  const whole = subtract(last.position as Vec3, from);
  const height = dot(whole, normal);
  const perMm = whole.map((value, i) => (value - height * normal[i]) / height);
  const smallest = Math.min(...(first.pixelSpacing as readonly [number, number]));
  for (const slice of sorted) {
    const step = subtract(slice.position as Vec3, from);
    const up = dot(step, normal);
    const aside = Math.hypot(...step.map((value, i) => value - up * (normal[i] + perMm[i])));
    if (aside > Math.max(leastToleranceMm, 0.1 * smallest))
      return { verdict: "varying" as const, detail: `${sliceName(slice)} lies ${round(aside)} mm beside the others` };
  }
  const degrees = (Math.atan(Math.hypot(...perMm)) * 180) / Math.PI;
  if (degrees <= askewDegrees) return undefined;
  // Of few slices the angle is large where positions were rounded.
  if (Math.hypot(...perMm) * Math.abs(height) <= 0.1 * smallest) return undefined;
  return { verdict: "tilt" as const, detail: `slices are stacked ${round(degrees)}° askew of their normal` };
}

function isAlike(a: DicomSlice, b: DicomSlice): boolean {
  return (
    a.layout.rows === b.layout.rows &&
    a.layout.columns === b.layout.columns &&
    near(a.pixelSpacing as readonly number[], b.pixelSpacing as readonly number[], 1e-3) &&
    near(a.orientation as readonly number[], b.orientation as readonly number[], 1e-3)
  );
}

function difference(a: DicomSlice, b: DicomSlice): string {
  const size = ({ layout }: DicomSlice) => `${layout.columns}×${layout.rows} pixels`;
  if (size(a) !== size(b)) return `has ${size(a)}, ${sliceName(b)} ${size(b)}`;
  const spacing = near(a.pixelSpacing as readonly number[], b.pixelSpacing as readonly number[], 1e-3);
  return `has another ${spacing ? "orientation" : "pixel spacing"} than ${sliceName(b)}`;
}

function near(a: readonly number[], b: readonly number[], tolerance: number): boolean {
  return a.every((value, i) => Math.abs(value - b[i]) <= tolerance);
}

/** A slice in messages: its file, and of several frames the number, from 1. */
export function sliceName({ name, frame, frames }: Pick<DicomSlice, "name" | "frame" | "frames">): string {
  const file = name.split(/[/\\]/).at(-1) as string;
  return frames > 1 ? `${file} frame ${frame + 1}` : file;
}

/** The slices' normal, LPS: along a row × along a column. */
export function normalOf({ orientation }: Pick<DicomSlice, "orientation">): Vec3 {
  const [a, b, c, d, e, f] = orientation as readonly number[];
  const normal = [b * f - c * e, c * d - a * f, a * e - b * d];
  const length = Math.hypot(...normal);
  return [normal[0] / length, normal[1] / length, normal[2] / length];
}

/** Where the voxels of a regular stack are, in RAS mm: i along the rows, j along the columns, k along the normal. */
export function stackAffine({ slices, spacing }: Pick<Stack, "slices" | "spacing">): Affine {
  const [first] = slices;
  const last = slices[slices.length - 1];
  const [a, b, c, d, e, f] = first.orientation as readonly number[];
  const [perRow, perColumn] = first.pixelSpacing as readonly [number, number];
  const from = first.position as Vec3;
  const normal = normalOf(first);
  const step =
    slices.length === 1
      ? normal.map((value) => value * spacing)
      : subtract(last.position as Vec3, from).map((value) => value / (slices.length - 1));
  return lpsAffine(
    [a, b, c].map((v) => v * perColumn),
    [d, e, f].map((v) => v * perRow),
    step,
    from,
  );
}

/** Columns and origin in LPS to a RAS affine. */
export function lpsAffine(
  i: readonly number[],
  j: readonly number[],
  k: readonly number[],
  from: readonly number[],
): Affine {
  const row = (axis: number, sign: number) => [i, j, k, from].map((column) => sign * column[axis] + 0);
  return [...row(0, -1), ...row(1, -1), ...row(2, 1), 0, 0, 0, 1];
}

export function dot(a: readonly number[], b: readonly number[]): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

export function subtract(a: Vec3, b: Vec3): Vec3 {
  return [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
