/**
 * Every operator and its gradients against PyTorch (`oracle/torch_operators.py`), in two and three dimensions: as written,
 * with standard ONNX operators only, lowered to the forms chosen by shape, and with every convolution forced into each
 * of the lowered forms, whatever its shape.
 */
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type * as FormsModule from "../src/graph/lowering/forms.ts";
import { isWinograd } from "../src/graph/lowering/winograd.ts";
import { createEngine, type Engine, type Feeds } from "../src/runtime/index.ts";
import { caseGraph, encodeCase } from "./golden-forms.ts";
import { expectGolden, type GoldenCase, readGolden } from "./golden-values.ts";

const { cases } = readGolden<{ cases: GoldenCase[] }>("operators.json");
const convolutions = new Set(["conv", "convTranspose"]);

/** The form every convolution takes, if one is forced. */
const forced = vi.hoisted((): { form?: FormsModule.Form } => ({}));
vi.mock("../src/graph/lowering/forms.ts", async (original) => {
  const module = await original<typeof FormsModule>();
  const chooseForms: typeof module.chooseForms = (convolution) =>
    forced.form === undefined ||
    convolution.groups > 1 ||
    (forced.form === "winograd" && !isWinograd(convolution.geometry))
      ? module.chooseForms(convolution)
      : { forward: forced.form, toInput: forced.form, toWeights: forced.form };
  return { ...module, chooseForms };
});

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ device: "cpu", threads: 2 });
});
afterAll(() => engine.close());

const ways = [
  { way: "as written", contrib: true, lowering: false, form: undefined },
  { way: "standard operators only", contrib: false, lowering: false, form: undefined },
  { way: "lowered", contrib: true, lowering: true, form: undefined },
  { way: "lowered, convolutions wide", contrib: true, lowering: true, form: "wide" },
  { way: "lowered, convolutions paired", contrib: true, lowering: true, form: "paired" },
  { way: "lowered, convolutions by Winograd", contrib: true, lowering: true, form: "winograd" },
  {
    way: "lowered for training, convolutions by Winograd",
    contrib: true,
    lowering: true,
    form: "winograd",
    training: true,
  },
] as const;

interface Distinct {
  readonly op: string;
  readonly name: string;
  readonly golden: GoldenCase;
  readonly model: Uint8Array;
  readonly feeds: Feeds;
  /** The ways that give this very model. */
  readonly ways: string[];
}

/** Most operators look the same in several ways, byte for byte: each model is one test, named by the ways that make it. */
const distinct = new Map<string, Distinct>();
for (const { way, form, ...options } of ways) {
  forced.form = form;
  for (const golden of form === undefined ? cases : cases.filter(({ op }) => convolutions.has(op))) {
    const { op, name } = golden;
    const built = caseGraph(golden, "training" in options);
    const model = encodeCase(built, options);
    const key = `${op} ${name} ${createHash("sha256").update(model).digest("hex")}`;
    const known = distinct.get(key);
    if (known === undefined) distinct.set(key, { op, name, golden, model, feeds: built.feeds, ways: [way] });
    else known.ways.push(way);
  }
}
forced.form = undefined;

const models = [...distinct.values()];

test.each(ways.map(({ way }) => way))("%s: there are models of its own", (way) => {
  expect(models.filter(({ ways: [first] }) => first === way).length).toBeGreaterThan(10);
});

describe.each([...new Set(models.map(({ op }) => op))])("%s", (op) => {
  const those = models.filter((one) => one.op === op);
  test.each(those.map((one) => [one.name, one.ways.join(" = "), one] as const))(
    "%s, %s",
    async (name, _ways, { golden, model, feeds }) => {
      const program = await engine.load(model, { label: `${op} ${name}` });
      try {
        const found = (await program.run(feeds)).outputs;
        for (const [i, output] of golden.outputs.entries()) expectGolden(`output ${i}`, found[`output_${i}`], output);
        for (const [i, gradient] of golden.gradients?.entries() ?? []) {
          if (gradient !== null) expectGolden(`gradient ${i}`, found[`gradient_${i}`], gradient);
        }
      } finally {
        await program.close();
      }
    },
  );
});
