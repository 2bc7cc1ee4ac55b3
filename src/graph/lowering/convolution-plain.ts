/**
 * Channel-first forms of a convolution's derivatives that are faster on the CPU than the operator table's: the input's
 * gradient as a Conv with the kernel turned around (ConvTranspose runs at a tenth of Conv's rate).
 */
import type { Tensor } from "../core.ts";
import { gather, reshape, slice, transpose } from "../functional/movement.ts";
import { spreadOut } from "../operators/movement.ts";
import type { Attributes } from "../operators/types.ts";

/** The transposed convolution of y [N, Co, …] with w [Co, Ci/groups, k…] as zero-stuffing and a stride-1 Conv. */
export function turnedConv(y: Tensor, w: Tensor, attributes: Attributes["convTranspose"]): Tensor {
  const { stride, padBegin, dilation, groups, outputSpatial } = attributes;
  const kernel = w.shape.slice(2);
  let x = y;
  for (const [i, by] of stride.entries()) x = spreadOut(x, i + 2, by);
  const before = kernel.map((k, i) => dilation[i] * (k - 1) - padBegin[i]);
  // What the output's size needs; the forward pass may have left a rest of its input unused.
  const after = outputSpatial.map((n, i) => n + dilation[i] * (kernel[i] - 1) - x.shape[i + 2] - before[i]);
  // A kernel smaller than its padding cuts instead.
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
