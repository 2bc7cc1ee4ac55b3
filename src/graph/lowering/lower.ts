/**
 * Lowering: the same values in the forms that the CPU computes fastest. Nodes are rebuilt one by one; each value keeps the
 * representation it was computed in (see `values.ts`) and is converted only where a reader needs another. Convolutions
 * choose by shape (`forms.ts`); elementwise nodes, norms and reductions follow their inputs, so a chain of layers stays in
 * rows from end to end, and an optimizer works on weights in the layout the convolutions read.
 */

import type { Node } from "../core.ts";
import { type Graph, Graph as GraphClass, sameShape, sizeOf, type Tensor, type TensorType } from "../core.ts";
import { concat, gather, reshape } from "../functional/movement.ts";
import { reachable } from "../gradients.ts";
import type { Attributes, ConvAttributes } from "../operators/types.ts";
import {
  pointwiseToWeights,
  shiftedProducts,
  takesShiftedProducts,
  takesWindowProducts,
  turnedConv,
  windowProducts,
} from "./convolution-plain.ts";
import {
  layoutOf,
  pairedForward,
  pairedToInput,
  pairedToWeights,
  type RowForm,
  wideForward,
  wideToInput,
  wideToWeights,
} from "./convolution-rows.ts";
import { axisMatrixRows, elementwise } from "./follow.ts";
import { type ConvolutionCase, chooseAlgorithms, chooseForms, type FormRule } from "./forms.ts";
import { pieceNames, pieceShapes, sameLayout, Value, type WeightLayout } from "./values.ts";
import type { WindowGeometry } from "./windows.ts";
import { winogradForward, winogradToInput, winogradToWeights } from "./winograd.ts";

export interface LowerOptions {
  /** Layouts that storage already has, by parameter; others are chosen here. */
  layouts?: ReadonlyMap<string, WeightLayout>;
  /** The parameter an entry is shaped and stored like: itself for a parameter, its parameter for optimizer state. */
  storedLike?: (entry: string) => string;
  /** Outputs that renew an entry (output → entry): they leave in the entry's layout. */
  renews?: Readonly<Record<string, string>>;
  /** False keeps every parameter in PyTorch's layout (for weights written into the file). */
  relayout?: boolean;
  /** Other forms than `forms.ts` chooses, to compare them. */
  rule?: FormRule;
}

export interface Lowered {
  readonly graph: Graph;
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** Parameters whose storage is in pieces: `name` stands for inputs `name#0`, … and so do outputs that renew it. */
  readonly layouts: ReadonlyMap<string, WeightLayout>;
}

/** On maps of fewer positions than this, the operator table's form of the weights' gradient is faster than shifted products. */
const SHIFTED_FROM = 1000;

/** Rebuilds the nodes that `outputs` need in forms that are faster on the CPU. */
export function lower(source: Graph, outputs: Readonly<Record<string, Tensor>>, options: LowerOptions = {}): Lowered {
  const { storedLike = (entry) => entry, renews = {}, rule = { chooseForms, chooseAlgorithms } } = options;
  const nodes = reachable(...Object.values(outputs));
  const layouts = new Map(options.layouts ?? (options.relayout === false ? [] : chooseLayouts(nodes, rule)));
  const target = new GraphClass(source.operators, { training: source.training });
  const values = new Map<Tensor, Value>();
  for (const tensor of source.inputs) {
    if (tensor.source.kind === "input")
      values.set(tensor, Value.plain(target.input(tensor.source.name, tensor.shape, tensor.dtype)));
  }
  for (const [name, tensor] of source.parameters)
    values.set(tensor, parameterValue(target, name, tensor, layouts.get(storedLike(name))));
  const find = (tensor: Tensor): Value => {
    const there = values.get(tensor);
    if (there !== undefined) return there;
    if (tensor.source.kind !== "constant") throw new Error("lower: a value is used before it is made");
    const made = Value.plain(target.constant(tensor.source.data, tensor.shape, tensor.dtype));
    values.set(tensor, made);
    return made;
  };
  for (const node of nodes) {
    const made = lowerNode(node, node.inputs.map(find), target, rule);
    for (const [i, output] of node.outputs.entries()) values.set(output, made[i]);
  }
  const result: Record<string, Tensor> = {};
  for (const [name, tensor] of Object.entries(outputs)) {
    const value = find(tensor);
    const entry = renews[name];
    const layout = entry === undefined ? undefined : layouts.get(storedLike(entry));
    if (layout === undefined) result[name] = value.plain();
    else for (const [i, piece] of value.pieces(layout).entries()) result[pieceNames(name, layout)[i]] = piece;
  }
  return { graph: target, outputs: result, layouts };
}

