/** Completion: an editor shows for every key of a configuration what the reference says of it, from the package as it is built. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { beforeAll, describe, expect, test } from "vitest";
import { buildIfStale } from "../build.ts";
import { configuration } from "./configuration.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const door = join(root, "dist/med3d/public.d.ts");

beforeAll(() => buildIfStale());

describe.each([
  ["SegmentationRequest", "segmentation"],
  ["ClassificationRequest", "classification"],
  ["PretrainingRequest", "pretraining"],
])("%s", (type, page) => {
  test("has a comment on every key, the reference's own words", () => {
    const program = ts.createProgram([door], {
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      target: ts.ScriptTarget.ES2023,
      strict: true,
      skipLibCheck: true,
    });
    const checker = program.getTypeChecker();
    const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(door)!)!);
    const declared = checker.getAliasedSymbol(exported.find(({ name }) => name === type)!);
    const told = new Map(
      checker
        .getDeclaredTypeOfSymbol(declared)
        .getProperties()
        .map((key) => [key.name, oneLine(ts.displayPartsToString(key.getDocumentationComment(checker)))]),
    );
    const { $schema: _, ...properties } = configuration(root).schemas[page].properties!;
    expect([...told.keys()].sort()).toEqual(Object.keys(properties).sort());
    const different = Object.entries(properties).filter(
      ([key, { description }]) => !told.get(key)!.startsWith(oneLine(description ?? "nothing")),
    );
    expect(different.map(([key, { description }]) => [key, description, told.get(key)])).toEqual([]);
  });
});

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim();
}
