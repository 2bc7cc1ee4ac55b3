/**
 * Every operator and its gradients against PyTorch (`oracle/torch_operators.py`), in two and three dimensions: as written,
 * with standard ONNX operators only, and with each operator lowered to the form chosen for its shape.
 */
import { afterAll, beforeAll, describe, test } from "vitest";
import { createEngine, type Engine } from "../src/runtime/index.ts";
import { caseGraph } from "./golden-forms.ts";
import { expectGolden, type GoldenCase, readGolden } from "./golden-values.ts";

const { cases } = readGolden<{ cases: GoldenCase[] }>("operators.json");

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ device: "cpu", threads: 2 });
});
afterAll(() => engine.close());

const ways = [
  ["as written", { contrib: true }],
  ["standard operators only", { contrib: false }],
] as const;

describe.each(ways)("%s", (_, options) => {
  describe.each([...new Set(cases.map(({ op }) => op))])("%s", (op) => {
    test.each(cases.filter((c) => c.op === op).map((c) => [c.name, c] as const))("%s", async (name, golden) => {
      const { graph, asked, feeds } = caseGraph(golden);
      const program = await engine.load(graph.toOnnx(asked, options), { label: `${op} ${name}` });
      try {
        const found = (await program.run(feeds)).outputs;
        for (const [i, output] of golden.outputs.entries()) expectGolden(`output ${i}`, found[`output_${i}`], output);
        for (const [i, gradient] of golden.gradients?.entries() ?? []) {
          if (gradient !== null) expectGolden(`gradient ${i}`, found[`gradient_${i}`], gradient);
        }
      } finally {
        await program.close();
      }
    });
  });
});
