/**
 * Pooling of regions that the graph itself finds, for a detector exported whole: what `roi-windows.ts` and `roi-max-pool.ts` plan in
 * TypeScript is computed here from the boxes, by the same rules. In 2D and 3D.
 *
 * R regions · L maps · C channels · P cells of all maps
 */
import { ConfigError } from "../../errors.ts";
import {
  abs,
  add,
  alignRegions,
  and,
  cast,
  clip,
  concat,
  div,
  floor,
  gather,
  greaterOrEqual,
  lessOrEqual,
  maximum,
  minimum,
  mul,
  neg,
  or,
  reshape,
  sign,
  slice,
  sub,
  type Tensor,
  where,
} from "../../graph/index.ts";
import type { DetectorConfig } from "../network/config.ts";
import type { Layout } from "../parts/layout.ts";
import type { LevelRule } from "../pooling/levels.ts";
import { highestPowers } from "../pooling/max-pool.ts";
import { maxPoolRegions, pooledOf, rowsOf } from "../pooling/pooling.ts";

/**
 * Regions [R, 2·axes] of one image → [R, C, bins…].
 * @param maps all levels, [1, C, …] each
 * @throws ConfigError for volumes whose bins have no fixed number of samples
 */
export function pooledRegions(
  maps: readonly Tensor[],
  boxes: Tensor,
  { pooling }: Layout,
  { axes, regions: rule }: DetectorConfig,
): Tensor {
  const { shape, rule: levelRule } = pooling;
  const { outputSize, samplingRatio, aligned } = rule;
  if (rule.pooling === "max") return maxPooled(maps[0], boxes, pooling.shape.grids[0], shape.strides[0], outputSize);
  const pooled = maps.slice(0, pooling.levels);
  const levels = levelsOf(boxes, levelRule);
  if (axes === 2) {
    const scales = shape.strides.map((stride) => 1 / stride);
    return alignRegions(pooled, boxes, cast(levels, "int64"), {
      outputSize: outputSize.toReversed(),
      scales,
      samplingRatio,
      aligned,
    });
  }
  if (samplingRatio === 0)
    throw new ConfigError(
      "detector.regions.samplingRatio: 0 takes more samples for larger regions, which an exported 3D detector cannot; set it to 1 or more",
    );
  return alignedByCells(pooled, boxes, cast(levels, "int32"), shape, { outputSize, samplingRatio, aligned });
}

/** Corner `axis` of all boxes, [R, 1]: low ones first, then high ones. */
const corner = (boxes: Tensor, at: number): Tensor => slice(boxes, { start: [at], end: [at + 1], axes: [1] });

/** [R], from 0 for the finest, as numbers: how many of the levels' smallest areas a box reaches. */
function levelsOf(boxes: Tensor, { lowest, highest, canonicalSide, canonicalLevel }: LevelRule): Tensor {
  const axes = boxes.shape[1] / 2;
  let area: Tensor = sub(corner(boxes, axes), corner(boxes, 0));
  for (let axis = 1; axis < axes; axis++) area = mul(area, sub(corner(boxes, axes + axis), corner(boxes, axis)));
  area = reshape(area, [boxes.shape[0]]);
  let level = mul(area, 0);
  for (let l = lowest + 1; l <= highest; l++) {
    const side = canonicalSide * 2 ** (l - canonicalLevel - 1e-6);
    level = add(level, cast(greaterOrEqual(area, side ** axes), "float32"));
  }
  return level;
}

/** Fast R-CNN's RoI max-pooling (`roi-max-pool.ts`) of one map [1, C, …]: the tables' rows are computed from the boxes. */
function maxPooled(
  map: Tensor,
  boxes: Tensor,
  grid: readonly number[],
  stride: number,
  outputSize: readonly number[],
): Tensor {
  const axes = grid.length as 2 | 3;
  const [count] = boxes.shape;
  const tables = { axes, images: 1, grid, stride, outputSize };
  const highest = highestPowers(tables);
  const cells = grid.reduce((a, b) => a * b, 1);
  const bins = outputSize.reduce((a, b) => a * b, 1);
  let empty: Tensor | undefined;
  let table: Tensor | undefined;
  const ends: [Tensor, Tensor][] = [];
  for (let axis = axes - 1; axis >= 0; axis--) {
    const out = outputSize[axis];
    // [R, …1, out, 1…]: bins run z y x.
    const placed = (x: Tensor): Tensor =>
      reshape(x, [count, ...Array.from({ length: axes }, (_, i) => (i === axes - 1 - axis ? out : 1))]);
    const first = roundAway(div(corner(boxes, axis), stride));
    const last = roundAway(div(sub(corner(boxes, axes + axis), 1), stride));
    const length = maximum(add(sub(last, first), 1), 1);
    const index = boxes.graph.constant(
      Float32Array.from({ length: out }, (_, i) => i),
      [1, out],
    );
    const low = clip(add(first, floor(div(mul(length, index), out))), 0, grid[axis]);
    const high = clip(sub(first, floor(neg(div(mul(length, add(index, 1)), out)))), 0, grid[axis]);
    const long = sub(high, low);
    let power = mul(long, 0);
    let run = add(power, 1);
    for (let p = 1; p <= highest[axis]; p++) {
      const reaches = cast(greaterOrEqual(long, 2 ** p), "float32");
      power = add(power, reaches);
      run = add(run, mul(reaches, 2 ** (p - 1)));
    }
    const none = placed(lessOrEqual(long, 0));
    empty = empty === undefined ? none : or(empty, none);
    table = table === undefined ? placed(power) : add(mul(table, highest[axis] + 1), placed(power));
    ends[axis] = [placed(low), placed(sub(high, run))];
  }
  const nothing = highest.reduce((all, power) => all * (power + 1), 1) * cells;
  const rows = Array.from({ length: 2 ** axes }, (_, at) => {
    let cell: Tensor | undefined;
    for (let axis = axes - 1; axis >= 0; axis--) {
      const place = ends[axis][(at >> axis) & 1];
      cell = cell === undefined ? place : add(mul(cell, grid[axis]), place);
    }
    return reshape(where(empty!, nothing, add(mul(table!, cells), cell!)), [1, count * bins]);
  });
  return maxPoolRegions(map, cast(concat(rows, 0), "int32"), outputSize, tables);
}

