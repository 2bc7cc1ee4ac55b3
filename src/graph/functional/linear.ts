/** Matrix products, convolutions, pooling: everything with a window or a weight. Two- and three-dimensional alike. */
import { ShapeError } from "../../errors.ts";
import { shapeText, type Tensor } from "../core.ts";
import { add } from "./elementwise.ts";
import { reshape } from "./movement.ts";

/** One number for all spatial axes, or one per axis. */
export type PerAxis = number | readonly number[];

export interface MatmulOptions {
  transposeA?: boolean;
  transposeB?: boolean;
  /** A factor on the product. */
  alpha?: number;
}

/** Matrix product over the last two axes; the others broadcast. */
export function matmul(
  a: Tensor,
  b: Tensor,
  { transposeA = false, transposeB = false, alpha = 1 }: MatmulOptions = {},
): Tensor {
  return a.graph.add("matmul", [a, b], { transposeA, transposeB, alpha })[0];
}

/** y = x·wᵀ + b with x [N, In] (or [N, In, 1, …]), w [Out, In], b [Out]. */
export function linear(x: Tensor, w: Tensor, b?: Tensor): Tensor {
  const flat = x.rank === 2 ? x : reshape(x, [x.shape[0], -1]);
  const y = matmul(flat, w, { transposeB: true });
  return b === undefined ? y : add(y, b);
}

export interface ConvOptions {
  stride?: PerAxis;
  /** Zeros before and after each axis. */
  padding?: PerAxis;
  dilation?: PerAxis;
  groups?: number;
  /** [Co], added to every position. */
  bias?: Tensor;
}

/** Convolution (cross-correlation): x [N, Ci, …], w [Co, Ci/groups, k…] → [N, Co, …]. */
export function conv(x: Tensor, w: Tensor, options: ConvOptions = {}): Tensor {
  const axes = x.rank - 2;
  const padding = perAxis("conv", options.padding ?? 0, axes);
  const [y] = x.graph.add("conv", [x, w], {
    stride: perAxis("conv", options.stride ?? 1, axes),
    padBegin: padding,
    padEnd: padding,
    dilation: perAxis("conv", options.dilation ?? 1, axes),
    groups: options.groups ?? 1,
  });
  return options.bias === undefined ? y : add(y, channelwise(options.bias, axes));
}

export interface ConvTransposeOptions extends ConvOptions {
  /** Added to one side of the output size. */
  outputPadding?: PerAxis;
}

/** Transposed convolution: x [N, Ci, …], w [Ci, Co/groups, k…] → [N, Co, …], sizes as PyTorch's ConvTranspose. */
export function convTranspose(x: Tensor, w: Tensor, options: ConvTransposeOptions = {}): Tensor {
  const axes = x.rank - 2;
  const stride = perAxis("convTranspose", options.stride ?? 1, axes);
  const padding = perAxis("convTranspose", options.padding ?? 0, axes);
  const dilation = perAxis("convTranspose", options.dilation ?? 1, axes);
  const extra = perAxis("convTranspose", options.outputPadding ?? 0, axes);
  const outputSpatial = stride.map(
    (s, i) => (x.shape[i + 2] - 1) * s - 2 * padding[i] + dilation[i] * (w.shape[i + 2] - 1) + extra[i] + 1,
  );
  const [y] = x.graph.add("convTranspose", [x, w], {
    stride,
    padBegin: padding,
    padEnd: padding,
    dilation,
    groups: options.groups ?? 1,
    outputSpatial,
  });
  return options.bias === undefined ? y : add(y, channelwise(options.bias, axes));
}

export interface PoolOptions {
  kernel: PerAxis;
  /** The kernel's size by default. */
  stride?: PerAxis;
  padding?: PerAxis;
}

/** Largest value in each window. */
export function maxPool(x: Tensor, options: PoolOptions): Tensor {
  const { kernel, ...window } = poolWindow("maxPool", x, options);
  return x.graph.add("maxPool", [x], { kernel, ...window })[0];
}

/** Mean of each window; zeros of the padding count unless `countIncludePad` is false. */
export function averagePool(x: Tensor, options: PoolOptions & { countIncludePad?: boolean }): Tensor {
  const window = poolWindow("averagePool", x, options);
  return x.graph.add("averagePool", [x], { ...window, countIncludePad: options.countIncludePad ?? true })[0];
}

/** A [C] vector as [C, 1, …], so that it broadcasts over [N, C, …]. */
export function channelwise(vector: Tensor, spatialAxes: number): Tensor {
  return reshape(vector, [vector.size, ...new Array<number>(spatialAxes).fill(1)]);
}

function poolWindow(op: string, x: Tensor, { kernel, stride, padding = 0 }: PoolOptions) {
  const axes = x.rank - 2;
  if (axes < 1) throw new ShapeError(`${op}: ${shapeText(x.shape)} has no spatial axes; it takes [N, C, …]`);
  const pad = perAxis(op, padding, axes);
  return {
    kernel: perAxis(op, kernel, axes),
    stride: perAxis(op, stride ?? kernel, axes),
    padBegin: pad,
    padEnd: pad,
    dilation: perAxis(op, 1, axes),
  };
}

function perAxis(op: string, value: PerAxis, axes: number): number[] {
  const list = typeof value === "number" ? new Array<number>(Math.max(axes, 0)).fill(value) : [...value];
  if (list.length !== axes)
    throw new ShapeError(`${op}: ${list.length} values [${list.join(", ")}] for ${axes} spatial axes`);
  return list;
}
