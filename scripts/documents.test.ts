/** Holds the documents to the program: what they tell a reader to type, to write or to follow is there. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CommanderError } from "commander";
import { beforeAll, describe, expect, it } from "vitest";
import type { z } from "zod";
import { commandOf } from "../src/cli/frame.ts";
import { resolve } from "../src/cli/resolve.ts";
import { type CommandEntry, commands } from "../src/cli/table.ts";
import { selectionSchema } from "../src/data/index.ts";
import {
  classificationConfigSchema,
  experimentSchemas,
  pretrainingConfigSchema,
  segmentationConfigSchema,
} from "../src/med3d/index.ts";
import { detectionConfigSchema, rpnExperimentSchema } from "../src/rcnn/index.ts";
import { buildIfStale } from "./build.ts";
import {
  blocksOf,
  brokenLinks,
  type CommandLine,
  commandLinesOf,
  type Document,
  importsOf,
  readDocuments,
  scriptsOf,
  wordsOf,
} from "./documents.ts";
import { apiEntries } from "./reference/api.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const documents = readDocuments(root);
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: Record<string, string> };

/** What a command line that leaves something out may lack. */
const lacks = ["commander.missingArgument", "commander.missingMandatoryOptionValue", "commander.optionMissingArgument"];

/** What is wrong with a command line; undefined where it parses. */
async function problemOf({ words, isPart }: CommandLine, table: readonly CommandEntry[] = commands) {
  // A name alone, or that of a group (`medvox transfer …`), names what there is.
  if (isPart && words.length === 1 && table.some(({ name }) => name.split(" ")[0] === words[0])) return undefined;
  try {
    const request = resolve(words, table);
    if (request.kind !== "command") return undefined;
    const { command: module } = await request.entry.load();
    const command = commandOf(request.entry, module).configureOutput({ writeOut: () => {}, writeErr: () => {} });
    await command.action(() => {}).parseAsync(request.rest, { from: "user" });
  } catch (error) {
    if (
      error instanceof CommanderError &&
      (error.code === "commander.helpDisplayed" || (isPart && lacks.includes(error.code)))
    )
      return undefined;
    return (error as Error).message;
  }
  return undefined;
}

/** What a JSON file that a document shows may be. */
const schemas: Readonly<Record<string, z.ZodType>> = {
  segmentation: segmentationConfigSchema,
  "segmentation without its data": segmentationConfigSchema.partial(),
  classification: classificationConfigSchema,
  pretraining: pretrainingConfigSchema,
  "detection without its data": detectionConfigSchema.partial(),
  ...experimentSchemas,
  rpn: rpnExperimentSchema,
  "part of a data set": selectionSchema.extend({ data: segmentationConfigSchema.shape.data }),
  "set of a pre-training": pretrainingConfigSchema.shape.sets.element,
};

describe.each(documents.map((document) => [document.path, document] as const))("%s", (path, document) => {
  it("names commands, arguments and options that there are", async () => {
    const problems = await Promise.all(
      commandLinesOf(document).map(async (line) => [line, await problemOf(line)] as const),
    );
    expect(
      problems.flatMap(([{ text, line }, problem]) => (problem ? [`${path}:${line}: ${text}: ${problem}`] : [])),
    ).toEqual([]);
  });

  it("names npm scripts that there are", () => {
    expect(scriptsOf(document).filter((name) => !(name in manifest.scripts))).toEqual([]);
  });

  it("shows JSON that is taken as it stands", () => {
    const bad = blocksOf(document)
      .filter(({ language }) => language === "json")
      .flatMap(({ text, line }) => {
        const { $schema: _, ...value } = JSON.parse(text) as Record<string, unknown>;
        return Object.values(schemas).some((schema) => schema.safeParse(value).success) ? [] : [`${path}:${line}`];
      });
    expect(bad).toEqual([]);
  });

  it("has no link that leads nowhere", () => {
    expect(brokenLinks(root, document)).toEqual([]);
  });
});

describe("TypeScript in the documents", () => {
  beforeAll(() => buildIfStale());

  it("imports what the package exports", () => {
    const names = new Map(
      apiEntries(root).map(({ entry, exports }) => [entry, new Set(exports.map(({ name }) => name))]),
    );
    const missing = documents.flatMap((document) =>
      importsOf(document)
        .filter(({ from, name }) => !names.get(from)?.has(name))
        .map(({ from, name, line }) => `${document.path}:${line}: ${from} has no ${name}`),
    );
    expect(missing).toEqual([]);
  });
});

describe("reading a document", () => {
  const of = (text: string): Document => ({ path: "a.md", text });

  it("finds commands in blocks and in backticks, without prompts, remarks and what came out", () => {
    const lines = commandLinesOf(
      of(
        "Say `medvox plan` or `medvox/graph`.\n\n```\nnpx medvox verify A  # why\nmedvox plan A && medvox info 'b c'\n```\n\n" +
          "```\n$ medvox doctor\nmedvox 0.1.0 works\n```\n\n```ts\nmedvox no\n```\n`medvox transfer lung|liver …`\n",
      ),
    );
    expect(lines.map(({ words, line, isPart }) => [words.join(" "), line, isPart])).toEqual([
      ["verify A", 4, false],
      ["plan A", 5, false],
      ["info b c", 5, false],
      ["doctor", 9, false],
      ["plan", 1, true],
      ["transfer lung", 16, true],
      ["transfer liver", 16, true],
    ]);
    expect(wordsOf(`a "b c" --d='e f'`)).toEqual(["a", "b c", "--d=e f"]);
  });

  it.each([
    ["medvox verfy A", /unknown command 'verfy'/],
    ["medvox verify A --strict", /unknown option '--strict'/],
    ["medvox predict runs/a --in b", /required option '--out/],
    ["medvox train segmentation --data A --epochs many", /must be a whole number/],
  ])("what does not parse is told: %s", async (text, message) => {
    const [line] = commandLinesOf(of(`\`\`\`\n${text}\n\`\`\`\n`));
    expect(await problemOf(line)).toMatch(message);
  });

  it("links and headings that are not there are told", () => {
    expect(
      brokenLinks(root, {
        path: "docs/a.md",
        text: "[a](../README.md#three-commands) [b](none.md) [c](../README.md#none)",
      }),
    ).toEqual([
      "docs/a.md: none.md: there is no docs/none.md",
      "docs/a.md: ../README.md#none: README.md has no such heading",
    ]);
  });

  it("imports by entry", () => {
    const block = '```ts\nimport { a, type B } from "medvox/graph";\nimport { c } from "other";\n```\n';
    expect(importsOf(of(block)).map(({ from, name }) => `${from} ${name}`)).toEqual([
      "medvox/graph a",
      "medvox/graph B",
    ]);
  });
});
