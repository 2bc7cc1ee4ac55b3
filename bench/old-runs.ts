/**
 * The runs of `test/fixtures/runs`, written by medvox 0.1.0 before its runs were rebuilt, gone on with and scored by this build:
 *
 *     npx tsx bench/old-runs.ts --hashes [KIND…]    prints SHA-256 of all that comes out, to compare two builds on one machine bit for bit
 *     npx tsx bench/old-runs.ts --compare [KIND…]   says where they differ from `hashes.json` there, which that build printed on an x64 processor with AVX-512
 *     npx tsx bench/old-runs.ts --record [KIND…]    writes what the tests expect; only the build that wrote the runs should
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { kinds } from "../test/old-runs/kinds.ts";
import { fixtureFolder } from "../test/old-runs/materialise.ts";
import { measure } from "../test/old-runs/measure.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { hashes: { type: "boolean" }, compare: { type: "boolean" }, record: { type: "boolean" } },
});
const all: Record<string, Record<string, string>> = {};
for (const name of positionals.length > 0 ? positionals : Object.keys(kinds)) {
  const began = performance.now();
  const { outcome, hashes } = await measure(name);
  all[name] = hashes;
  if (values.record) writeFileSync(join(fixtureFolder(name), "expected.json"), `${JSON.stringify(outcome, null, 2)}\n`);
  console.error(`${name}  ${((performance.now() - began) / 1000).toFixed(1)} s`);
}
if (values.hashes) console.log(JSON.stringify(all, null, 2));
if (values.compare) {
  const wanted = JSON.parse(readFileSync(fixtureFolder("hashes.json"), "utf8")) as typeof all;
  const files = Object.entries(all).flatMap(([kind, hashes]) =>
    Object.entries(wanted[kind]).map(([file, hash]) => ({ name: `${kind}/${file}`, isSame: hashes[file] === hash })),
  );
  for (const { name, isSame } of files) if (!isSame) console.log(`differs  ${name}`);
  console.log(`${files.filter(({ isSame }) => isSame).length} of ${files.length} are the same`);
  process.exitCode = files.every(({ isSame }) => isSame) ? 0 : 1;
}