function parameterValue(target: Graph, name: string, tensor: Tensor, layout: WeightLayout | undefined): Value {
  if (tensor.source.kind !== "parameter") throw new Error("lower: not a parameter");
  const { initialize, trainable } = tensor.source.info;
  if (layout === undefined) return Value.plain(target.parameter(name, tensor.shape, initialize, { trainable }));
  const names = pieceNames(name, layout);
  const pieces = pieceShapes(tensor.shape, layout).map((shape, i) =>
    target.parameter(names[i], shape, initialize, { trainable }),
  );
  return Value.pieces(pieces, layout, tensor);
}

/** For each weight that a Conv reads, the layout its form wants; the first Conv decides. */
function chooseLayouts(nodes: readonly Node[], rule: FormRule): [string, WeightLayout][] {
  const chosen = new Map<string, WeightLayout>();
  for (const node of nodes) {
    if (node.op !== "conv") continue;
    const [x, w] = node.inputs;
    if (w.source.kind !== "parameter" || chosen.has(w.source.info.name)) continue;
    const convolution = caseOf(x, w, node.outputs[0], node.attributes as ConvAttributes);
    const { forward } = rule.chooseForms(convolution);
    if (forward !== "plain") chosen.set(w.source.info.name, layoutOf(forward, convolution.geometry));
  }
  return [...chosen];
}

/** The convolution x → y with weights w, whichever of its passes is at hand. */
function caseOf(x: TensorType, w: TensorType, y: TensorType, { groups, ...window }: ConvAttributes): ConvolutionCase {
  const geometry: WindowGeometry = {
    stride: window.stride,
    padBegin: window.padBegin,
    padEnd: window.padEnd,
    dilation: window.dilation,
    batch: x.shape[0],
    input: x.shape.slice(2),
    kernel: w.shape.slice(2),
    output: y.shape.slice(2),
  };
  return { geometry, ci: w.shape[1] * groups, co: w.shape[0], groups };
}

function lowerNode(node: Node, inputs: readonly Value[], target: Graph, rule: FormRule): readonly Value[] {
  const [output] = node.outputs;
  const copy = (): Value[] =>
    target
      .add(
        node.op,
        inputs.map((value) => value.plain()),
        node.attributes,
      )
      .map(Value.plain);
  if (target.operators[node.op].elementwise) return elementwise(node, inputs, target) ?? copy();
  switch (node.op) {
    case "conv": {
      const [x, w] = inputs;
      const convolution = caseOf(x.type, w.type, output, node.attributes as ConvAttributes);
      const { forward } = rule.chooseForms(convolution);
      if (forward === "plain") return copy();
      const { geometry } = convolution;
      const pieces = w.pieces(layoutFor(w, forward, geometry));
      const y =
        forward === "winograd"
          ? winogradForward(x.rows(), pieces[0], geometry, rule.chooseAlgorithms(convolution, target.training))
          : forward === "wide"
            ? wideForward(x.rows(), pieces[0], geometry)
            : pairedForward(x.rows(), pieces, geometry);
      return [Value.rows(y, output)];
    }
    case "convTranspose": {
      const [y, w] = inputs;
      const attributes = node.attributes as Attributes["convTranspose"];
      const convolution = caseOf(output, w.type, y.type, attributes);
      const { toInput } = rule.chooseForms(convolution);
      if (toInput === "plain") return [Value.plain(turnedConv(y.plain(), w.plain(), attributes))];
      const { geometry } = convolution;
      const pieces = w.pieces(layoutFor(w, toInput, geometry));
      const x =
        toInput === "winograd"
          ? winogradToInput(y.rows(), pieces[0], geometry, rule.chooseAlgorithms(convolution, target.training))
          : toInput === "wide"
            ? wideToInput(y.rows(), pieces[0], geometry)
            : pairedToInput(y.rows(), pieces, geometry);
      return [Value.rows(x, output)];
    }
    case "convWeightGradient": {
      const [x, g] = inputs;
      const convolution = caseOf(x.type, output, g.type, node.attributes as Attributes["convWeightGradient"]);
      const { toWeights } = rule.chooseForms(convolution);
      if (toWeights === "plain")
        return [plainToWeights(x.plain(), g.plain(), node.attributes as Attributes["convWeightGradient"])];
      const { geometry } = convolution;
      const pieces =
        toWeights === "winograd"
          ? [winogradToWeights(x.rows(), g.rows(), geometry, rule.chooseAlgorithms(convolution, target.training))]
          : toWeights === "wide"
            ? [wideToWeights(x.rows(), g.rows(), geometry)]
            : pairedToWeights(x.rows(), g.rows(), geometry);
      return [Value.pieces(pieces, layoutOf(toWeights, geometry), output)];
    }
    case "batchNorm":
    case "batchNormInference":
    case "channelAffine": {
      if (!inputs[0].hasRows) return copy();
      const [y, ...statistics] = target.add(
        node.op,
        [inputs[0].rows(), ...inputs.slice(1).map((v) => v.plain())],
        node.attributes,
      );
      return [Value.rows(y, output), ...statistics.map(Value.plain)];
    }
    case "reduceSum":
    case "reduceMean":
    case "reduceSumSquare":
      return reduceFollowing(node as Node<"reduceSum">, inputs[0], target) ?? copy();
    case "concat": {
      const { axis } = node.attributes as Attributes["concat"];
      if (axis !== 1 || output.rank < 3 || !inputs.some((value) => value.hasRows)) return copy();
      return [
        Value.rows(
          concat(
            inputs.map((value) => value.rows()),
            1,
          ),
          output,
        ),
      ];
    }
    case "slice":
      return sliceRows(node as Node<"slice">, inputs[0], target) ?? copy();
    case "axisMatrix": {
      const { axis } = node.attributes as Attributes["axisMatrix"];
      if (axis < 2 || !inputs[0].hasRows) return copy();
      return [Value.rows(axisMatrixRows(inputs[0].rows(), inputs[0].type, inputs[1].plain(), axis), output)];
    }
    default:
      return copy();
  }
}

