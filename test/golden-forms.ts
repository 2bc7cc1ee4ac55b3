/** The operator cases of `test/golden/operators.json` as medvox graphs, forward and gradients. */
import * as m from "../src/graph/index.ts";
import { type BuildingGraph, cleanUp, encodeOnnx, gradients, graph, lower, type Tensor } from "../src/graph/index.ts";
import { countOf, formula, type GoldenCase, inputNumbers } from "./golden-values.ts";

export interface CaseGraph {
  readonly graph: BuildingGraph;
  /** `output_0`, … and, for the inputs that have one, `gradient_0`, …. */
  readonly asked: Readonly<Record<string, Tensor>>;
  /** `input_0`, … and, where there are gradients, `upstream`. */
  readonly feeds: Readonly<Record<string, { readonly data: m.TensorData; readonly shape: readonly number[] }>>;
}

/** A graph that computes a case's outputs and the gradients of sum(first output · upstream). */
export function caseGraph(golden: GoldenCase, training = false): CaseGraph {
  const g = graph({ training });
  const inputs = golden.inputs.map(({ shape, dtype }, i) => g.input(`input_${i}`, shape, dtype ?? "float32"));
  const form = forms[golden.op];
  if (form === undefined)
    throw new Error(`the fixture has an operator ${golden.op}; golden-forms.ts has no form of it`);
  const made = form(inputs, golden.attributes as never, golden.inputs);
  const outputs = Array.isArray(made) ? made : [made];
  const asked: Record<string, Tensor> = Object.fromEntries(outputs.map((output, i) => [`output_${i}`, output]));
  const feeds: Record<string, { data: m.TensorData; shape: readonly number[] }> = {};
  for (const [i, input] of golden.inputs.entries()) {
    feeds[`input_${i}`] = { data: arrayOf(input.dtype, inputNumbers(input)), shape: input.shape };
  }
  if (golden.upstream && golden.gradients) {
    const { shape } = outputs[0];
    const upstream = g.input("upstream", shape);
    feeds.upstream = { data: formula(golden.upstream.seed, countOf(shape)), shape };
    const wanted = golden.gradients.flatMap((gradient, i) => (gradient === null ? [] : [i]));
    const loss = m.sum(m.mul(outputs[0], upstream));
    const found = gradients(
      loss,
      wanted.map((i) => inputs[i]),
    );
    for (const [k, i] of wanted.entries()) asked[`gradient_${i}`] = found[k];
  }
  return { graph: g, asked, feeds };
}

export interface EncodeOptions {
  /** Nodes of com.microsoft. */
  readonly contrib: boolean;
  /** Fast equivalent forms. */
  readonly lowering: boolean;
}

/** ONNX bytes of a case's graph, made as training makes them. */
export function encodeCase({ graph: g, asked }: CaseGraph, { contrib, lowering }: EncodeOptions): Uint8Array {
  if (!lowering) return g.toOnnx(asked, { contrib });
  const names = Object.keys(asked);
  const named = (tensors: readonly Tensor[]): Record<string, Tensor> =>
    Object.fromEntries(names.map((name, i) => [name, tensors[i]]));
  const clean = cleanUp(g, Object.values(asked));
  const lowered = lower(clean.graph, named(clean.outputs));
  const last = cleanUp(
    lowered.graph,
    names.map((name) => lowered.outputs[name]),
  );
  return encodeOnnx(last.graph, named(last.outputs), { contrib });
}

function arrayOf(dtype: "int64" | "bool" | undefined, numbers: ArrayLike<number>): m.TensorData {
  if (dtype === "int64") return BigInt64Array.from(Array.from(numbers), BigInt);
  if (dtype === "bool") return Uint8Array.from(numbers);
  return Float32Array.from(numbers);
}

type Form = (inputs: readonly Tensor[], attributes: never, described: GoldenCase["inputs"]) => Tensor | Tensor[];

const oneInput =
  (f: (x: Tensor) => Tensor): Form =>
  (inputs) =>
    f(inputs[0]);
const twoInputs =
  (f: (a: Tensor, b: Tensor) => Tensor): Form =>
  (inputs) =>
    f(inputs[0], inputs[1]);
const comparison =
  (f: (a: Tensor, b: Tensor) => Tensor): Form =>
  ([a, b]) =>
    m.cast(f(a, b), "float32");

