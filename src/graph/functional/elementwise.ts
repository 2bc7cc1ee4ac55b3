/** Elementwise functions. Two-input ones broadcast as NumPy does; a plain number stands for a scalar constant. */
import { ShapeError } from "../../errors.ts";
import type { DType, Tensor } from "../core.ts";
import type { OperatorName } from "../operators/types.ts";

export type Operand = Tensor | number;

type Plain =
  | "neg"
  | "exp"
  | "log"
  | "sqrt"
  | "abs"
  | "reciprocal"
  | "sign"
  | "floor"
  | "relu"
  | "sigmoid"
  | "tanh"
  | "softplus"
  | "stopGradient"
  | "not";

const unary =
  (op: Plain) =>
  (x: Tensor): Tensor =>
    x.graph.add(op, [x], {})[0];

/** −x. */
export const neg = unary("neg");
/** eˣ. */
export const exp = unary("exp");
/** Natural logarithm. */
export const log = unary("log");
/** Square root. */
export const sqrt = unary("sqrt");
/** |x|; its gradient at 0 is 0. */
export const abs = unary("abs");
/** 1 / x. */
export const reciprocal = unary("reciprocal");
/** −1, 0 or 1; its gradient is zero. */
export const sign = unary("sign");
/** The next whole number downwards; no gradient passes. */
export const floor = unary("floor");
/** x where x > 0, else 0; its gradient at 0 is 0. */
export const relu = unary("relu");
/** 1 / (1 + e⁻ˣ). */
export const sigmoid = unary("sigmoid");
/** Hyperbolic tangent. */
export const tanh = unary("tanh");
/** log(1 + eˣ). */
export const softplus = unary("softplus");
/** The same numbers; no gradient passes. */
export const stopGradient = unary("stopGradient");
/** True where x (bool) is false. */
export const not = unary("not");

/** x where x > 0, else slope·x. */
export function leakyRelu(x: Tensor, slope = 0.01): Tensor {
  return x.graph.add("leakyRelu", [x], { slope })[0];
}

/** Values limited to [min, max]; the gradient passes where nothing was cut. */
export function clip(x: Tensor, min: number, max: number): Tensor {
  return x.graph.add("clip", [x], { min, max })[0];
}

/** Converts the element type. A gradient passes between float types only. */
export function cast(x: Tensor, to: DType): Tensor {
  return x.dtype === to ? x : x.graph.add("cast", [x], { to })[0];
}

type Binary = Extract<
  OperatorName,
  | "add"
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
  | "bitwiseXor"
>;

const binary =
  (op: Binary) =>
  (a: Operand, b: Operand): Tensor => {
    const [x, y] = operands(op, a, b);
    return x.graph.add(op, [x, y], {})[0];
  };

/** a + b, broadcast. @throws ShapeError for shapes that do not broadcast */
export const add = binary("add");
/** a − b, broadcast. */
export const sub = binary("sub");
/** a · b, element by element, broadcast. */
export const mul = binary("mul");
/** a / b, broadcast. */
export const div = binary("div");
/** aᵇ, broadcast. The derivative by b takes log a as 0 where a is not positive. */
export const pow = binary("pow");
/** The larger of a and b, broadcast; equal ones share the gradient, as in PyTorch. */
export const maximum = binary("maximum");
/** The smaller of a and b, broadcast; equal ones share the gradient, as in PyTorch. */
export const minimum = binary("minimum");
/** a = b as bool, broadcast; no gradient passes. */
export const equal = binary("equal");
/** a < b as bool, broadcast; no gradient passes. */
export const less = binary("less");
/** a ≤ b as bool, broadcast; no gradient passes. */
export const lessOrEqual = binary("lessOrEqual");
/** a > b as bool, broadcast; no gradient passes. */
export const greater = binary("greater");
/** a ≥ b as bool, broadcast; no gradient passes. */
export const greaterOrEqual = binary("greaterOrEqual");
/** Both of two bool tensors, broadcast. */
export const and = binary("and");
/** Either of two bool tensors, broadcast. */
export const or = binary("or");
/** Bits that differ in two uint32 tensors, broadcast; what seeded random numbers are made of. */
export const bitwiseXor = binary("bitwiseXor");

/** x · x. */
export function square(x: Tensor): Tensor {
  return mul(x, x);
}

/** `a` where the condition holds, else `b`; all three broadcast. */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  const graph = condition.graph;
  const dtype = typeof a === "number" ? (typeof b === "number" ? "float32" : b.dtype) : a.dtype;
  const tensor = (v: Operand): Tensor => (typeof v === "number" ? graph.constant(v, [], dtype) : v);
  return graph.add("where", [condition, tensor(a), tensor(b)], {})[0];
}

/** Shifts the bits of uint32 values. */
export function bitShift(x: Tensor, bits: number, direction: "left" | "right"): Tensor {
  return x.graph.add("bitShift", [x, x.graph.constant(bits, [], x.dtype)], { direction })[0];
}

function operands(op: string, a: Operand, b: Operand): [Tensor, Tensor] {
  if (typeof a !== "number") return [a, typeof b === "number" ? a.graph.constant(b, [], a.dtype) : b];
  if (typeof b !== "number") return [b.graph.constant(a, [], b.dtype), b];
  throw new ShapeError(`${op}: both operands are numbers; at least one must be a tensor`);
}
