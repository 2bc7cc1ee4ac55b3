/**
 * Operators whose results are static, though what happens inside has sizes known only at run time: what a whole detector needs
 * to be one ONNX model. They are for inference.
 *
 * B batch · M boxes of one list · L maps · R regions · C channels
 */
import { ShapeError } from "../../errors.ts";
import { type Family, shapeText, type TensorType } from "../core.ts";
import { scatterAdd } from "../functional/movement.ts";
import type { Emitter, Fitting } from "./types.ts";

type Name = "fitToCanvas" | "topK" | "nonMaximumSuppression" | "greedyChoice" | "alignRegions";

/** ONNX's numbers of element types that the graph language itself does not have or need here. */
const [FLOAT, INT64, BOOL, DOUBLE] = [1, 7, 9, 11];

export const selection: Family<Name> = {
  fitToCanvas: {
    elementwise: false,
    inPlace: false,
    shape: ([image], { canvas }) => {
      if (image.shape.length !== canvas.length + 2)
        throw new ShapeError(`fitToCanvas: ${canvas.length} sizes for an image ${shapeText(image.shape)}`);
      const lengths: TensorType = { shape: [canvas.length], dtype: "float32" };
      return [{ shape: [...image.shape.slice(0, 2), ...canvas], dtype: image.dtype }, lengths, lengths];
    },
    onnx: (emit, { inputs: [image], outputTypes: [{ shape }], attributes }) => onCanvas(emit, image, shape, attributes),
    gradient: "refused",
  },
  topK: {
    elementwise: false,
    inPlace: false,
    shape: ([x], { count }) => {
      const n = x.shape.at(-1) ?? 0;
      if (!(count >= 1 && count <= n))
        throw new ShapeError(`topK: ${count} of ${shapeText(x.shape)}; 1 … ${n} there are`);
      const shape = [...x.shape.slice(0, -1), count];
      return [
        { shape, dtype: x.dtype },
        { shape, dtype: "int64" },
      ];
    },
    onnx: (emit, { inputs: [x], attributes: { count } }) => emit.node("TopK", [x, emit.int64s([count])], {}, 2),
    gradient: ({ inputs: [x], outputs: [, indices], upstream: [g] }) => [
      g && scatterAdd(g, indices, x.shape.length - 1, x.shape),
    ],
  },
  nonMaximumSuppression: {
    elementwise: false,
    inPlace: false,
    shape: ([boxes, scores]) => {
      const [batch, count] = scores.shape;
      if (scores.shape.length !== 2 || boxes.shape.join() !== [batch, count, 4].join())
        throw new ShapeError(
          `nonMaximumSuppression: boxes ${shapeText(boxes.shape)} for scores ${shapeText(scores.shape)}; they are [B, M, 4] and [B, M]`,
        );
      return [{ shape: scores.shape, dtype: "float32" }];
    },
    onnx: (emit, { inputs: [boxes, scores], inputTypes: [, { shape }], attributes: { threshold, least } }) => {
      const [batch, count] = shape;
      const [asClass] = emit.node("Reshape", [scores, emit.int64s([batch, 1, count])]);
      const limits = [emit.int64s([count]), emit.constant(Float32Array.of(threshold), [1])];
      const [chosen] = emit.node("NonMaxSuppression", [
        boxes,
        asClass,
        ...limits,
        emit.constant(Float32Array.of(least), [1]),
      ]);
      // [n, 3]: image, class, box. Ones go where they stand.
      const [places] = emit.node("Gather", [chosen, emit.int64s([0, 2])], { axis: 1 });
      const [howMany] = emit.node("Slice", [
        ...emit.node("Shape", [chosen]),
        emit.int64s([0]),
        emit.int64s([1]),
        emit.int64s([0]),
      ]);
      const [ones] = emit.node("Expand", [emit.constant(Float32Array.of(1), [1]), howMany]);
      const none = emit.constant(new Float32Array(batch * count), shape);
      return emit.node("ScatterND", [none, places, ones]);
    },
    gradient: "none",
  },
  greedyChoice: {
    elementwise: false,
    inPlace: false,
    shape: ([ousts, standing]) => {
      const [batch, count] = standing.shape;
      if (standing.shape.length !== 2 || ousts.shape.join() !== [batch, count, count].join())
        throw new ShapeError(
          `greedyChoice: ${shapeText(ousts.shape)} for ${shapeText(standing.shape)}; they are [B, M, M] and [B, M]`,
        );
      return [{ shape: standing.shape, dtype: "float32" }];
    },
    onnx: (emit, { inputs: [ousts, standing], inputTypes: [, { shape }] }) => {
      const [batch, count] = shape;
      const row = { shape: [batch, 1, count], dtype: "float32" } as const;
      const [asked] = emit.node("Greater", [standing, emit.scalar(0.5)]);
      const [first] = emit.node("Reshape", [...emit.node("Cast", [asked], { to: FLOAT }), emit.int64s(row.shape)]);
      // Who is kept is who no kept one ousts. After turn n the n best are settled, and no later turn changes them.
      const [kept] = emit.loop([first], [row], ([before]) => {
        const [blows] = emit.node("MatMul", [before, ousts]);
        const [safe] = emit.node("LessOrEqual", [blows, emit.scalar(0.5)]);
        const [still] = emit.node("Where", [safe, first, emit.scalar(0)]);
        const [difference] = emit.node("Sub", [still, before]);
        const [changes] = emit.node("ReduceSum", emit.node("Abs", [difference]), { keepdims: 0 });
        const [again] = emit.node("Greater", [changes, emit.scalar(0)]);
        return { again, state: [still] };
      });
      return emit.node("Reshape", [kept, emit.int64s(shape)]);
    },
    gradient: "none",
  },
  alignRegions: {
    elementwise: false,
    inPlace: false,
    shape: (inputs, { outputSize, scales }) => {
      const maps = inputs.slice(0, -2);
      const [boxes, levels] = inputs.slice(-2);
      const [count] = levels.shape;
      if (maps.length !== scales.length || maps.some(({ shape }) => shape.length !== 4 || shape[0] !== 1))
        throw new ShapeError(
          `alignRegions: maps ${maps.map(({ shape }) => shapeText(shape)).join(", ")} for ${scales.length} scales; each is [1, C, H, W]`,
        );
      if (boxes.shape.join() !== [count, 4].join() || outputSize.length !== 2)
        throw new ShapeError(
          `alignRegions: boxes ${shapeText(boxes.shape)} for levels ${shapeText(levels.shape)}; they are [R, 4] and [R]`,
        );
      return [{ shape: [count, maps[0].shape[1], ...outputSize], dtype: "float32" }];
    },
    onnx: (emit, { inputs, inputTypes, attributes: { outputSize, scales, samplingRatio, aligned } }) => {
      const maps = inputs.slice(0, -2);
      const [boxes, levels] = inputs.slice(-2);
      const [count] = inputTypes.at(-1)!.shape;
      const order: string[] = [];
      const pooled = maps.map((map, level) => {
        const [here] = emit.node("Equal", [levels, emit.constant(BigInt64Array.of(BigInt(level)), [], "int64")]);
        const [list] = emit.node("Reshape", [...emit.node("NonZero", [here]), emit.int64s([-1])]);
        order.push(list);
        const [own] = emit.node("Gather", [boxes, list], { axis: 0 });
        const [image] = emit.node("Mul", [list, emit.constant(BigInt64Array.of(0n), [], "int64")]);
        return emit.node("RoiAlign", [map, own, image], {
          mode: "avg",
          output_height: outputSize[0],
          output_width: outputSize[1],
          sampling_ratio: samplingRatio,
          spatial_scale: { float: scales[level] },
          coordinate_transformation_mode: aligned ? "half_pixel" : "output_half_pixel",
        })[0];
      });
      if (pooled.length === 1) return pooled;
      // Back into the regions' own order.
      const [together] = emit.node("Concat", pooled, { axis: 0 });
      const [lists] = emit.node("Concat", order, { axis: 0 });
      const indices = emit.constant(
        BigInt64Array.from({ length: count }, (_, i) => BigInt(i)),
        [count],
        "int64",
      );
      const [places] = emit.node("ScatterElements", [indices, lists, indices], { axis: 0 });
      return emit.node("Gather", [together, places], { axis: 0 });
    },
    gradient: "refused",
  },
};

