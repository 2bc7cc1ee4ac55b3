/**
 * Writes the graph of every operator case, forward and gradients, as an ONNX file, for the reference checker:
 *
 *     npx tsx oracle/onnx_export.ts FOLDER && python oracle/onnx_check.py --run FOLDER
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { caseGraph, encodeCase } from "../test/golden-forms.ts";
import { type GoldenCase, readGolden } from "../test/golden-values.ts";

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error("usage: npx tsx oracle/onnx_export.ts FOLDER");
mkdirSync(folder, { recursive: true });
const { cases } = readGolden<{ cases: GoldenCase[] }>("operators.json");
const ways = {
  standard: { contrib: false, lowering: false },
  lowered: { contrib: false, lowering: true },
  contrib: { contrib: true, lowering: true },
};
for (const [number, golden] of cases.entries()) {
  const built = caseGraph(golden);
  for (const [way, options] of Object.entries(ways)) {
    const name = `${String(number).padStart(3, "0")}_${golden.op}_${way}.onnx`;
    writeFileSync(join(folder, name), encodeCase(built, options));
  }
}
console.log(`${Object.keys(ways).length * cases.length} files`);
