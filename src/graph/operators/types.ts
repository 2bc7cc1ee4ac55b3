/**
 * What every operator must bring: a shape rule, an ONNX form and a gradient. {@link OperatorTable} is a mapped type over
 * {@link Attributes}, so an operator without one of the three does not compile.
 */
import type { DType, Shape, Tensor, TensorData, TensorType } from "../core.ts";

type None = Record<never, never>;

/** Geometry of a convolution or a pooling window, one entry per spatial axis. */
export interface Window {
  readonly stride: readonly number[];
  readonly padBegin: readonly number[];
  readonly padEnd: readonly number[];
  readonly dilation: readonly number[];
}

export interface ConvAttributes extends Window {
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
  maxPool: Window & { readonly kernel: readonly number[] };
  maxPoolGradient: { readonly inputShape: Shape };
  averagePool: Window & { readonly kernel: readonly number[]; readonly countIncludePad: boolean };
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
  /** An initialiser; equal ones are shared. */
  constant(data: TensorData, shape: Shape, dtype?: DType): string;
  /** A one-dimensional int64 initialiser, as shapes, axes and pads want it. */
  int64s(values: readonly number[]): string;
  /** A float32 scalar initialiser. */
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
}

export interface GradientContext<A> {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly attributes: A;
  /** The gradient of the loss by each output; undefined where the loss does not depend on it. */
  readonly upstream: readonly (Tensor | undefined)[];
  /** Which inputs a gradient is wanted for; a rule may skip the others. */
  readonly wanted: readonly boolean[];
}

/** Gives the gradient by each input, or undefined for inputs that have none. */
export type GradientRule<A> = (context: GradientContext<A>) => readonly (Tensor | undefined)[];

export interface Operator<A> {
  /** Types of the outputs. @throws ShapeError naming operator, sizes and rule. */
  readonly shape: (inputs: readonly TensorType[], attributes: A) => TensorType[];
  /** Writes the operator as standard ONNX nodes and returns the names of its outputs. */
  readonly onnx: (emit: Emitter, context: EmitContext<A>) => readonly string[];
  /**
   * `"none"` for operators that are constant almost everywhere or defined on integers; `"refused"` for those of inference alone, whose
   * values move.
   */
  readonly gradient: GradientRule<A> | "none" | "refused";
}

export type OperatorTable = { readonly [K in OperatorName]: Operator<Attributes[K]> };

/** One family of operators, as its file exports it. */
export type Family<K extends OperatorName> = { readonly [Name in K]: Operator<Attributes[Name]> };