/** The channel-first form of the weights' gradient: by shape, as all forms. */
function plainToWeights(x: Tensor, g: Tensor, attributes: Attributes["convWeightGradient"]): Value {
  const { kernel, stride, padBegin, groups } = attributes;
  const pointwise = groups === 1 && [...kernel, ...stride].every((n) => n === 1) && padBegin.every((n) => n === 0);
  if (pointwise) return Value.plain(pointwiseToWeights(x, g));
  if (takesWindowProducts(x, attributes)) return Value.plain(windowProducts(x, g, attributes));
  if (takesShiftedProducts(attributes) && sizeOf(g.shape.slice(2)) >= SHIFTED_FROM)
    return Value.plain(shiftedProducts(x, g, attributes));
  return Value.plain(x.graph.add("convWeightGradient", [x, g], attributes)[0]);
}

/** The layout in which a form reads weights: the one in which they are stored, if the form can use it. */
function layoutFor(w: Value, form: RowForm, geometry: WindowGeometry): WeightLayout {
  const wanted = layoutOf(form, geometry);
  return w.layout !== undefined && sameLayout(w.layout, wanted) ? w.layout : wanted;
}

function reduceFollowing(node: Node<"reduceSum">, x: Value, target: Graph): Value[] | undefined {
  const { axes, keepDims } = node.attributes;
  const [output] = node.outputs;
  const rank = x.type.shape.length;
  const everything = axes.length === rank;
  const shaped = (tensor: Tensor): Value[] => [Value.plain(reshape(tensor, output.shape))];
  if (x.native === "pieces" && everything && node.op !== ("reduceMean" as string)) {
    const parts = x
      .pieces(x.layout!)
      .map((piece) => target.add(node.op, [piece], { axes: [0, 1, 2], keepDims: false })[0]);
    return shaped(parts.reduce((a, b) => target.add("add", [a, b], {})[0]));
  }
  if (!x.hasRows || x.native !== "rows") return undefined;
  if (everything) return shaped(target.add(node.op, [x.rows()], { axes: [0, 1], keepDims })[0]);
  const butChannels = axes.length === rank - 1 && !axes.includes(1);
  if (butChannels) return shaped(target.add(node.op, [x.rows()], { axes: [0], keepDims: false })[0]);
  // Over the spatial axes only: rows of one sample lie together.
  const spatial = axes.length === rank - 2 && axes.every((axis) => axis >= 2);
  if (!spatial) return undefined;
  const [n, c] = x.type.shape;
  const perSample = reshape(x.rows(), [n, sizeOf(x.type.shape) / (n * c), c]);
  return shaped(target.add(node.op, [perSample], { axes: [1], keepDims: false })[0]);
}

function sliceRows(node: Node<"slice">, x: Value, target: Graph): Value[] | undefined {
  const [output] = node.outputs;
  const { shape } = x.type;
  if (!x.hasRows || x.native !== "rows" || shape[0] !== output.shape[0]) return undefined;
  const { start, end, step } = node.attributes;
  let rows = x.rows();
  if (!sameShape(shape.slice(2), output.shape.slice(2))) {
    const taken: number[] = [];
    const spatial = shape.slice(2);
    const walk = (axis: number, base: number): void => {
      if (axis === spatial.length) {
        taken.push(base);
        return;
      }
      for (let i = start[axis + 2]; i < end[axis + 2]; i += step[axis + 2]) walk(axis + 1, base * spatial[axis] + i);
    };
    for (let n = 0; n < shape[0]; n++) walk(0, n);
    rows = gather(rows, target.constant(Int32Array.from(taken)), 0);
  }
  if (shape[1] !== output.shape[1]) {
    [rows] = target.add("slice", [rows], { start: [0, start[1]], end: [rows.shape[0], end[1]], step: [1, step[1]] });
  }
  return [Value.rows(rows, output)];
}
