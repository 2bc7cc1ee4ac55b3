/**
 * RoI max-pooling as in Fast R-CNN (py-faster-rcnn's ROIPooling layer), planned: which cells each bin covers, as rows of the
 * tables that `roi-pooling.ts` builds. In 2D and 3D.
 *
 * A region's corners are rounded to cells, it is at least one cell long, and bin i of n takes cells ⌊i·length/n⌋ … ⌈(i+1)·length/n⌉, clipped
 * to the map. (The original multiplies by a rounded length/n, which moves an end by a cell in three cases below 80 cells; see the tests.)
 * The maximum over a run of m cells is that of two runs of 2^⌊log2 m⌋ cells, one at each end; so a bin needs 2^axes rows.
 */
import type { Axes } from "../../boxes/index.ts";

export interface MaxPoolTables {
  readonly axes: Axes;
  readonly images: number;
  /** Cells x y (z). */
  readonly grid: readonly number[];
  /** Voxels of the input per cell. */
  readonly stride: number;
  /** Bins x y (z). */
  readonly outputSize: readonly number[];
}

/** The largest power of two a bin needs, per axis. */
export function highestPowers({ grid, outputSize }: MaxPoolTables): number[] {
  // A bin of a region as long as the map is at most ⌈length/n⌉ + 1 cells.
  return grid.map((n, axis) => Math.floor(Math.log2(Math.min(n, Math.ceil(n / outputSize[axis]) + 1))));
}

/** Powers of two along x y (z) of every table, in their order. */
export function tablesOf(tables: MaxPoolTables): number[][] {
  let all: number[][] = [[]];
  // The last axis runs slowest, so that each table comes after the one it is made of.
  for (const highest of highestPowers(tables)) {
    all = Array.from({ length: highest + 1 }, (_, power) => all.map((lower) => [...lower, power])).flat();
  }
  return all;
}

/** Rows [2^axes, R·bins] of the tables; a bin without cells has the row after the last, which is zero. */
export function planMaxPool(tables: MaxPoolTables, regions: Float32Array, owners: Int32Array): Int32Array {
  const { axes, images, grid, stride, outputSize } = tables;
  const bins = outputSize.reduce((a, b) => a * b, 1);
  const cells = grid.reduce((a, b) => a * b, 1);
  const highest = highestPowers(tables);
  const tableCount = highest.reduce((all, power) => all * (power + 1), 1);
  const nothing = tableCount * images * cells;
  const count = owners.length;
  const rows = new Int32Array(2 ** axes * count * bins).fill(nothing);
  for (let r = 0; r < count; r++) {
    const spans = outputSize.map((out, axis) => {
      const at = 2 * axes * r + axis;
      return binSpans(regions[at] / stride, (regions[at + axes] - 1) / stride, out, grid[axis]);
    });
    if (spans.some((span) => span === undefined)) continue;
    for (let bin = 0; bin < bins; bin++) {
      let rest = bin;
      const span = spans.map((list, axis) => {
        const index = rest % outputSize[axis];
        rest = Math.floor(rest / outputSize[axis]);
        return list![index];
      });
      if (span.some(([low, high]) => high <= low)) continue;
      const powers = span.map(([low, high], axis) => Math.min(highest[axis], Math.floor(Math.log2(high - low))));
      let table = 0;
      for (let axis = axes - 1; axis >= 0; axis--) table = table * (highest[axis] + 1) + powers[axis];
      for (let corner = 0; corner < 2 ** axes; corner++) {
        let cell = 0;
        for (let axis = axes - 1; axis >= 0; axis--) {
          const [low, high] = span[axis];
          cell = cell * grid[axis] + ((corner >> axis) & 1 ? high - 2 ** powers[axis] : low);
        }
        rows[corner * count * bins + r * bins + bin] = (table * images + owners[r]) * cells + cell;
      }
    }
  }
  return rows;
}

/**
 * First and one past the last cell of each bin. Corners are half-open, so the last cell of a region is that of its last voxel:
 * the original rounds inclusive corners, which are one voxel less.
 */
function binSpans(start: number, end: number, out: number, size: number): [number, number][] | undefined {
  if (!(Number.isFinite(start) && Number.isFinite(end))) return undefined;
  const first = roundAway(start);
  const last = roundAway(end);
  const length = Math.max(last - first + 1, 1);
  const clip = (cell: number): number => Math.min(Math.max(cell, 0), size);
  return Array.from({ length: out }, (_, i) => [
    clip(first + Math.floor((i * length) / out)),
    clip(first + Math.ceil(((i + 1) * length) / out)),
  ]);
}

/** C's round, for corners ≥ 0 what Math.round does. */
function roundAway(value: number): number {
  return Math.sign(value) * Math.round(Math.abs(value));
}