/** C's round: halves away from 0. */
const roundAway = (x: Tensor): Tensor => mul(sign(x), floor(add(abs(x), 0.5)));

interface Tap {
  /** [R, out] */
  readonly cell: Tensor;
  readonly weight: Tensor;
}

/**
 * RoIAlign as weighted sums of cells, for volumes: every sample of a bin reads the 2^axes cells around it.
 * @param levels [R], int32
 */
function alignedByCells(
  maps: readonly Tensor[],
  boxes: Tensor,
  levels: Tensor,
  { axes, grids, strides }: Layout["pooling"]["shape"],
  {
    outputSize,
    samplingRatio,
    aligned,
  }: { readonly outputSize: readonly number[]; readonly samplingRatio: number; readonly aligned: boolean },
): Tensor {
  const { graph } = boxes;
  const [count] = boxes.shape;
  const table = concat(maps.map(rowsOf), 0);
  const perLevel = (values: readonly number[]): Tensor =>
    reshape(gather(graph.constant(Float32Array.from(values)), levels), [count, 1]);
  const scale = perLevel(strides.map((stride) => 1 / stride));
  const sizes = Array.from({ length: axes }, (_, axis) => perLevel(grids.map((grid) => grid[axis])));
  const volumes = grids.map((grid) => grid.reduce((a, b) => a * b, 1));
  const firstRow = perLevel(volumes.map((_, level) => volumes.slice(0, level).reduce((a, b) => a + b, 0)));
  const shift = aligned ? 0.5 : 0;
  const taps = outputSize.map((out, axis): Tap[] => {
    const start = sub(mul(corner(boxes, axis), scale), shift);
    const extent = sub(sub(mul(corner(boxes, axes + axis), scale), shift), start);
    const bin = div(aligned ? extent : maximum(extent, 1), out);
    const index = graph.constant(
      Float32Array.from({ length: out }, (_, i) => i),
      [1, out],
    );
    const last = sub(sizes[axis], 1);
    return Array.from({ length: samplingRatio }, (_, s) => {
      const position = add(start, mul(bin, add(index, (s + 0.5) / samplingRatio)));
      const inside = and(greaterOrEqual(position, -1), lessOrEqual(position, sizes[axis]));
      const share = div(cast(inside, "float32"), samplingRatio);
      const clamped = minimum(maximum(position, 0), last);
      const low = floor(clamped);
      const rest = sub(clamped, low);
      return [
        { cell: low, weight: mul(share, sub(1, rest)) },
        { cell: minimum(add(low, 1), last), weight: mul(share, rest) },
      ];
    }).flat();
  });
  // Bins run z y x, and so do rows.
  const along = (x: Tensor, axis: number): Tensor =>
    reshape(x, [count, ...Array.from({ length: axes }, (_, i) => (i === axes - 1 - axis ? x.shape[1] : 1))]);
  let sum: Tensor | undefined;
  const visit = (axis: number, row: Tensor | undefined, weight: Tensor | undefined): void => {
    if (axis < 0) {
      const flat = reshape(add(row!, along(firstRow, 0)), [-1]);
      const part = mul(gather(table, cast(flat, "int32"), 0), reshape(weight!, [flat.size, 1]));
      sum = sum === undefined ? part : add(sum, part);
      return;
    }
    for (const tap of taps[axis]) {
      const cell = along(tap.cell, axis);
      const share = along(tap.weight, axis);
      visit(
        axis - 1,
        row === undefined ? cell : add(mul(row, along(sizes[axis], 0)), cell),
        weight === undefined ? share : mul(weight, share),
      );
    }
  };
  visit(axes - 1, undefined, undefined);
  return pooledOf(sum!, count, outputSize);
}
