/**
 * Channel-first forms of a convolution's derivatives that are faster on the CPU than the operator table's: the input's
 * gradient as a Conv with the kernel turned around (ConvTranspose runs at a tenth of Conv's rate).
 */
import type { Tensor } from "../core.ts";
import { matmul } from "../functional/linear.ts";
import { concat, gather, pad, reshape, slice, transpose } from "../functional/movement.ts";
import { sum } from "../functional/reduce.ts";
import { spreadOut } from "../operators/movement.ts";
import type { Attributes } from "../operators/types.ts";

/** The transposed convolution of y [N, Co, …] with w [Co, Ci/groups, k…] as zero-stuffing and a stride-1 Conv. */
export function turnedConv(y: Tensor, w: Tensor, attributes: Attributes["convTranspose"]): Tensor {
  const { stride, padBegin, dilation, groups, outputSpatial } = attributes;
  const kernel = w.shape.slice(2);
  let x = y;
  for (const [i, by] of stride.entries()) x = spreadOut(x, i + 2, by);
  const before = kernel.map((k, i) => dilation[i] * (k - 1) - padBegin[i]);
  // As many zeros as the output's size needs: the forward pass may have left the end of its input unused.
  const after = outputSpatial.map((n, i) => n + dilation[i] * (kernel[i] - 1) - x.shape[i + 2] - before[i]);
  // Where the padding is larger than the kernel's reach, the border is cut instead of filled up.
  const cutBefore = before.map((n) => Math.max(0, -n));
  const cutAfter = after.map((n) => Math.max(0, -n));
  x = slice(x, {
    axes: kernel.map((_, i) => i + 2),
    start: cutBefore,
    end: kernel.map((_, i) => x.shape[i + 2] - cutAfter[i]),
  });
  const padBefore = before.map((n) => Math.max(0, n));
  const padAfter = after.map((n) => Math.max(0, n));
  // Uneven zero-stuffed borders go into the Conv's own padding, which costs nothing.
  return x.graph.add("conv", [x, turned(w, groups)], {
    stride: stride.map(() => 1),
    padBegin: padBefore,
    padEnd: padAfter,
    dilation,
    groups,
  })[0];
}

/** [Co, Ci/g, k…] → [Ci, Co/g, k… turned around]. */
function turned(w: Tensor, groups: number): Tensor {
  const [co, ci, ...kernel] = w.shape;
  const taps = kernel.reduce((a, b) => a * b, 1);
  // Turned while the taps are the first axis: a Gather of whole rows is a copy, of single numbers it is slow.
  let t = transpose(reshape(w, [groups, co / groups, ci, taps]), [3, 0, 2, 1]);
  if (taps > 1)
    t = gather(
      t,
      Array.from({ length: taps }, (_, k) => taps - 1 - k),
      0,
    );
  return reshape(transpose(t, [1, 2, 3, 0]), [groups * ci, co / groups, ...kernel]);
}

/** Slices of the first axis that one product takes together, so that its copies stay in the cache. */
const CHUNK = 4;

/** Whether {@link shiftedProducts} takes a convolution. */
export function takesShiftedProducts({
  stride,
  padBegin,
  padEnd,
  dilation,
  groups,
  kernel,
}: Attributes["convWeightGradient"]): boolean {
  const last = kernel.length - 1;
  const reach = dilation[last] * (kernel[last] - 1);
  return (
    groups === 1 &&
    kernel.length >= 2 &&
    stride.every((s) => s === 1) &&
    padBegin[last] <= reach &&
    padEnd[last] <= reach
  );
}

/**
 * The weights' gradient where channels are few and maps are large. Shifts along all axes but the last come from one Gather
 * of whole lines of x, shifts along the last from slices of a padded output gradient; one product `[taps·Ci, P] × [P, kw·Co]`
 * then holds all taps, with k² + k copies instead of k³.
 */
export function shiftedProducts(
  x: Tensor,
  g: Tensor,
  { padBegin, dilation, kernel }: Attributes["convWeightGradient"],
): Tensor {
  const { graph } = x;
  const [n, ci, ...input] = x.shape;
  const [, co, ...output] = g.shape;
  const last = kernel.length - 1;
  const lines = input.slice(0, last);
  const lineCount = lines.reduce((a, b) => a * b, 1);
  const width = input[last];
  const outerTaps = kernel.slice(0, last).reduce((a, b) => a * b, 1);
  const zeroLine = graph.constant(new Float32Array(n * ci * width), [n, ci, 1, width]);
  const padded = concat([reshape(x, [n, ci, lineCount, width]), zeroLine], 2);
  const before = Math.max(0, dilation[last] * (kernel[last] - 1) - padBegin[last]);
  const after = width + padBegin[last] - output[last];
  const none = g.shape.map(() => 0);
  const spread = pad(g, [...none.slice(0, -1), before], [...none.slice(0, -1), Math.max(0, after)]);
  const parts: Tensor[] = [];
  for (let from = 0; from < output[0]; from += CHUNK) {
    const to = Math.min(output[0], from + CHUNK);
    const rows = shiftedLines({ stride: kernel.map(() => 1), padBegin, dilation, kernel, lines, output }, from, to);
    const positions = (rows.length / outerTaps) * width;
    const shifted = reshape(gather(padded, graph.constant(rows), 2), [n, ci * outerTaps, positions]);
    const sides = Array.from({ length: kernel[last] }, (_, k) => {
      const start = before - k * dilation[last] + padBegin[last];
      const side = slice(spread, { axes: [2, last + 2], start: [from, start], end: [to, start + width] });
      return reshape(side, [n, co, positions]);
    });
    parts.push(matmul(shifted, concat(sides, 1), { transposeB: true }));
  }
  const total = parts.length === 1 ? parts[0] : graph.add("addAll", parts, {})[0];
  const taps = reshape(sum(total, { axes: [0] }), [ci, outerTaps, kernel[last], co]);
  return reshape(transpose(taps, [3, 0, 1, 2]), [co, ci, ...kernel]);
}