/** The image on the canvas, the size it has there, and its own: x y (z). */
function onCanvas(emit: Emitter, image: string, shape: readonly number[], { canvas, sides }: Fitting): string[] {
  const axes = canvas.length;
  const [all] = emit.node("Shape", [image]);
  const [own] = emit.node("Slice", [all, emit.int64s([2]), emit.int64s([2 + axes]), emit.int64s([0])]);
  const size = sides === null ? own : fittedSize(emit, own, canvas, sides);
  let fitted = image;
  if (sides !== null) {
    for (let axis = 0; axis < axes; axis++) fitted = resampled(emit, fitted, own, size, axis);
  }
  const [room] = emit.node("Sub", [emit.int64s(canvas), size]);
  const [after] = emit.node("Max", [room, emit.int64s([0])]);
  const [pads] = emit.node("Concat", [emit.int64s(new Array<number>(axes + 4).fill(0)), after], { axis: 0 });
  const [padded] = emit.node("Pad", [fitted, pads]);
  // An image larger than the canvas fails here.
  const [placed] = emit.node("Reshape", [padded, emit.int64s(shape)]);
  const reversed = emit.int64s(canvas.map((_, axis) => axes - 1 - axis));
  const lengths = [size, own].map((list) => {
    const [turned] = emit.node("Gather", [list, reversed], { axis: 0 });
    return emit.node("Cast", [turned], { to: FLOAT })[0];
  });
  return [placed, ...lengths];
}

