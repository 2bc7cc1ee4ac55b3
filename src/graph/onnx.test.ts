/** ONNX bytes: what is written is read back, names are kept, and what is no model is refused. `oracle/` has the checker. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DataError, ShapeError } from "../errors.ts";
import { createEngine, type Engine } from "../runtime/index.ts";
import * as m from "./index.ts";
import { encodeOnnx, graph, readOnnx } from "./index.ts";
import { compute, numbersOf } from "./test/compute.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 1 });
});
afterAll(() => engine.close());

describe("read back", () => {
  test("inputs, outputs, operators, versions", () => {
    const g = graph();
    const x = g.input("x", [2, 3]);
    const index = g.input("index", [1], "int64");
    const y = m.relu(m.matmul(x, g.constant([1, 2, 3], [3, 1])));
    expect(readOnnx(g.toOnnx({ y, picked: m.gather(y, index), same: m.relu(y) }))).toEqual({
      producer: "medvox",
      irVersion: 9,
      opsets: { "ai.onnx": 18 },
      inputs: [
        { name: "x", dtype: "float", shape: [2, 3] },
        { name: "index", dtype: "int64", shape: [1] },
      ],
      outputs: [
        { name: "y", dtype: "float", shape: [2, 1] },
        { name: "picked", dtype: "float", shape: [1, 1] },
        { name: "same", dtype: "float", shape: [2, 1] },
      ],
      operators: { Relu: 2, Gather: 1, MatMul: 1 },
      nodes: 4,
      initializers: 1,
      values: 3,
      metadata: {},
    });
  });

  test("every element type by ONNX's name", () => {
    const g = graph();
    const names = { float32: "float", int32: "int32", int64: "int64", bool: "bool", uint32: "uint32" } as const;
    const outputs = Object.fromEntries(
      Object.keys(names).map((dtype) => [dtype, m.stopGradient(g.input(`in ${dtype}`, [], dtype as m.DType))]),
    );
    const { inputs, outputs: found } = readOnnx(encodeOnnx(g, outputs));
    expect(found.map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual(
      Object.entries(names).map(([dtype, onnx]) => [dtype, onnx, []]),
    );
    expect(inputs.map(({ dtype }) => dtype)).toEqual(Object.values(names));
  });

  test("weights inside are no inputs; metadata comes back as it was", () => {
    const g = graph();
    const x = g.input("x", [1, 2]);
    const [w, b] = [
      g.parameter("fc.weight", [3, 2], () => new Float32Array(6)),
      g.parameter("fc.bias", [3], () => new Float32Array(3)),
    ];
    const weights = new Map([["fc.weight", new Float32Array(6)]]);
    const metadata = { plan: '{"größe": [1, 2]}', empty: "" };
    const model = readOnnx(g.toOnnx({ y: m.linear(x, w, b) }, { weights, metadata }));
    expect(model.inputs.map(({ name }) => name)).toEqual(["x", "fc.bias"]);
    expect([model.initializers, model.values, model.metadata]).toEqual([1, 6, metadata]);
  });

  test("operators of com.microsoft only where they are allowed", () => {
    const g = graph();
    const [a, b] = [g.input("a", [2, 3]), g.input("b", [4, 3])];
    const y = m.matmul(a, b, { transposeB: true, alpha: 2 });
    expect(readOnnx(g.toOnnx({ y })).operators).toEqual({ MatMul: 1, Mul: 1, Transpose: 1 });
    const { operators, opsets } = readOnnx(g.toOnnx({ y }, { contrib: true }));
    expect([operators, opsets]).toEqual([{ "com.microsoft.FusedMatMul": 1 }, { "ai.onnx": 18, "com.microsoft": 1 }]);
  });
});

describe("names", () => {
  const one = { data: Float32Array.of(-2), shape: [1] };

  test("outputs bear the names asked for, a list is numbered", async () => {
    const g = graph();
    const x = g.input("x", [1]);
    expect(readOnnx(g.toOnnx([m.neg(x), m.abs(x)])).outputs.map(({ name }) => name)).toEqual(["output_0", "output_1"]);
    const found = await compute(engine, g, { "next:layer1.0.weight": m.neg(x) }, { x: one });
    expect(Object.keys(found)).toEqual(["next:layer1.0.weight"]);
  });

  test("one value under two names; an input, a parameter and a constant as outputs", async () => {
    const g = graph();
    const x = g.input("x", [1]);
    const w = g.parameter("w", [1], () => new Float32Array(1));
    const y = m.neg(x);
    const outputs = { a: y, b: y, same: x, weight: w, three: g.constant([3]) };
    const found = await compute(engine, g, outputs, { x: one, w: { data: Float32Array.of(7), shape: [1] } });
    expect(Object.entries(found).map(([name, array]) => [name, numbersOf(array)])).toEqual([
      ["a", [2]],
      ["b", [2]],
      ["same", [-2]],
      ["weight", [7]],
      ["three", [3]],
    ]);
  });

  test("an input may be called like a node or a constant", async () => {
    const g = graph();
    const [a, b, c] = ["neg_0", "constant_0", "add_1"].map((name) => g.input(name, [1]));
    const y = m.add(m.add(m.neg(a), b), m.mul(c, 10));
    const feeds = { neg_0: one, constant_0: one, add_1: one };
    expect(numbersOf((await compute(engine, g, { y }, feeds)).y)).toEqual([-20]);
  });

  test("an output may be called like a node, before it or behind it", async () => {
    const g = graph();
    const x = g.input("x", [1]);
    const [a, b, c] = [m.neg(x), m.abs(x), m.exp(x)];
    const found = await compute(engine, g, { exp_2: a, neg_0: b, abs_1: m.mul(c, 0) }, { x: one });
    expect([found.exp_2, found.neg_0, found.abs_1].map(numbersOf)).toEqual([[2], [2], [0]]);
    const h = graph();
    const inner = m.relu(m.neg(h.input("x", [1])));
    const { relu_1: outer } = await compute(engine, h, { relu_1: m.mul(inner, 3) }, { x: one });
    expect(numbersOf(outer)).toEqual([6]);
  });

  test("an output called like an input or a parameter is refused", () => {
    const g = graph();
    const x = g.input("x", [1]);
    const w = g.parameter("w", [1], () => new Float32Array(1));
    for (const name of ["x", "w"])
      expect(() => g.toOnnx({ [name]: m.add(x, w) })).toThrow(
        new ShapeError(`toOnnx: output ${name} has the name of an input or parameter; give it another`),
      );
  });

  test("weights of the wrong length are refused", () => {
    const g = graph();
    const w = g.parameter("w", [3], () => new Float32Array(3));
    const weights = new Map([["w", new Float32Array(2)]]);
    expect(() => g.toOnnx({ y: m.neg(w) }, { weights })).toThrow(
      new ShapeError("toOnnx: weights of w hold 2 values, 3 are needed"),
    );
  });
});

test("the same graph gives the same bytes", () => {
  const bytes = (): Uint8Array => {
    const g = graph();
    const x = g.input("x", [1, 2, 5, 5]);
    const w = g.parameter("w", [3, 2, 3, 3], () => new Float32Array(54));
    const loss = m.mean(m.square(m.conv(x, w, { padding: 1 })));
    return g.toOnnx([loss, ...m.gradients(loss, [w])]);
  };
  expect(bytes()).toEqual(bytes());
});

describe("what is no model", () => {
  const g = graph();
  const model = g.toOnnx({ y: m.relu(g.input("x", [4])) });
  test.each([
    ["nothing", new Uint8Array()],
    ["text", new TextEncoder().encode("this is not a model")],
    ["a cut one", model.slice(0, model.length - 5)],
    ["zeros", new Uint8Array(100)],
  ])("%s", (_, bytes) => {
    expect(() => readOnnx(bytes, "a.onnx")).toThrow(DataError);
    expect(() => readOnnx(bytes, "a.onnx")).toThrow(/^a\.onnx: is no ONNX model \(/);
  });
});

test("an operator that lacks a shape rule, an ONNX form, a gradient or a flag does not compile", () => {
  const { relu, ...others } = m.operators;
  const { shape, onnx, elementwise, inPlace } = relu;
  // @ts-expect-error: relu is missing
  const withoutRelu: m.OperatorTable = others;
  // @ts-expect-error: the gradient is missing
  const withoutGradient: m.Operator<object> = { shape, onnx, elementwise, inPlace };
  // @ts-expect-error: the shape rule is missing
  const withoutShape: m.Operator<object> = { onnx, gradient: "none", elementwise, inPlace };
  // @ts-expect-error: the ONNX form is missing
  const withoutForm: m.Operator<object> = { shape, gradient: "none", elementwise, inPlace };
  // @ts-expect-error: nobody says whether it is elementwise
  const withoutElementwise: m.Operator<object> = { shape, onnx, gradient: "none", inPlace };
  // @ts-expect-error: nobody says whether it works in place
  const withoutInPlace: m.Operator<object> = { shape, onnx, gradient: "none", elementwise };
  // @ts-expect-error: a word other than "none" is no gradient
  const otherWord: m.Operator<object> = { ...relu, gradient: "later" };
  // @ts-expect-error: attributes of another operator
  const otherAttributes: m.OperatorTable = { ...m.operators, relu: m.operators.leakyRelu };
  const tables = [withoutRelu, withoutGradient, withoutShape, withoutForm, withoutElementwise, withoutInPlace];
  expect([...tables, otherWord, otherAttributes]).toHaveLength(8);
});

describe("what the table says of its operators", () => {
  const names = Object.keys(m.operators) as m.OperatorName[];

  test("the elementwise ones", () => {
    expect(names.filter((name) => m.operators[name].elementwise)).toEqual(
      [
        ["neg", "exp", "log", "sqrt", "abs", "reciprocal", "sign", "floor", "relu", "leakyRelu", "sigmoid", "tanh"],
        ["softplus", "clip", "cast", "stopGradient", "not", "add", "addAll", "sub", "mul", "div", "pow", "maximum"],
        ["minimum", "equal", "less", "lessOrEqual", "greater", "greaterOrEqual", "and", "or", "where", "bitwiseXor"],
        ["bitShift"],
      ].flat(),
    );
  });

  test("those that work in place, as a measured prediction's memory has it", () => {
    const expected = ["relu", "add", "addAll", "sub", "mul", "div", "batchNormInference", "channelAffine", "softmax"];
    expect(names.filter((name) => m.operators[name].inPlace)).toEqual(expected);
  });
});
