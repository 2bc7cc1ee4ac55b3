/**
 * Pooling of regions in the graph: RoIAlign from the plan of `roi-windows.ts`, and RoI max-pooling as Fast R-CNN's
 * (Girshick 2015, §2.1: the region is quantised to cells, and cut in 7×7 parts whose maximum is taken).
 *
 * N images · P cells of all maps · T windows · Q cells of a window · R regions · B blocks of K slots · C channels
 */
import {
  concat,
  gather,
  matmul,
  maximum,
  pad,
  reshape,
  slice,
  type Tensor,
  takeRows,
  transpose,
} from "../../graph/index.ts";
import type { FeedType } from "../../train/model/step.ts";
import { type MaxPoolTables, tablesOf } from "./max-pool.ts";
import { type AlignPlan, type PlanCapacity, SLOTS, type Windows } from "./windows.ts";

/** A map [N, C, …] as rows [N·cells, C]. */
export function rowsOf(map: Tensor): Tensor {
  const spatial = map.shape.slice(2).map((_, i) => i + 2);
  return reshape(transpose(map, [0, ...spatial, 1]), [-1, map.shape[1]]);
}

/** Rows of regions and bins [R·bins, C] as [R, C, bins…], bins given x y (z). */
export function pooledOf(rows: Tensor, regions: number, outputSize: readonly number[]): Tensor {
  const bins = outputSize.reduce((a, b) => a * b, 1);
  const channels = rows.shape[1];
  const turned = transpose(reshape(rows, [regions, bins, channels]), [0, 2, 1]);
  return reshape(turned, [regions, channels, ...[...outputSize].reverse()]);
}

/** The inputs an {@link AlignPlan} is fed through. */
export function alignInputs(
  windows: Windows,
  regions: number,
  bins: number,
  { blocks, parts, perWindow }: PlanCapacity,
): Record<keyof ReturnType<typeof alignFeeds>, FeedType> {
  return {
    alignWeights: { shape: [blocks, SLOTS, windows.cells], dtype: "float32" },
    alignWindowOf: { shape: [1, blocks], dtype: "int32" },
    alignBlocksOf: { shape: [perWindow, windows.count], dtype: "int32" },
    alignSlotsOf: { shape: [parts, regions * bins], dtype: "int32" },
    alignBinOf: { shape: [1, blocks * SLOTS], dtype: "int32" },
  };
}

/** A plan as feeds. @param bins of all regions */
export function alignFeeds(plan: AlignPlan, windows: Windows, bins: number) {
  const { blocks, parts, perWindow } = plan.capacity;
  return {
    alignWeights: { data: plan.weights, shape: [blocks, SLOTS, windows.cells] },
    alignWindowOf: { data: plan.windowOf, shape: [1, blocks] },
    alignBlocksOf: { data: plan.blocksOf, shape: [perWindow, windows.count] },
    alignSlotsOf: { data: plan.slotsOf, shape: [parts, bins] },
    alignBinOf: { data: plan.binOf, shape: [1, blocks * SLOTS] },
  };
}

/**
 * RoIAlign: maps [N, C, …] of all levels → [R, C, bins…].
 * @param inputs those of {@link alignInputs}
 * @param outputSize bins x y (z)
 */
export function alignRegions(
  maps: readonly Tensor[],
  windows: Windows,
  inputs: Readonly<Record<string, Tensor>>,
  outputSize: readonly number[],
): Tensor {
  const { alignWeights, alignWindowOf, alignBlocksOf, alignSlotsOf, alignBinOf } = inputs;
  const { graph, shape } = maps[0];
  const channels = shape[1];
  const table = concat(maps.map(rowsOf), 0);
  const parts = windows.cellsOf.length / windows.rows;
  const cells = takeRows(
    table,
    graph.constant(windows.rowOf, [1, windows.rowOf.length]),
    graph.constant(windows.cellsOf, [parts, windows.rows]),
  );
  const held = reshape(cells, [windows.count, windows.cells * channels]);
  const blocks = alignWeights.shape[0];
  const taken = reshape(takeRows(held, alignWindowOf, alignBlocksOf), [blocks, windows.cells, channels]);
  const slots = reshape(matmul(alignWeights, taken), [blocks * SLOTS, channels]);
  const bins = outputSize.reduce((a, b) => a * b, 1);
  return pooledOf(takeRows(slots, alignSlotsOf, alignBinOf), alignSlotsOf.shape[1] / bins, outputSize);
}

/** The inputs a plan of `roi-max-pool.ts` is fed through. */
export function maxPoolInputs(axes: number, regions: number, bins: number): Record<"maxPoolRows", FeedType> {
  return { maxPoolRows: { shape: [2 ** axes, regions * bins], dtype: "int32" } };
}

/**
 * RoI max-pooling of one map [N, C, …] → [R, C, bins…]. A bin's maximum is the largest of 2^axes overlapping windows whose sides are
 * powers of two, looked up in tables of such windows' maxima; its gradient goes where the maximum lies.
 */
export function maxPoolRegions(map: Tensor, rows: Tensor, outputSize: readonly number[], shape: MaxPoolTables): Tensor {
  const tables = powerTables(map, shape);
  const table = concat(tables.map(rowsOf), 0);
  // Bins of regions that hold no cell take this row.
  const zero = table.graph.constant(new Float32Array(table.shape[1]), [1, table.shape[1]]);
  const all = concat([table, zero], 0);
  let largest: Tensor | undefined;
  for (let corner = 0; corner < rows.shape[0]; corner++) {
    const list = reshape(slice(rows, { axes: [0], start: [corner], end: [corner + 1] }), [rows.shape[1]]);
    const found = gather(all, list, 0);
    largest = largest === undefined ? found : maximum(largest, found);
  }
  const bins = outputSize.reduce((a, b) => a * b, 1);
  return pooledOf(largest!, rows.shape[1] / bins, outputSize);
}

/** Maxima of windows of 2^a × 2^b (× 2^c) cells that begin at each cell, in the order of {@link tablesOf}. */
function powerTables(map: Tensor, shape: MaxPoolTables): Tensor[] {
  const made = new Map<string, Tensor>();
  return tablesOf(shape).map((powers) => {
    const axis = powers.findIndex((power) => power > 0);
    let table = map;
    if (axis >= 0) {
      const half = made.get(powers.map((power, i) => (i === axis ? power - 1 : power)).join())!;
      table = maximum(half, shifted(half, map.rank - 1 - axis, 2 ** (powers[axis] - 1)));
    }
    made.set(powers.join(), table);
    return table;
  });
}

/** What lies `by` cells further along an axis; at the end what lies there (such windows are never looked up). */
function shifted(x: Tensor, axis: number, by: number): Tensor {
  const n = x.shape[axis];
  if (by >= n) return x;
  const rest = slice(x, { axes: [axis], start: [by], end: [n] });
  const none = x.shape.map(() => 0);
  return pad(
    rest,
    none,
    none.map((_, i) => (i === axis ? by : 0)),
  );
}