/** torchvision's rule in 64-bit numbers, as `images/resize.ts` has it; smaller where the canvas asks for it. */
function fittedSize(
  emit: Emitter,
  own: string,
  canvas: readonly number[],
  { short, long }: NonNullable<Fitting["sides"]>,
): string {
  const double = (name: string): string => emit.node("Cast", [name], { to: DOUBLE })[0];
  const number = (value: number): string => double(emit.constant(Float32Array.of(value), [1]));
  const lengths = double(own);
  const least = double(emit.node("ReduceMin", [own], { keepdims: 1 })[0]);
  const most = double(emit.node("ReduceMax", [own], { keepdims: 1 })[0]);
  const scaled = (factor: string): string => {
    const [whole] = emit.node("Floor", emit.node("Mul", [lengths, factor]));
    return emit.node("Max", [...emit.node("Cast", [whole], { to: INT64 }), emit.int64s([1])])[0];
  };
  const [wanted] = emit.node("Min", [
    ...emit.node("Div", [number(short), least]),
    ...emit.node("Div", [number(long), most]),
  ]);
  const room = emit.int64s(canvas);
  const usual = scaled(wanted);
  const [beyond] = emit.node("Cast", emit.node("Greater", [usual, room]), { to: INT64 });
  const [tooLarge] = emit.node("Cast", emit.node("ReduceMax", [beyond], { keepdims: 1 }), { to: BOOL });
  const ratios = emit.node("Div", [double(room), lengths]);
  const [x, y] = [0, 1].map((axis) => emit.node("Gather", [ratios[0], emit.int64s([axis])], { axis: 0 })[0]);
  return emit.node("Where", [tooLarge, scaled(emit.node("Min", [x, y])[0]), usual])[0];
}

/** One axis resampled linearly, edge to edge, in the 32-bit arithmetic of `images/resize.ts`. */
function resampled(emit: Emitter, image: string, own: string, size: string, axis: number): string {
  const at = (list: string): string =>
    emit.node("Gather", [list, emit.constant(BigInt64Array.of(BigInt(axis)), [], "int64")], { axis: 0 })[0];
  const float = (name: string): string => emit.node("Cast", [name], { to: FLOAT })[0];
  const [from, to] = [at(own), at(size)];
  const [step] = emit.node("Div", [float(from), float(to)]);
  const zero = emit.constant(BigInt64Array.of(0n), [], "int64");
  const one = emit.constant(BigInt64Array.of(1n), [], "int64");
  const [middle] = emit.node("Add", [float(emit.node("Range", [zero, to, one])[0]), emit.scalar(0.5)]);
  const [shifted] = emit.node("Sub", [...emit.node("Mul", [middle, step]), emit.scalar(0.5)]);
  const [place] = emit.node("Max", [shifted, emit.scalar(0)]);
  const [last] = emit.node("Sub", [from, one]);
  const [low] = emit.node("Min", [...emit.node("Cast", emit.node("Floor", [place]), { to: INT64 }), last]);
  const [high] = emit.node("Min", [...emit.node("Add", [low, one]), last]);
  const [share] = emit.node("Sub", [place, float(low)]);
  // Along the axis, and of size 1 along those after it.
  const [weight] = emit.node("Reshape", [share, emit.int64s([-1, ...new Array<number>(1 - axis).fill(1)])]);
  const [near] = emit.node("Gather", [image, low], { axis: 2 + axis });
  const [far] = emit.node("Gather", [image, high], { axis: 2 + axis });
  const [rest] = emit.node("Sub", [emit.scalar(1), weight]);
  return emit.node("Add", [...emit.node("Mul", [near, rest]), ...emit.node("Mul", [far, weight])])[0];
}
