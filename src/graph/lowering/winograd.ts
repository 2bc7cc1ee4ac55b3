/**
 * The three passes of an undisturbed (stride 1, same size) 3ᵏ convolution over rows by Winograd's minimal filtering.
 *
 * The axes of space nest: each has its pair of small matrices (`winograd-axis.ts`), and what is an elementwise product in
 * one channel becomes one batched product of matrices over channels, [types, positions, Ci] × [types, Ci, Co]. With Bᵀ, G, Aᵀ
 * the transforms of input, weights and output:
 *
 *   y = Aᵀ(Bᵀx · Gw)      dx = B(A dy · (Gw)ᵀ)      dw = Gᵀ((Bᵀx)ᵀ · A dy)
 *
 * so Bᵀx, Gw and A·dy serve two passes each. They are built here by the same steps in each pass, and clean-up makes them one.
 */
import { BoundedCache } from "../../bounded-cache.ts";
import { sizeOf, type Tensor } from "../core.ts";
import { matmul } from "../functional/linear.ts";
import { concat, gather, reshape } from "../functional/movement.ts";
import { inverse } from "../operators/movement.ts";
import type { WindowGeometry } from "./windows.ts";
import { type AxisAlgorithm, type AxisTransform, axisTransform } from "./winograd-axis.ts";

/** Products whose types occur equally often, so that they make one batched product. */
interface TypeGroup {
  readonly types: number;
  /** [types, positions]: rows of the transformed map. */
  readonly rows: Int32Array;
  /** [types, taps] */
  readonly weights: Float32Array;
}

interface Plan {
  readonly batch: number;
  readonly axes: readonly AxisTransform[];
  readonly groups: readonly TypeGroup[];
  /** For each row of the transformed map its place among the groups' rows, one group after the other. */
  readonly back: Int32Array;
}

/** Whether the form applies: three taps everywhere, stride 1, and an output of the input's size. */
export function isWinograd({ kernel, stride, dilation, padBegin, padEnd }: WindowGeometry): boolean {
  return kernel.every(
    (taps, i) => taps === 3 && stride[i] === 1 && padBegin[i] === dilation[i] && padEnd[i] === dilation[i],
  );
}

/** A plan grows with its map: those that are remembered may take so many bytes together. */
const PLAN_BYTES = 32e6;
/** What a small plan counts as, so that there are never more than 500. */
const LEAST_PLAN_BYTES = 64e3;
export const plans = new BoundedCache<string, Plan>(PLAN_BYTES, ({ back, groups }) =>
  groups.reduce(
    (bytes, { rows, weights }) => bytes + rows.byteLength + weights.byteLength,
    Math.max(LEAST_PLAN_BYTES, back.byteLength),
  ),
);

function planOf({ batch, input, dilation }: WindowGeometry, algorithms: readonly AxisAlgorithm[]): Plan {
  return plans.get(JSON.stringify([batch, input, dilation, algorithms]), () =>
    makePlan(
      batch,
      input.map((points, i) => axisTransform(points, dilation[i], algorithms[i])),
    ),
  );
}

function makePlan(batch: number, axes: readonly AxisTransform[]): Plan {
  const combine = (lists: readonly (readonly number[])[], sizes: readonly number[]): number[] =>
    lists.reduce<number[]>((outer, list, i) => outer.flatMap((a) => list.map((b) => a * sizes[i] + b)), [0]);
  // Types and taps are numbered with the last axis fastest, as rows are.
  const typeCounts = axes.map(({ weights }) => weights.length);
  const typeOfRow = combine(
    axes.map(({ types }) => types),
    typeCounts,
  );
  const weights = axes.reduce<number[][]>(
    (outer, axis) => outer.flatMap((a) => axis.weights.map((b) => a.flatMap((u) => b.map((v) => u * v)))),
    [[1]],
  );
  const rowsOfType: number[][] = weights.map(() => []);
  for (let n = 0; n < batch; n++) {
    for (const [row, type] of typeOfRow.entries()) rowsOfType[type].push(n * typeOfRow.length + row);
  }
  const byCount = new Map<number, number[]>();
  for (const [type, rows] of rowsOfType.entries()) {
    const same = byCount.get(rows.length);
    if (same === undefined) byCount.set(rows.length, [type]);
    else same.push(type);
  }
  const groups = [...byCount]
    .sort(([a], [b]) => b - a)
    .map(([, types]) => ({
      types: types.length,
      rows: Int32Array.from(types.flatMap((type) => rowsOfType[type])),
      weights: Float32Array.from(types.flatMap((type) => weights[type])),
    }));
  const back = Int32Array.from(inverse(groups.flatMap(({ rows }) => [...rows])));
  return { batch, axes, groups, back };
}

interface Side {
  readonly matrix: Float32Array;
  readonly from: number;
  readonly to: number;
}

/** Multiplies each axis of rows [N·…, C] by its matrix; the axis named first is done first. */
function alongAxes(x: Tensor, batch: number, sides: readonly Side[], order: readonly number[]): Tensor {
  const channels = x.shape[1];
  const sizes = sides.map(({ from }) => from);
  let y = x;
  for (const axis of order) {
    const { matrix, from, to } = sides[axis];
    const outer = batch * sizeOf(sizes.slice(0, axis));
    const inner = sizeOf(sizes.slice(axis + 1)) * channels;
    y = matmul(y.graph.constant(matrix, [to, from]), reshape(y, [outer, from, inner]));
    sizes[axis] = to;
  }
  return reshape(y, [batch * sizeOf(sizes), channels]);
}

