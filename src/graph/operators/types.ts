/**
 * What operators are described with: element types and shapes, the attributes of each operator by its name, and the writer of
 * ONNX nodes. The operator itself, the table of operators, stands in `core.ts` beside the tensors that its gradient is made of.
 */

export type DType = "float32" | "int32" | "int64" | "bool" | "uint32";
export type Shape = readonly number[];

export interface TensorType {
  readonly shape: Shape;
  readonly dtype: DType;
}

export type TensorData = Float32Array | Int32Array | BigInt64Array | Uint8Array | Uint32Array;

type None = Record<never, never>;

/** Geometry of a convolution or a pooling window, one entry per spatial axis. */
export interface WindowAttributes {
  readonly stride: readonly number[];
  readonly padBegin: readonly number[];
  readonly padEnd: readonly number[];
  readonly dilation: readonly number[];
}

export interface ConvAttributes extends WindowAttributes {
  readonly groups: number;
}

/** The attributes of every operator. */
export interface Attributes {
  // elementwise, one input
  neg: None;
  exp: None;
  log: None;
  sqrt: None;
  abs: None;
  reciprocal: None;
  sign: None;
  floor: None;
  relu: None;
  leakyRelu: { readonly slope: number };
  sigmoid: None;
  tanh: None;
  softplus: None;
  clip: { readonly min: number; readonly max: number };
  cast: { readonly to: DType };
  stopGradient: None;
  not: None;
  // elementwise, two inputs with broadcasting
  add: None;
  /** Sum of any number of equal shapes. */
  addAll: None;
  sub: None;
  mul: None;
  div: None;
  pow: None;
  maximum: None;
  minimum: None;
  equal: None;
  less: None;
  lessOrEqual: None;
  greater: None;
  greaterOrEqual: None;
  and: None;
  or: None;
  where: None;
  bitwiseXor: None;
  bitShift: { readonly direction: "left" | "right" };
  // reductions
  reduceSum: Reduction;
  reduceMean: Reduction;
  reduceMax: Reduction;
  reduceMin: Reduction;
  reduceSumSquare: Reduction;
  argMax: { readonly axis: number; readonly keepDims: boolean };
  // movement
  reshape: { readonly shape: Shape };
  transpose: { readonly permutation: readonly number[] };
  expand: { readonly shape: Shape };
  concat: { readonly axis: number };
  slice: { readonly start: readonly number[]; readonly end: readonly number[]; readonly step: readonly number[] };
  pad: { readonly before: readonly number[]; readonly after: readonly number[]; readonly value: number };
  gather: { readonly axis: number };
  gatherElements: { readonly axis: number };
  scatterAdd: { readonly axis: number; readonly shape: Shape };
  /** Sums of rows, with the transposed lists beside: see `takeRows`. */
  takeRows: None;
  // linear algebra
  matmul: { readonly transposeA: boolean; readonly transposeB: boolean; readonly alpha: number };
  /** Multiplies along one axis by a matrix [out, in]. */
  axisMatrix: { readonly axis: number };
  conv: ConvAttributes;
  convTranspose: ConvAttributes & { readonly outputSpatial: readonly number[] };
  convWeightGradient: ConvAttributes & { readonly kernel: readonly number[] };
  // pooling
  maxPool: WindowAttributes & { readonly kernel: readonly number[] };
  maxPoolGradient: { readonly inputShape: Shape };
  averagePool: WindowAttributes & { readonly kernel: readonly number[]; readonly countIncludePad: boolean };
  // normalisation and softmax
  batchNorm: { readonly epsilon: number };
  batchNormInference: { readonly epsilon: number };
  channelAffine: None;
  softmax: { readonly axis: number };
  logSoftmax: { readonly axis: number };
  // static outside, of sizes known only at run time inside (`selection.ts`)
  /** Brings an image of any size onto a canvas. */
  fitToCanvas: Fitting;
  topK: { readonly count: number };
  nonMaximumSuppression: { readonly threshold: number; readonly least: number };
  /** Greedy choice by a matrix of who ousts whom. */
  greedyChoice: None;
  alignRegions: {
    /** Bins, in the order of the map's axes. */
    readonly outputSize: readonly number[];
    /** Per map, cells per unit of box coordinates. */
    readonly scales: readonly number[];
    readonly samplingRatio: number;
    readonly aligned: boolean;
  };
}

/** How an image comes onto a canvas. */
export interface Fitting {
  /** In the order of the image's spatial axes. */
  readonly canvas: readonly number[];
  /** The shorter side is brought to `short`, the longer one at most to `long`; null: not resized. */
  readonly sides: { readonly short: number; readonly long: number } | null;
}

export interface Reduction {
  readonly axes: readonly number[];
  readonly keepDims: boolean;
}

export type OperatorName = keyof Attributes;

export type OnnxAttribute = number | { readonly float: number } | string | readonly number[];

/** Writes ONNX nodes; values are named by strings. */
export interface Emitter {
  /** Adds a node and returns the names of its outputs. */
  node(
    type: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, OnnxAttribute>>,
    outputs?: number,
    domain?: string,
  ): string[];
  /** An initializer; equal ones are shared. */
  constant(data: TensorData, shape: Shape, dtype?: DType): string;
  /** A one-dimensional int64 initializer, as shapes, axes and pads want it. */
  int64s(values: readonly number[]): string;
  /** A float32 scalar initializer. */
  scalar(value: number): string;
  /**
   * Repeats `body`, at least once, for as long as its `again` (a bool scalar) says so, and gives the last state. Types are those of the
   * state; what the body returns must come from nodes written in it.
   */
  loop(
    state: readonly string[],
    types: readonly TensorType[],
    body: (state: readonly string[]) => { readonly again: string; readonly state: readonly string[] },
  ): string[];
  /** Whether operators of the domain `com.microsoft` may be used. */
  readonly contrib: boolean;
}

export interface EmitContext<A> {
  readonly inputs: readonly string[];
  readonly inputTypes: readonly TensorType[];
  readonly outputTypes: readonly TensorType[];
  readonly attributes: A;
  /** Whether an axis here is free: what is written must then hold none of its sizes. */
  readonly anySize?: boolean;
}
