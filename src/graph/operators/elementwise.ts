/** Elementwise operators: their shape rules, ONNX forms and gradients. */
import { ShapeError } from "../../errors.ts";
import {
  type DType,
  type Family,
  type GradientContext,
  type GradientRule,
  type Operator,
  sameShape,
  shapeText,
  type Tensor,
} from "../core.ts";
import {
  add,
  and,
  cast,
  div,
  equal,
  greater,
  greaterOrEqual,
  less,
  lessOrEqual,
  log,
  mul,
  neg,
  pow,
  sigmoid,
  sign,
  sub,
  where,
} from "../functional/elementwise.ts";
import { broadcastShapes, unbroadcast } from "./broadcasting.ts";
import type { Attributes, EmitContext, Emitter, OnnxAttribute, OperatorName } from "./types.ts";

/** ONNX's numbers for element types. */
export const ONNX_DTYPE: Readonly<Record<DType, number>> = { float32: 1, int32: 6, int64: 7, bool: 9, uint32: 12 };

type Emit<A> = (emit: Emitter, context: EmitContext<A>) => readonly string[];

function same<A>(onnxType: string, attributes?: (a: A) => Record<string, OnnxAttribute>): Emit<A> {
  return (emit, c) => emit.node(onnxType, c.inputs, attributes?.(c.attributes));
}

/** A one-input operator whose gradient is upstream × slope(x, y). */
function unary<A>(
  name: OperatorName,
  onnx: Emit<A>,
  gradient: ((g: Tensor, x: Tensor, y: Tensor, a: A) => Tensor) | "none",
  dtypes: readonly DType[] = ["float32"],
): Operator<A> {
  return {
    elementwise: true,
    inPlace: false,
    shape: ([x]) => {
      if (!dtypes.includes(x.dtype)) throw new ShapeError(`${name}: ${x.dtype} input; it takes ${dtypes.join(" or ")}`);
      return [{ shape: x.shape, dtype: x.dtype }];
    },
    onnx,
    gradient:
      gradient === "none"
        ? "none"
        : ({ inputs: [x], outputs: [y], upstream: [g], attributes }) => [
            g === undefined ? undefined : gradient(g, x, y, attributes),
          ],
  };
}

/** An operator whose output the engine writes over an input that nobody reads any more. */
const inPlace = <A>(operator: Operator<A>): Operator<A> => ({ ...operator, inPlace: true });

type BinaryGradient = (
  g: Tensor,
  a: Tensor,
  b: Tensor,
  y: Tensor,
) => [(() => Tensor) | undefined, (() => Tensor) | undefined];

/** A two-input broadcasting operator; its gradient gives one thunk per input, called only when wanted. */
function binary(
  name: OperatorName,
  onnxType: string,
  result: DType | "same",
  gradient: BinaryGradient | "none",
): Operator<Record<never, never>> {
  return {
    elementwise: true,
    inPlace: false,
    shape: ([a, b]) => {
      if (a.dtype !== b.dtype)
        throw new ShapeError(`${name}: element types ${a.dtype} and ${b.dtype}; both must be the same (use cast)`);
      return [{ shape: broadcastShapes(name, [a.shape, b.shape]), dtype: result === "same" ? a.dtype : result }];
    },
    onnx: same(onnxType),
    gradient: gradient === "none" ? "none" : broadcastGradient(gradient),
  };
}

function broadcastGradient(gradient: BinaryGradient): GradientRule<Record<never, never>> {
  return ({ inputs, outputs: [y], upstream: [g], wanted }: GradientContext<Record<never, never>>) => {
    if (g === undefined) return [];
    const thunks = gradient(g, inputs[0], inputs[1], y);
    return thunks.map((thunk, i) => (wanted[i] && thunk ? unbroadcast(thunk(), inputs[i].shape) : undefined));
  };
}

type ElementwiseName =
  | "neg"
  | "exp"
  | "log"
  | "sqrt"
  | "abs"
  | "reciprocal"
  | "sign"
  | "floor"
  | "relu"
  | "leakyRelu"
  | "sigmoid"
  | "tanh"
  | "softplus"
  | "clip"
  | "cast"
  | "stopGradient"
  | "not"
  | "add"
  | "addAll"
  | "sub"
  | "mul"
  | "div"
  | "pow"
  | "maximum"
  | "minimum"
  | "equal"
  | "less"
  | "lessOrEqual"
  | "greater"
  | "greaterOrEqual"
  | "and"
  | "or"
  | "where"
  | "bitwiseXor"
  | "bitShift";

const numeric: readonly DType[] = ["float32", "int32", "int64"];