/** Each operator of the fixture in medvox's words; `oracle/README.md` says what its attributes mean. */
const forms: Readonly<Record<string, Form>> = {
  neg: oneInput(m.neg),
  exp: oneInput(m.exp),
  log: oneInput(m.log),
  sqrt: oneInput(m.sqrt),
  abs: oneInput(m.abs),
  reciprocal: oneInput(m.reciprocal),
  square: oneInput(m.square),
  sign: oneInput(m.sign),
  floor: oneInput(m.floor),
  relu: oneInput(m.relu),
  sigmoid: oneInput(m.sigmoid),
  tanh: oneInput(m.tanh),
  softplus: oneInput(m.softplus),
  globalAveragePool: oneInput(m.globalAveragePool),
  stopGradient: oneInput((x) => m.mul(x, m.stopGradient(x))),
  leakyRelu: ([x], { slope }: { slope: number }) => m.leakyRelu(x, slope),
  clip: ([x], { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY }: { min?: number; max?: number }) =>
    m.clip(x, min, max),
  cast: ([x], { to }: { to: m.DType }) => m.cast(x, to),
  softmax: ([x], { axis }: { axis: number }) => m.softmax(x, axis),
  logSoftmax: ([x], { axis }: { axis: number }) => m.logSoftmax(x, axis),

  add: twoInputs(m.add),
  sub: twoInputs(m.sub),
  mul: twoInputs(m.mul),
  div: twoInputs(m.div),
  pow: twoInputs(m.pow),
  maximum: twoInputs(m.maximum),
  minimum: twoInputs(m.minimum),
  matmul: ([a, b], options: m.MatmulOptions) => m.matmul(a, b, options),
  and: comparison(m.and),
  or: comparison(m.or),
  not: oneInput((x) => m.cast(m.not(x), "float32")),
  greater: comparison(m.greater),
  greaterOrEqual: comparison(m.greaterOrEqual),
  less: comparison(m.less),
  lessOrEqual: comparison(m.lessOrEqual),
  equal: comparison(m.equal),
  where: ([condition, a, b]) => m.where(condition, a, b),
  linear: ([x, w, b]) => m.linear(x, w, b),

  sum: ([x], options: m.ReduceOptions) => m.sum(x, options),
  mean: ([x], options: m.ReduceOptions) => m.mean(x, options),
  max: ([x], options: m.ReduceOptions) => m.max(x, options),
  min: ([x], options: m.ReduceOptions) => m.min(x, options),

  sumSquare: ([x], options: m.ReduceOptions) => m.sumSquare(x, options),
  argMax: ([x], { axis, keepDims }: { axis: number; keepDims: boolean }) => m.argMax(x, axis, keepDims),

  conv: ([x, w, bias], options: m.ConvOptions) => m.conv(x, w, { ...options, bias }),
  convTranspose: ([x, w, bias], options: m.ConvTransposeOptions) => m.convTranspose(x, w, { ...options, bias }),
  maxPool: ([x], options: m.PoolOptions) => m.maxPool(x, options),
  averagePool: ([x], options: m.PoolOptions & { countIncludePad: boolean }) => m.averagePool(x, options),

  batchNorm: batchNormAndRunningStatistics,
  batchStatistics: ([x]) => {
    const ones = x.graph.constant(new Float32Array(x.shape[1]).fill(1));
    const { mean, variance } = m.batchNorm(x, ones, ones);
    return m.add(mean, variance);
  },
  channelAffine: ([x, a, b]) => m.channelAffine(x, a, b),
  instanceNorm: ([x, w, b], { epsilon }: { epsilon: number }) => m.instanceNorm(x, w, b, epsilon),
  groupNorm: ([x, w, b], { groups, epsilon }: { groups: number; epsilon: number }) =>
    m.groupNorm(x, groups, w, b, epsilon),
  layerNorm: ([x, w, b], { axes, epsilon }: { axes: number; epsilon: number }) => m.layerNorm(x, axes, w, b, epsilon),

  resize: ([x], options: m.ResizeOptions) => m.resize(x, options),
  roiAlign: regions,

  concat: (inputs, { axis }: { axis: number }) => m.concat(inputs, axis),
  slice: ([x], { starts, ends, steps, axes }: Record<"starts" | "ends" | "steps" | "axes", number[]>) =>
    m.slice(x, { start: starts, end: ends, step: steps, axes }),
  pad: ([x], { before, after, value }: { before: number[]; after: number[]; value: number }) =>
    m.pad(x, before, after, value),
  reshape: ([x], { shape }: { shape: number[] }) => m.reshape(x, shape),
  transpose: ([x], { permutation }: { permutation: number[] }) => m.transpose(x, permutation),
  expand: ([x], { shape }: { shape: number[] }) => m.expand(x, shape),
  scatterAdd: ([updates, indices], { axis, shape }: { axis: number; shape: number[] }) =>
    m.scatterAdd(updates, indices, axis, shape),
  gather: ([x, indices], { axis }: { axis: number }) => m.gather(x, indices, axis),
  gatherElements: ([x, indices], { axis }: { axis: number }) => m.gatherElements(x, indices, axis),
};

/** The output and, in training, the running statistics after the step: PyTorch keeps the unbiased variance. */
function batchNormAndRunningStatistics(
  [x, scale, bias, runningMean, runningVariance]: readonly Tensor[],
  { training, momentum, epsilon }: { training: boolean; momentum: number; epsilon: number },
): Tensor | Tensor[] {
  if (!training) return m.batchNormInference(x, scale, bias, runningMean, runningVariance, epsilon);
  const { output, mean, variance } = m.batchNorm(x, scale, bias, epsilon);
  const count = x.size / x.shape[1];
  const blend = (old: Tensor, now: Tensor, factor: number): Tensor =>
    m.add(m.mul(old, 1 - momentum), m.mul(now, momentum * factor));
  return [output, blend(runningMean, mean, 1), blend(runningVariance, variance, count / (count - 1))];
}

/** medvox takes as many boxes for each image, the fixture any number: rows are padded and the wanted ones picked. */
function regions(
  [x, boxes]: readonly Tensor[],
  { size, ...options }: Omit<m.RoiAlignOptions, "outputSize"> & { size: number[] },
  described: GoldenCase["inputs"],
): Tensor {
  const batch = x.shape[0];
  const owners = described[2].values!;
  const rows = Array.from({ length: batch }, (_, image) =>
    owners.flatMap((owner, box) => (owner === image ? [box] : [])),
  );
  const most = Math.max(...rows.map(({ length }) => length));
  const padded = rows.flatMap((own) => Array.from({ length: most }, (_, i) => own[i] ?? 0));
  const grouped = m.reshape(m.gather(boxes, padded, 0), [batch, most, boxes.shape[1]]);
  const cells = m.roiAlign(x, grouped, { outputSize: size, ...options });
  const flat = m.reshape(cells, [batch * most, ...cells.shape.slice(2)]);
  const wanted = owners.map((owner, box) => owner * most + rows[owner].indexOf(box));
  return m.gather(flat, wanted, 0);
}
