/**
 * Writes the graph of every operator case, forward and gradients, as an ONNX file, for the reference checker:
 *
 *     npx tsx oracle/onnx_export.ts FOLDER && python oracle/onnx_check.py --run FOLDER
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { caseGraph } from "../test/golden-forms.ts";
import { type GoldenCase, readGolden } from "../test/golden-values.ts";

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error("usage: npx tsx oracle/onnx_export.ts FOLDER");
mkdirSync(folder, { recursive: true });
const { cases } = readGolden<{ cases: GoldenCase[] }>("operators.json");
for (const [number, golden] of cases.entries()) {
  const { graph, asked } = caseGraph(golden);
  for (const contrib of [false, true]) {
    const name = `${String(number).padStart(3, "0")}_${golden.op}${contrib ? "_contrib" : ""}.onnx`;
    writeFileSync(join(folder, name), graph.toOnnx(asked, { contrib }));
  }
}
console.log(`${2 * cases.length} files`);
