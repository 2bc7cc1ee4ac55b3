/**
 * The three passes of a convolution over rows.
 *
 * - `wide`: all taps of a position side by side, one wide product. For undilated windows.
 * - `paired`: only the pairs of each tap that do not meet padding; taps with equally many pairs form one batched product, and
 *   each output row sums what belongs to it. For dilated windows on small maps most pairs meet padding, and most work goes.
 */
import type { Graph, Tensor } from "../core.ts";
import { matmul } from "../functional/linear.ts";
import { concat, gather, reshape, transpose } from "../functional/movement.ts";
import type { WeightLayout } from "./values.ts";
import {
  inputRows,
  outputRows,
  summands,
  type TapGroup,
  tapCount,
  tapGroups,
  tapRows,
  tapRowsBack,
  type WindowGeometry,
} from "./windows.ts";

export type RowForm = "wide" | "paired" | "winograd";

/** The layout a form wants its weights in. */
export function layoutOf(form: RowForm, geometry: WindowGeometry): WeightLayout {
  return form === "paired"
    ? { groups: tapGroups(geometry).map(({ taps }) => taps) }
    : { groups: [Array.from({ length: tapCount(geometry) }, (_, k) => k)] };
}

function indices(graph: Graph, data: Int32Array, shape: readonly number[]): Tensor {
  return graph.constant(data, shape);
}

/** The rows and, if some index points past them, one row of zeros. */
function withZeroRow(x: Tensor, needed: boolean): Tensor {
  return needed ? concat([x, x.graph.constant(new Float32Array(x.shape[1]), [1, x.shape[1]])], 0) : x;
}

/** [rows, K·C]: for each row its taps' rows side by side. */
function windowsOf(x: Tensor, rows: Int32Array, taps: number): Tensor {
  const count = rows.length / taps;
  if (taps === 1 && rows.every((row, i) => row === i) && count === x.shape[0]) return x;
  const padded = withZeroRow(
    x,
    rows.some((row) => row === x.shape[0]),
  );
  return reshape(gather(padded, indices(x.graph, rows, [count, taps]), 0), [count, taps * x.shape[1]]);
}

/** y = conv(x, w): x [Ri, Ci], w one piece [K, Ci, Co] → [Ro, Co]. */
export function wideForward(x: Tensor, w: Tensor, geometry: WindowGeometry): Tensor {
  const [taps, ci, co] = w.shape;
  return matmul(windowsOf(x, tapRows(geometry), taps), reshape(w, [taps * ci, co]));
}

/** The weights' gradient: one piece [K, Ci, Co]. */
export function wideToWeights(x: Tensor, g: Tensor, geometry: WindowGeometry): Tensor {
  const taps = tapCount(geometry);
  return reshape(matmul(windowsOf(x, tapRows(geometry), taps), g, { transposeA: true }), [
    taps,
    x.shape[1],
    g.shape[1],
  ]);
}

/** The input's gradient [Ri, Ci] from the output's [Ro, Co]. */
export function wideToInput(g: Tensor, w: Tensor, geometry: WindowGeometry): Tensor {
  const [taps, ci, co] = w.shape;
  if (taps === 1) return matmul(windowsOf(g, tapRowsBack(geometry), 1), reshape(w, [ci, co]), { transposeB: true });
  return matmul(windowsOf(g, tapRowsBack(geometry), taps), reshape(transpose(w, [0, 2, 1]), [taps * co, ci]));
}

const used = (groups: readonly TapGroup[]): TapGroup[] => groups.filter(({ pairs }) => pairs > 0);

function gathered(x: Tensor, group: TapGroup, side: "inputRows" | "outputRows"): Tensor {
  return gather(x, indices(x.graph, group[side], [group.taps.length, group.pairs]), 0);
}

/** Sums the groups' products [n, pairs, C] into rows. */
function summed(
  products: readonly Tensor[],
  groups: readonly TapGroup[],
  rows: number,
  side: "inputRows" | "outputRows",
): Tensor {
  const channels = products[0].shape[2];
  const { lists, total } = summands(groups, rows, side);
  const flat = products.map((product) => reshape(product, [product.shape[0] * product.shape[1], channels]));
  const all = withZeroRow(
    concat(flat, 0),
    lists.some((list) => list.includes(total)),
  );
  const parts = lists.map((list) => gather(all, indices(all.graph, list, [rows]), 0));
  return parts.length === 1 ? parts[0] : all.graph.add("addAll", parts, {})[0];
}

/** y = conv(x, w): x [Ri, Ci], pieces [n, Ci, Co] per group of {@link tapGroups} → [Ro, Co]. */
export function pairedForward(x: Tensor, pieces: readonly Tensor[], geometry: WindowGeometry): Tensor {
  const groups = tapGroups(geometry);
  const products = used(groups).map((group, i) => matmul(gathered(x, group, "inputRows"), pieces[i]));
  return summed(products, used(groups), outputRows(geometry), "outputRows");
}

/** The input's gradient [Ri, Ci]. */
export function pairedToInput(g: Tensor, pieces: readonly Tensor[], geometry: WindowGeometry): Tensor {
  const groups = tapGroups(geometry);
  const products = used(groups).map((group, i) =>
    matmul(gathered(g, group, "outputRows"), pieces[i], { transposeB: true }),
  );
  return summed(products, used(groups), inputRows(geometry), "inputRows");
}

/** The weights' gradient, a piece per group; taps that meet nothing but padding get zeros. */
export function pairedToWeights(x: Tensor, g: Tensor, geometry: WindowGeometry): Tensor[] {
  return tapGroups(geometry).map((group) => {
    if (group.pairs === 0) {
      const shape = [group.taps.length, x.shape[1], g.shape[1]];
      return x.graph.constant(new Float32Array(shape[0] * shape[1] * shape[2]), shape);
    }
    return matmul(gathered(x, group, "inputRows"), gathered(g, group, "outputRows"), { transposeA: true });
  });
}
