/** Every TypeScript program that a document shows, from its imports on, is one that the compiler takes against the built package. */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, it } from "vitest";
import { buildIfStale } from "./build.ts";
import { blocksOf, readDocuments } from "./documents.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
// Below the package's own folder, so that its name leads to itself, as in a project that has it installed.
const folder = join(root, ".document-types");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("programs of documents compile", { timeout: 300_000 }, () => {
  buildIfStale();
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const programs = readDocuments(root)
    // Those of the generated reference are signatures.
    .filter(({ path }) => !path.startsWith("docs/reference/"))
    .flatMap((document) => blocksOf(document).map((block) => ({ ...block, path: document.path })))
    .filter(({ language, text }) => language === "ts" && /from "medvox/.test(text));
  expect(programs.length).toBeGreaterThan(3);
  const files = programs.map(({ path, line, text }) => {
    // The document and the line stand in the file's name, so that the compiler names them.
    const name = `${path.replaceAll(/\W/g, "-")}-line-${line}.ts`;
    writeFileSync(join(folder, name), `${text}\nexport {};\n`);
    return name;
  });
  const extended = { extends: "../tsconfig.json", files, include: [], compilerOptions: { noUnusedLocals: false } };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(extended));
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const { stdout } = spawnSync(process.execPath, [tsc, "--noEmit", "-p", folder], { cwd: root, encoding: "utf8" });
  expect(stdout).toBe("");
});
