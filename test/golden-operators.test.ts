/**
 * Every operator and its gradients against PyTorch (`oracle/torch_operators.py`), in two and three dimensions: as written,
 * with standard ONNX operators only, lowered to the forms chosen by shape, and with every convolution forced into each
 * of the lowered forms, whatever its shape.
 */
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, test, vi } from "vitest";
import type * as FormsModule from "../src/graph/lowering/forms.ts";
import { isWinograd } from "../src/graph/lowering/winograd.ts";
import { createEngine, type Engine } from "../src/runtime/index.ts";
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

/** Models that gave the right values already: most operators look the same in several ways, byte for byte. */
const passed = new Set<string>();

describe.each(ways)("$way", ({ form, ...options }) => {
  const training = "training" in options;
  const chosen = form === undefined ? cases : cases.filter(({ op }) => convolutions.has(op));
  describe.each([...new Set(chosen.map(({ op }) => op))])("%s", (op) => {
    test.each(chosen.filter((c) => c.op === op).map((c) => [c.name, c] as const))("%s", async (name, golden) => {
      forced.form = form;
      const built = caseGraph(golden, training);
      const model = encodeCase(built, options);
      const key = `${op} ${name} ${createHash("sha256").update(model).digest("hex")}`;
      if (passed.has(key)) return;
      const program = await engine.load(model, { label: `${op} ${name}` });
      try {
        const found = (await program.run(built.feeds)).outputs;
        for (const [i, output] of golden.outputs.entries()) expectGolden(`output ${i}`, found[`output_${i}`], output);
        for (const [i, gradient] of golden.gradients?.entries() ?? []) {
          if (gradient !== null) expectGolden(`gradient ${i}`, found[`gradient_${i}`], gradient);
        }
        passed.add(key);
      } finally {
        await program.close();
      }
    });
  });
});