export const elementwise: Family<ElementwiseName> = {
  neg: unary("neg", same("Neg"), (g) => neg(g), numeric),
  exp: unary("exp", same("Exp"), (g, _x, y) => mul(g, y)),
  log: unary("log", same("Log"), (g, x) => div(g, x)),
  sqrt: unary("sqrt", same("Sqrt"), (g, _x, y) => div(mul(g, 0.5), y)),
  abs: unary("abs", same("Abs"), (g, x) => mul(g, sign(x)), numeric),
  reciprocal: unary("reciprocal", same("Reciprocal"), (g, _x, y) => neg(mul(g, mul(y, y)))),
  sign: unary("sign", same("Sign"), "none", numeric),
  floor: unary("floor", same("Floor"), "none"),
  // y > 0 exactly where x > 0, so x need not be kept.
  relu: inPlace(unary("relu", same("Relu"), (g, _x, y) => where(greater(y, 0), g, 0))),
  leakyRelu: unary<Attributes["leakyRelu"]>(
    "leakyRelu",
    same("LeakyRelu", ({ slope }) => ({ alpha: { float: slope } })),
    (g, x, _y, { slope }) => where(greater(x, 0), g, mul(g, slope)),
  ),
  sigmoid: unary("sigmoid", same("Sigmoid"), (g, _x, y) => mul(g, mul(y, sub(1, y)))),
  tanh: unary("tanh", same("Tanh"), (g, _x, y) => mul(g, sub(1, mul(y, y)))),
  softplus: unary("softplus", same("Softplus"), (g, x) => mul(g, sigmoid(x))),
  clip: unary<Attributes["clip"]>(
    "clip",
    (emit, { inputs: [x], attributes: { min, max } }) => emit.node("Clip", [x, emit.scalar(min), emit.scalar(max)]),
    (g, x, _y, { min, max }) => where(and(greaterOrEqual(x, min), lessOrEqual(x, max)), g, 0),
  ),
  cast: {
    elementwise: true,
    inPlace: false,
    shape: ([x], { to }) => [{ shape: x.shape, dtype: to }],
    onnx: (emit, { inputs, attributes: { to } }) => emit.node("Cast", inputs, { to: ONNX_DTYPE[to] }),
    gradient: ({ inputs: [x], upstream: [g] }) => [x.dtype === "float32" && g?.dtype === "float32" ? g : undefined],
  },
  stopGradient: unary("stopGradient", same("Identity"), "none", ["float32", "int32", "int64", "bool", "uint32"]),
  not: unary("not", same("Not"), "none", ["bool"]),

  add: inPlace(binary("add", "Add", "same", (g) => [() => g, () => g])),
  addAll: {
    elementwise: true,
    inPlace: true,
    shape: ([first, ...others]) => {
      for (const { shape } of others) {
        if (!sameShape(shape, first.shape)) {
          throw new ShapeError(`addAll: ${shapeText(shape)} beside ${shapeText(first.shape)}; all must agree`);
        }
      }
      return [{ shape: first.shape, dtype: first.dtype }];
    },
    onnx: same("Sum"),
    gradient: ({ inputs, upstream: [g] }) => inputs.map(() => g),
  },
  sub: inPlace(binary("sub", "Sub", "same", (g) => [() => g, () => neg(g)])),
  mul: inPlace(binary("mul", "Mul", "same", (g, a, b) => [() => mul(g, b), () => mul(g, a)])),
  div: inPlace(binary("div", "Div", "same", (g, _a, b, y) => [() => div(g, b), () => neg(div(mul(g, y), b))])),
  pow: binary("pow", "Pow", "same", (g, a, b, y) => [
    // x⁰ is constant, also at 0, where the rule for the others would be 0·∞ (as PyTorch).
    () => mul(g, where(equal(b, 0), 0, mul(b, pow(a, sub(b, 1))))),
    // log of a non-positive base has no use here: where the base is 0 the power's derivative by the exponent is 0.
    () => mul(g, mul(y, log(where(greater(a, 0), a, 1)))),
  ]),
  // Ties share the gradient equally, as PyTorch does.
  maximum: binary("maximum", "Max", "same", (g, a, b) => [
    () => mul(g, share(greater(a, b), a, b)),
    () => mul(g, share(less(a, b), a, b)),
  ]),
  minimum: binary("minimum", "Min", "same", (g, a, b) => [
    () => mul(g, share(less(a, b), a, b)),
    () => mul(g, share(greater(a, b), a, b)),
  ]),
  equal: binary("equal", "Equal", "bool", "none"),
  less: binary("less", "Less", "bool", "none"),
  lessOrEqual: binary("lessOrEqual", "LessOrEqual", "bool", "none"),
  greater: binary("greater", "Greater", "bool", "none"),
  greaterOrEqual: binary("greaterOrEqual", "GreaterOrEqual", "bool", "none"),
  and: binary("and", "And", "bool", "none"),
  or: binary("or", "Or", "bool", "none"),
  where: {
    elementwise: true,
    inPlace: false,
    shape: ([condition, a, b]) => {
      if (condition.dtype !== "bool")
        throw new ShapeError(`where: the condition is ${condition.dtype}; it must be bool`);
      if (a.dtype !== b.dtype)
        throw new ShapeError(`where: element types ${a.dtype} and ${b.dtype}; both must be the same`);
      return [{ shape: broadcastShapes("where", [condition.shape, a.shape, b.shape]), dtype: a.dtype }];
    },
    onnx: same("Where"),
    gradient: ({ inputs: [condition, a, b], upstream: [g], wanted }) =>
      g === undefined
        ? []
        : [
            undefined,
            wanted[1] ? unbroadcast(where(condition, g, 0), a.shape) : undefined,
            wanted[2] ? unbroadcast(where(condition, 0, g), b.shape) : undefined,
          ],
  },
  bitwiseXor: binary("bitwiseXor", "BitwiseXor", "same", "none"),
  bitShift: {
    elementwise: true,
    inPlace: false,
    shape: ([x, bits]) => [{ shape: broadcastShapes("bitShift", [x.shape, bits.shape]), dtype: x.dtype }],
    onnx: same<Attributes["bitShift"]>("BitShift", ({ direction }) => ({ direction: direction.toUpperCase() })),
    gradient: "none",
  },
};

/** 1 where the condition holds, ½ where the operands are equal, else 0. */
function share(condition: Tensor, a: Tensor, b: Tensor): Tensor {
  return add(cast(condition, "float32"), mul(cast(equal(a, b), "float32"), 0.5));
}
