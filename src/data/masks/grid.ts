/** Whether a label map lies on its image's grid; where it does not, what is so, and the way out. */
import { DataError } from "../../errors.ts";
import { gridDifference, orientationCode, spacingOf } from "../../volume/affine.ts";
import { axisOrderTo, orderView, viewOf } from "../../volume/orient.ts";
import type { Grid } from "../../volume/types.ts";
import type { Problem } from "../problem.ts";

/** Corners of image and label that lie further apart than this are a warning; than half a voxel, an error. */
export const affineToleranceMm = 0.01;

/** What is said of a label map off its image's grid. */
export type GridProblem = Pick<Problem, "severity" | "message"> & {
  readonly rule: "size-mismatch" | "affine-mismatch" | "geometry";
};

/** Half a voxel of the image along its finest axis: a label nearer than that is taken to lie on the image's grid. */
export function labelToleranceMm(image: Grid): number {
  return Math.min(...spacingOf(image.affine)) / 2;
}

/** `undefined` where label and image lie on one grid within {@link affineToleranceMm}. */
export function labelGridProblem(label: Grid, image: Grid): GridProblem | undefined {
  const turned = turnedText(label, image);
  if (turned !== undefined) return { severity: "error", rule: "geometry", message: turned };
  if (image.size.some((n, axis) => n !== label.size[axis])) {
    const message = `label is ${label.size.join("×")}, image is ${image.size.join("×")}`;
    return { severity: "error", rule: "size-mismatch", message };
  }
  const difference = gridDifference(image, label, affineToleranceMm);
  if (difference === undefined) return undefined;
  const half = labelToleranceMm(image);
  const isFar = gridDifference(image, label, half) !== undefined;
  const rule = isFar
    ? `more than half a voxel (${Number(half.toPrecision(3))} mm)`
    : `above ${affineToleranceMm} mm, below half a voxel`;
  return {
    severity: isFar ? "error" : "warning",
    rule: "affine-mismatch",
    message: `label lies elsewhere than image: ${difference}; ${rule}`,
  };
}

/** @throws DataError where label and image do not lie on one grid */
export function requireSameGrid(label: Grid, image: Grid, name: string): void {
  const problem = labelGridProblem(label, image);
  if (problem?.severity === "error") throw new DataError(`${name}: ${problem.message}`);
}

/** A label over the very place of its image, with its axes in another order or direction. */
function turnedText(label: Grid, image: Grid): string | undefined {
  const tolerance = labelToleranceMm(image);
  if (gridDifference(image, label, tolerance) === undefined) return undefined;
  const [ofLabel, ofImage] = [orientationCode(label.affine), orientationCode(image.affine)];
  if (ofLabel === ofImage) return undefined;
  const { size, affine } = label;
  const view = viewOf({ data: new Uint8Array(0), size, affine, channels: 1 });
  const turned = orderView(view, axisOrderTo(label, ofImage));
  if (gridDifference(image, turned, tolerance) !== undefined) return undefined;
  return (
    `label covers the same place as the image with its axes in another order (label ${ofLabel}, image ${ofImage}); ` +
    'a JSON list with { "data": …, "labelGrid": "own" } brings it to the image\'s grid'
  );
}
