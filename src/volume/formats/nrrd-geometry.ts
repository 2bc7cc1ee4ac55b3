/**
 * Where the voxels of a NRRD file sit in space, in RAS+ millimetres.
 *
 * As ITK does, a file that names no space, or one without anatomy, is taken for left-posterior-superior. An axis without a
 * direction (`none`) becomes the channels, wherever it stands. Where there are no directions, spacings stand along the axes of the
 * space, and the first voxel is at `space origin`, else at `axis mins` (half a voxel further in where the axis says that its
 * voxels are cells, whose border the minimum then is).
 */
import { DataError, GeometryError } from "../../errors.ts";
import type { Affine, Vec3 } from "../types.ts";
import { clip, readNumbers } from "./text-header.ts";

type Fields = ReadonlyMap<string, string>;

/** How many millimetres the units have that headers name; anything else is taken for millimetres. */
const unitsMm: ReadonlyMap<string, number> = new Map(
  (
    [
      [1e-6, "nm, nanometer, nanometers, nanometre, nanometres"],
      [0.001, "um, \u00b5m, \u03bcm, micron, microns, micrometer, micrometers, micrometre, micrometres"],
      [10, "cm, centimeter, centimeters, centimetre, centimetres"],
      [1000, "m, meter, meters, metre, metres"],
    ] as const
  ).flatMap(([mm, words]) => words.split(", ").map((word) => [word, mm] as const)),
);

/** Signs that take a space's first two axes to R and A; ITK takes whatever has no anatomy for LPS. */
function spaceSigns(space: string): Vec3 {
  const word = space.toLowerCase().replace(/-time$|t$/, "");
  if (word === "right-anterior-superior" || word === "ras") return [1, 1, 1];
  if (word === "left-anterior-superior" || word === "las") return [-1, 1, 1];
  return [-1, -1, 1];
}

/**
 * @param fields by name in small letters, without spaces
 * @throws DataError for fields that are none, GeometryError for axes that do not span space
 */
export function readGeometry(
  fields: Fields,
  sizes: readonly number[],
  name: string,
): { affine: Affine; channelAxis: number | undefined } {
  const dimension = sizes.length;
  const { directions, origin } = fields.has("spacedirections")
    ? placedByDirections(fields, dimension, name)
    : placedBySpacings(fields, sizes, name);
  const axes = directions.flatMap((vector, axis) => (vector === undefined ? [axis] : []));
  if (axes.length > 1 || dimension - axes.length > 3) {
    throw new DataError(
      `${name}: NRRD with ${dimension - axes.length} axes in space and ${axes.length} beyond is not read`,
    );
  }
  const signs = spaceSigns(fields.get("space") ?? "");
  const columns = completeAxes(directions.filter((vector) => vector !== undefined));
  const affine = [0, 1, 2].flatMap((row) => [
    ...columns.map((column) => noMinusZero(signs[row] * column[row])),
    noMinusZero(signs[row] * origin[row]),
  ]);
  return { affine: [...affine, 0, 0, 0, 1], channelAxis: axes[0] };
}

interface Placed {
  /** In millimetres of the file's space; undefined for an axis that is not in it. */
  readonly directions: readonly (number[] | undefined)[];
  readonly origin: readonly number[];
}

function placedByDirections(fields: Fields, dimension: number, name: string): Placed {
  const text = fields.get("spacedirections") ?? "";
  const vectors = text.match(/\([^()]*\)|none/gi) ?? [];
  if (vectors.length !== dimension) {
    throw new DataError(`${name}: space directions ${JSON.stringify(clip(text))} must have ${dimension} entries`);
  }
  const mm = spaceUnits(fields);
  const isNone = (vector: string): boolean => /none|^\(\s*nan[\s,nan]*\)$/i.test(vector);
  return {
    directions: vectors.map((v) =>
      isNone(v) ? undefined : readVector(v, `${name}: space directions`).map((value, i) => value * mm[i]),
    ),
    origin: readOrigin(fields, mm, name) ?? [0, 0, 0],
  };
}

