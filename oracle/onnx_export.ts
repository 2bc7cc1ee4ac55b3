/**
 * Writes graphs as ONNX files for the reference checker: every operator case, forward and gradients, in three ways, and
 * whole training steps and evaluations of ResNet-10, as written and lowered.
 *
 *     npx tsx oracle/onnx_export.ts FOLDER && python oracle/onnx_check.py --run FOLDER
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cleanUp, encodeOnnx, lower, type Tensor } from "../src/graph/index.ts";
import { adamW, convSeg, diceCrossEntropy, resnet3d, sgd, skipDecoder } from "../src/nn/index.ts";
import { type BuiltGraph, buildEvaluation, buildStep } from "../src/train/model/step.ts";
import { caseGraph, encodeCase } from "../test/golden-forms.ts";
import { type GoldenCase, readGolden } from "../test/golden-values.ts";

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error("usage: npx tsx oracle/onnx_export.ts FOLDER");
mkdirSync(folder, { recursive: true });
let written = 0;
const write = (name: string, model: Uint8Array): void => {
  writeFileSync(join(folder, `${name}.onnx`), model);
  written++;
};

const ways = {
  standard: { contrib: false, lowering: false },
  lowered: { contrib: false, lowering: true },
  contrib: { contrib: true, lowering: true },
};
const { cases } = readGolden<{ cases: GoldenCase[] }>("operators.json");
for (const [number, golden] of cases.entries()) {
  const built = caseGraph(golden);
  for (const [way, options] of Object.entries(ways)) {
    write(`${String(number).padStart(3, "0")}_${golden.op}_${way}`, encodeCase(built, options));
  }
}

type Named = Readonly<Record<string, Tensor>>;
const networks = {
  convSeg: {
    network: ({ x }: Named) => ({ scores: convSeg(resnet3d(x, { depth: 10 }).out, 3) }),
    target: [2, 8, 8, 8],
  },
  skip: {
    network: ({ x }: Named) => ({ scores: skipDecoder(resnet3d(x, { depth: 10 }), 3) }),
    target: [2, 32, 32, 32],
  },
};
const loss = ({ scores }: Named, { y }: Named): Tensor => diceCrossEntropy(scores, y);
const optimizers = { sgd: sgd({ lr: 0.01, momentum: 0.9 }), adamW: adamW({ lr: 0.001 }) };
for (const [kind, { network, target }] of Object.entries(networks)) {
  const types = { x: { shape: [2, 1, 32, 32, 32], dtype: "float32" }, y: { shape: target, dtype: "int32" } } as const;
  const graphs: Record<string, BuiltGraph> = { evaluation: buildEvaluation(network, types, loss) };
  for (const [name, optimizer] of Object.entries(optimizers)) {
    graphs[`${name}_step`] = buildStep({ network, loss, optimizer, accumulate: 1 }, types);
    const collected = { network, loss, optimizer, accumulate: 2, clipNorm: 1 };
    graphs[`${name}_collect`] = buildStep(collected, types, "collect");
    graphs[`${name}_clipped_step`] = buildStep(collected, types);
  }
  for (const [name, built] of Object.entries(graphs)) {
    write(`${kind}_${name}_standard`, encoded(built, false));
    write(`${kind}_${name}_contrib`, encoded(built, true));
  }
}
console.log(`${written} files`);

/** A training graph's bytes, as the model that trains it makes them. */
function encoded({ graph, outputs, renew }: BuiltGraph, lowering: boolean): Uint8Array {
  const clean = cleanUp(graph, Object.values(outputs));
  const cleaned = Object.fromEntries(Object.keys(outputs).map((name, i) => [name, clean.outputs[i]]));
  if (!lowering) return encodeOnnx(clean.graph, cleaned, { contrib: false });
  const lowered = lower(clean.graph, cleaned, {
    storedLike: (entry) => entry.replace(/^optimizer\.[^.]*\./, ""),
    renews: Object.fromEntries(Object.entries(renew).map(([entry, output]) => [output, entry])),
  });
  const names = Object.keys(lowered.outputs);
  const last = cleanUp(lowered.graph, Object.values(lowered.outputs));
  return encodeOnnx(last.graph, Object.fromEntries(names.map((name, i) => [name, last.outputs[i]])), { contrib: true });
}
