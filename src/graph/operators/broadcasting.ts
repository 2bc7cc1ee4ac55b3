/** NumPy broadcasting: the joint shape of several tensors, and the way back for gradients. */
import { ShapeError } from "../../errors.ts";
import { type Shape, sameShape, shapeText, type Tensor } from "../core.ts";
import { reshape } from "../functional/movement.ts";
import { sum } from "../functional/reduce.ts";

/** The shape that all of `shapes` broadcast to. @throws ShapeError naming the axis that does not fit. */
export function broadcastShapes(op: string, shapes: readonly Shape[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  const out = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    for (let i = 0; i < shape.length; i++) {
      const axis = rank - shape.length + i;
      if (shape[i] === 1) continue;
      if (out[axis] !== 1 && out[axis] !== shape[i]) {
        throw new ShapeError(
          `${op}: shapes ${shapes.map(shapeText).join(" and ")} do not broadcast: ${out[axis]} against ${shape[i]} on axis ${axis}`,
        );
      }
      out[axis] = shape[i];
    }
  }
  return out;
}

/** Sums a gradient over the axes along which its input was repeated. */
export function unbroadcast(gradient: Tensor, shape: Shape): Tensor {
  if (sameShape(gradient.shape, shape)) return gradient;
  const lead = gradient.rank - shape.length;
  const axes = gradient.shape.flatMap((n, axis) =>
    axis < lead || (shape[axis - lead] === 1 && n !== 1) ? [axis] : [],
  );
  const summed = axes.length === 0 ? gradient : sum(gradient, { axes, keepDims: true });
  return reshape(summed, shape);
}