function placedBySpacings(fields: Fields, sizes: readonly number[], name: string): Placed {
  // `nan` marks an axis that is not in space; "domain" kinds are.
  const kinds = fields.get("kinds")?.toLowerCase().split(/\s+/) ?? [];
  const spacings = fields.get("spacings")?.split(/\s+/);
  const inSpace = sizes.map((_, axis) => {
    const kind = kinds[axis];
    if (kind !== undefined && kind !== "???" && kind !== "none") return kind === "domain" || kind === "space";
    return spacings === undefined ? axis < 3 : !/^nan$/i.test(spacings[axis] ?? "");
  });
  const number = (field: string, axis: number): number | undefined => {
    const word = fields.get(field.replace(" ", ""))?.split(/\s+/)[axis];
    return word === undefined || /^nan$/i.test(word) ? undefined : readNumbers(word, 1, `${name}: ${field}`)[0];
  };
  const axisUnits = quoted(fields.get("units"));
  const centerings = fields.get("centerings")?.toLowerCase().split(/\s+/) ?? [];
  const spatial = sizes.flatMap((_, axis) => (inSpace[axis] ? [axis] : [])).slice(0, 3);
  const units = fields.has("spaceunits") ? spaceUnits(fields) : spatial.map((axis) => mmOf(axisUnits[axis]));
  const directions: (number[] | undefined)[] = sizes.map(() => undefined);
  const corner = [0, 0, 0];
  for (const [row, axis] of spatial.entries()) {
    const [least, most] = [number("axis mins", axis), number("axis maxs", axis)];
    const isCell = centerings[axis] === "cell";
    const steps = centerings[axis] === "node" ? sizes[axis] - 1 : sizes[axis];
    const between = least !== undefined && most !== undefined && steps > 0 ? (most - least) / steps : 1;
    const spacing = number("spacings", axis) ?? between;
    directions[axis] = [0, 0, 0].with(row, spacing * units[row]);
    if (least !== undefined) corner[row] = (least + (isCell ? spacing / 2 : 0)) * units[row];
  }
  return { directions, origin: readOrigin(fields, spaceUnits(fields, units), name) ?? corner };
}

function readOrigin(fields: Fields, mm: readonly number[], name: string): number[] | undefined {
  const text = fields.get("spaceorigin");
  return text === undefined
    ? undefined
    : readVector(text, `${name}: space origin`).map((value, i) => value * (mm[i] ?? 1));
}

/** Millimetres in the unit of each axis of the space. */
function spaceUnits(fields: Fields, otherwise: readonly number[] = [1, 1, 1]): readonly number[] {
  const words = quoted(fields.get("spaceunits"));
  return words.length === 0 ? otherwise : [0, 1, 2].map((i) => mmOf(words[i]));
}

function mmOf(unit: string | undefined): number {
  return unitsMm.get((unit ?? "").toLowerCase()) ?? 1;
}

/** The texts in quotation marks of a list of them. */
function quoted(text: string | undefined): string[] {
  return (text?.match(/"[^"]*"/g) ?? []).map((word) => word.slice(1, -1).trim());
}

/** Three axes from one to three: missing ones are unit vectors at right angles to those given. */
function completeAxes(given: readonly number[][]): number[][] {
  const axes = [...given];
  while (axes.length < 3) {
    const [a, b] = axes.length === 2 ? axes : [axes[0] ?? [1, 0, 0], smallestUnit(axes[0] ?? [1, 0, 0])];
    const cross = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
    const length = Math.hypot(...cross);
    if (!(length > 0)) throw new GeometryError("NRRD: space directions are parallel or zero");
    axes.push(cross.map((value) => value / length));
  }
  return axes;
}

/** The unit vector along the axis where `v` is smallest. */
function smallestUnit(v: readonly number[]): number[] {
  const sizes = v.map(Math.abs);
  const axis = sizes.indexOf(Math.min(...sizes));
  return [0, 1, 2].map((i) => (i === axis ? 1 : 0));
}

/** A vector `(x,y,z)`, or `(x,y)` in a plane. */
function readVector(text: string, field: string): number[] {
  const inner = /^\(([^()]*)\)$/.exec(text.trim())?.[1];
  const numbers = readNumbers(inner?.replaceAll(",", " "), undefined, field);
  if (numbers.length < 1 || numbers.length > 3)
    throw new DataError(`${field}: ${clip(text)} must have up to 3 numbers`);
  return [numbers[0], numbers[1] ?? 0, numbers[2] ?? 0];
}

function noMinusZero(value: number): number {
  return value === 0 ? 0 : value;
}
