/**
 * Which input positions a sliding window meets, as lists of row numbers.
 *
 * Activations as rows: `[N, C, D, H, W]` becomes `[R, C]` with R = N·D·H·W, channels last. A convolution is then Gather (of
 * whole rows, which the engine copies in parallel) and MatMul; no padding, slicing or transposing is left.
 *
 * Shape shorthand: R rows · K taps of a kernel · Ci, Co channels in and out.
 */
import type { WindowAttributes } from "../operators/types.ts";

export interface WindowGeometry extends WindowAttributes {
  readonly batch: number;
  /** Input sizes of the spatial axes. */
  readonly input: readonly number[];
  readonly kernel: readonly number[];
  readonly output: readonly number[];
}

const product = (list: readonly number[]): number => list.reduce((a, b) => a * b, 1);

/** Rows of the input. */
export const inputRows = ({ batch, input }: WindowGeometry): number => batch * product(input);
/** Rows of the output. */
export const outputRows = ({ batch, output }: WindowGeometry): number => batch * product(output);
export const tapCount = ({ kernel }: WindowGeometry): number => product(kernel);

/** Pairs of tap and output position that read input, not padding. */
export function validPairs({ batch, input, kernel, output, stride, dilation, padBegin }: WindowGeometry): number {
  return input.reduce((all, size, axis) => {
    let pairs = 0;
    for (let o = 0; o < output[axis]; o++) {
      for (let k = 0; k < kernel[axis]; k++) {
        const at = o * stride[axis] - padBegin[axis] + k * dilation[axis];
        if (at >= 0 && at < size) pairs++;
      }
    }
    return all * pairs;
  }, batch);
}

/** [Ro, K]: the input row that tap k of output row o reads; `inputRows` (one past the last) where it reads padding. */
export function tapRows(geometry: WindowGeometry): Int32Array {
  const { batch, input, kernel, output, stride, dilation, padBegin } = geometry;
  const taps = product(kernel);
  const perSample = product(input);
  const none = batch * perSample;
  const rows = new Int32Array(batch * product(output) * taps);
  const axes = input.length;
  // Per axis: the input index for (output index, tap index), −1 outside.
  const tables = input.map((size, axis) =>
    Int32Array.from({ length: output[axis] * kernel[axis] }, (_, i) => {
      const o = Math.floor(i / kernel[axis]);
      const at = o * stride[axis] - padBegin[axis] + (i % kernel[axis]) * dilation[axis];
      return at >= 0 && at < size ? at : -1;
    }),
  );
  const o = new Array<number>(axes).fill(0);
  const k = new Array<number>(axes).fill(0);
  let write = 0;
  for (let n = 0; n < batch; n++) {
    for (let position = 0; position < product(output); position++) {
      for (let tap = 0; tap < taps; tap++) {
        let row = 0;
        for (let axis = 0; axis < axes; axis++) {
          const at = tables[axis][o[axis] * kernel[axis] + k[axis]];
          if (at < 0) {
            row = -1;
            break;
          }
          row = row * input[axis] + at;
        }
        rows[write++] = row < 0 ? none : n * perSample + row;
        advance(k, kernel);
      }
      advance(o, output);
    }
  }
  return rows;
}

function advance(index: number[], sizes: readonly number[]): void {
  for (let axis = sizes.length - 1; axis >= 0; axis--) {
    if (++index[axis] < sizes[axis]) return;
    index[axis] = 0;
  }
}

/** [Ri, K]: the output row whose tap k reads input row i; `outputRows` where none does. */
export function tapRowsBack(geometry: WindowGeometry): Int32Array {
  const forward = tapRows(geometry);
  const taps = tapCount(geometry);
  const ri = inputRows(geometry);
  const ro = outputRows(geometry);
  const back = new Int32Array(ri * taps).fill(ro);
  for (let o = 0; o < ro; o++) {
    for (let k = 0; k < taps; k++) {
      const i = forward[o * taps + k];
      if (i < ri) back[i * taps + k] = o;
    }
  }
  return back;
}

/** Taps that meet equally many valid (input, output) pairs, so that they make one batched product. */
export interface TapGroup {
  readonly taps: readonly number[];
  /** Pairs per tap. */
  readonly pairs: number;
  /** [taps, pairs] */
  readonly inputRows: Int32Array;
  readonly outputRows: Int32Array;
}

/** Only the pairs that do not meet padding, by tap; groups from the most pairs to the fewest, unused taps last with none. */
export function tapGroups(geometry: WindowGeometry): TapGroup[] {
  const forward = tapRows(geometry);
  const taps = tapCount(geometry);
  const ri = inputRows(geometry);
  const ro = outputRows(geometry);
  const bySize = new Map<number, { tap: number; input: number[]; output: number[] }[]>();
  for (let tap = 0; tap < taps; tap++) {
    const input: number[] = [];
    const output: number[] = [];
    for (let o = 0; o < ro; o++) {
      const i = forward[o * taps + tap];
      if (i < ri) {
        input.push(i);
        output.push(o);
      }
    }
    const list = bySize.get(input.length) ?? [];
    list.push({ tap, input, output });
    bySize.set(input.length, list);
  }
  return [...bySize]
    .sort(([a], [b]) => b - a)
    .map(([pairs, list]) => ({
      taps: list.map(({ tap }) => tap),
      pairs,
      inputRows: Int32Array.from(list.flatMap(({ input }) => input)),
      outputRows: Int32Array.from(list.flatMap(({ output }) => output)),
    }));
}

/**
 * For each of `rows` rows, the places in the groups' concatenated pair lists that add up to it: J lists of `rows` numbers,
 * J the most that any row has; `total` (one past the last) fills up.
 */
export function summands(
  groups: readonly TapGroup[],
  rows: number,
  side: "inputRows" | "outputRows",
): { lists: Int32Array[]; total: number } {
  const places: number[][] = Array.from({ length: rows }, () => []);
  let at = 0;
  for (const group of groups) for (const row of group[side]) places[row].push(at++);
  const most = Math.max(1, ...places.map((list) => list.length));
  const lists = Array.from({ length: most }, (_, j) => Int32Array.from(places, (list) => list[j] ?? at));
  return { lists, total: at };
}