const forwards = (axes: readonly AxisTransform[]): number[] => axes.map((_, i) => i);
/** The other way round, for maps that shrink: what follows a matrix product moves the smaller map. */
const backwards = (axes: readonly AxisTransform[]): number[] => forwards(axes).reverse();

function transposed(matrix: Float32Array, rows: number): Float32Array {
  const columns = matrix.length / rows;
  return matrix.map((_, i) => matrix[(i % rows) * columns + Math.floor(i / rows)]);
}

const products = ({ types }: AxisTransform): number => types.length;

/** Bᵀx: [types, positions, Ci] per group. */
function inputTransform(x: Tensor, { batch, axes, groups }: Plan): Tensor[] {
  const sides = axes.map((axis) => ({ matrix: axis.input, from: axis.points, to: products(axis) }));
  return byType(alongAxes(x, batch, sides, forwards(axes)), groups);
}

/** A·dy: [types, positions, Co] per group. */
function outputTransform(g: Tensor, { batch, axes, groups }: Plan): Tensor[] {
  const sides = axes.map((axis) => ({
    matrix: transposed(axis.output, axis.points),
    from: axis.points,
    to: products(axis),
  }));
  return byType(alongAxes(g, batch, sides, forwards(axes)), groups);
}

function byType(rows: Tensor, groups: readonly TypeGroup[]): Tensor[] {
  return groups.map((group) =>
    gather(rows, rows.graph.constant(group.rows, [group.types, group.rows.length / group.types]), 0),
  );
}

/** The groups' products [types, positions, C] as rows of the transformed map. */
function toRows(parts: readonly Tensor[], { back }: Plan): Tensor {
  const flat = parts.map((part) => reshape(part, [part.shape[0] * part.shape[1], part.shape[2]]));
  return gather(concat(flat, 0), parts[0].graph.constant(back), 0);
}

/** G of all types, in the groups' order. */
function joinedWeights(groups: readonly TypeGroup[]): Float32Array {
  return Float32Array.from(groups.flatMap(({ weights }) => [...weights]));
}

/** Gw: [types, Ci, Co] per group, from [taps, Ci, Co]. */
function weightTransform(w: Tensor, { groups }: Plan): Tensor[] {
  const [taps, ci, co] = w.shape;
  // One product for all groups: the engine would re-pack the weights for each.
  const all = groups.reduce((n, { types }) => n + types, 0);
  const u = reshape(matmul(w.graph.constant(joinedWeights(groups), [all, taps]), reshape(w, [taps, ci * co])), [
    all,
    ci,
    co,
  ]);
  if (groups.length === 1) return [u];
  let end = 0;
  return groups.map(({ types }) => {
    end += types;
    return gather(u, u.graph.constant(Int32Array.from({ length: types }, (_, i) => end - types + i)), 0);
  });
}

/** y = conv(x, w): x [R, Ci], w [taps, Ci, Co] → [R, Co]. */
export function winogradForward(
  x: Tensor,
  w: Tensor,
  geometry: WindowGeometry,
  algorithms: readonly AxisAlgorithm[],
): Tensor {
  const plan = planOf(geometry, algorithms);
  const u = weightTransform(w, plan);
  const parts = inputTransform(x, plan).map((part, i) => matmul(part, u[i]));
  const sides = plan.axes.map((axis) => ({ matrix: axis.output, from: products(axis), to: axis.points }));
  return alongAxes(toRows(parts, plan), plan.batch, sides, backwards(plan.axes));
}

/** The input's gradient [R, Ci] from the output's [R, Co]. */
export function winogradToInput(
  g: Tensor,
  w: Tensor,
  geometry: WindowGeometry,
  algorithms: readonly AxisAlgorithm[],
): Tensor {
  const plan = planOf(geometry, algorithms);
  const u = weightTransform(w, plan);
  const parts = outputTransform(g, plan).map((part, i) => matmul(part, u[i], { transposeB: true }));
  const sides = plan.axes.map((axis) => ({
    matrix: transposed(axis.input, products(axis)),
    from: products(axis),
    to: axis.points,
  }));
  return alongAxes(toRows(parts, plan), plan.batch, sides, backwards(plan.axes));
}

/** The weights' gradient [taps, Ci, Co]. */
export function winogradToWeights(
  x: Tensor,
  g: Tensor,
  geometry: WindowGeometry,
  algorithms: readonly AxisAlgorithm[],
): Tensor {
  const plan = planOf(geometry, algorithms);
  const dy = outputTransform(g, plan);
  const parts = inputTransform(x, plan).map((part, i) => matmul(part, dy[i], { transposeA: true }));
  const [ci, co] = [x.shape[1], g.shape[1]];
  const taps = 3 ** plan.axes.length;
  const du = reshape(concat(parts, 0), [parts.reduce((n, part) => n + part.shape[0], 0), ci * co]);
  const matrix = transposed(joinedWeights(plan.groups), du.shape[0]);
  return reshape(matmul(x.graph.constant(matrix, [taps, du.shape[0]]), du), [taps, ci, co]);
}