/** For each outer tap, the line of x (all axes but the last) that each output line of [from, to) meets; one past the end for padding. */
function shiftedLines(
  {
    stride,
    padBegin,
    dilation,
    kernel,
    lines,
    output,
  }: Pick<Attributes["convWeightGradient"], "stride" | "padBegin" | "dilation" | "kernel"> & {
    readonly lines: readonly number[];
    readonly output: readonly number[];
  },
  from: number,
  to: number,
): Int32Array {
  const axes = lines.length;
  const found: number[] = [];
  const none = lines.reduce((a, b) => a * b, 1);
  const walkTaps = (axis: number, tap: number[]): void => {
    if (axis < axes) {
      for (let k = 0; k < kernel[axis]; k++) walkTaps(axis + 1, [...tap, k]);
      return;
    }
    const walkLines = (at: number, line: number): void => {
      if (at === axes) {
        found.push(line < 0 ? none : line);
        return;
      }
      for (let o = at === 0 ? from : 0; o < (at === 0 ? to : output[at]); o++) {
        const i = o * stride[at] + tap[at] * dilation[at] - padBegin[at];
        walkLines(at + 1, line < 0 || i < 0 || i >= lines[at] ? -1 : line * lines[at] + i);
      }
    };
    walkLines(0, 0);
  };
  walkTaps(0, []);
  return Int32Array.from(found);
}

/** The weights' gradient of a 1×1×1 convolution: one product over all positions. */
export function pointwiseToWeights(x: Tensor, g: Tensor): Tensor {
  const flat = (t: Tensor): Tensor => reshape(t, [t.shape[0], t.shape[1], t.size / (t.shape[0] * t.shape[1])]);
  const products = matmul(flat(g), flat(x), { transposeB: true });
  return reshape(sum(products, { axes: [0] }), [g.shape[1], x.shape[1], ...x.shape.slice(2).map(() => 1)]);
}

/** A window over few channels: so many numbers at most per position. */
const NARROW_WINDOW = 512;

/** Whether {@link windowProducts} takes a convolution: few input channels under a large window, as in a network's first layer. */
export function takesWindowProducts(x: Tensor, { groups, kernel }: Attributes["convWeightGradient"]): boolean {
  return (
    groups === 1 &&
    kernel.length >= 2 &&
    x.shape[1] <= 4 &&
    x.shape[1] * kernel.reduce((a, b) => a * b, 1) <= NARROW_WINDOW
  );
}

/**
 * The weights' gradient of a first layer: windows of x laid out as `[taps·Ci, P]` (the taps along the last axis by strided
 * slices, the others by one Gather of lines) times the output gradient `[P, Co]`, a few slices at a time.
 */
export function windowProducts(
  x: Tensor,
  g: Tensor,
  { stride, padBegin, dilation, kernel }: Attributes["convWeightGradient"],
): Tensor {
  const { graph } = x;
  const [n, ci, ...input] = x.shape;
  const [, co, ...output] = g.shape;
  const last = kernel.length - 1;
  const lines = input.slice(0, last);
  const lineCount = lines.reduce((a, b) => a * b, 1);
  const width = output[last];
  const outerTaps = kernel.slice(0, last).reduce((a, b) => a * b, 1);
  const reach = (width - 1) * stride[last] + dilation[last] * (kernel[last] - 1) + 1;
  const after = Math.max(0, reach - padBegin[last] - input[last]);
  // One line of zeros at the end, for windows that leave the map along the other axes.
  const padded = pad(reshape(x, [n, ci, lineCount, input[last]]), [0, 0, 0, padBegin[last]], [0, 0, 1, after]);
  const taps = Array.from({ length: kernel[last] }, (_, k) => {
    const start = k * dilation[last];
    return slice(padded, {
      axes: [3],
      start: [start],
      end: [start + (width - 1) * stride[last] + 1],
      step: [stride[last]],
    });
  });
  const windows = concat(taps, 1);
  const parts: Tensor[] = [];
  for (let from = 0; from < output[0]; from += CHUNK) {
    const to = Math.min(output[0], from + CHUNK);
    const rows = shiftedLines({ stride, padBegin, dilation, kernel, lines, output }, from, to);
    const positions = (rows.length / outerTaps) * width;
    const shifted = reshape(gather(windows, graph.constant(rows), 2), [n, kernel[last] * ci * outerTaps, positions]);
    const side = reshape(slice(g, { axes: [2], start: [from], end: [to] }), [n, co, positions]);
    parts.push(matmul(shifted, side, { transposeB: true }));
  }
  const total = parts.length === 1 ? parts[0] : graph.add("addAll", parts, {})[0];
  const gathered = reshape(sum(total, { axes: [0] }), [kernel[last], ci, outerTaps, co]);
  return reshape(transpose(gathered, [3, 1, 2, 0]), [co, ci, ...kernel]);
}
