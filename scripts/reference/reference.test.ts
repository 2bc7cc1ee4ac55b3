import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { defineCommand } from "../../src/cli/command.ts";
import { buildIfStale } from "../build.ts";
import { apiEntries } from "./api.ts";
import { commandsPage } from "./commands.ts";
import { configuration, typeOf } from "./configuration.ts";
import { anchor, cell, table } from "./markdown.ts";
import { leftOver, reference } from "./reference.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

beforeAll(() => buildIfStale());

describe("the reference that is checked in", () => {
  it("says what the sources say (npm run reference)", async () => {
    const files = await reference(root);
    const stale = [...files].filter(([path, text]) => {
      const file = join(root, path);
      return !existsSync(file) || readFileSync(file, "utf8") !== text;
    });
    expect(stale.map(([path]) => path)).toEqual([]);
    expect(leftOver(root, files)).toEqual([]);
  });

  it("has a doc comment for every function, class and constant of the package", () => {
    const bare = apiEntries(root).flatMap(({ entry, exports }) =>
      exports.filter(({ kind, doc }) => kind !== "type" && doc === "").map(({ name }) => `${entry}: ${name}`),
    );
    expect(bare).toEqual([]);
  });

  it("has a meaning for every key of every configuration", () => {
    const bare = configuration(root)
      .page.split("\n")
      .filter((line) => /^\| `.*\| {2}\|$/.test(line));
    expect(bare).toEqual([]);
  });

  it("tells a key that tasks share once", () => {
    const tables = new Map<string, string[]>();
    for (const section of configuration(root).page.split("\n## ").slice(1)) {
      const title = section.slice(0, section.indexOf("\n"));
      if (title === "Augmentation") continue;
      for (const [, key] of section.matchAll(/^\| `([^`]+)` \|/gm))
        tables.set(key, [...(tables.get(key) ?? []), title]);
    }
    expect(tables.get("epochs")).toEqual(["Every training"]);
    expect(tables.get("depth")).toEqual(["Every training of Med3D", "Detection"]);
    // One name with a meaning of its own in each of them.
    const often = [...tables].filter(([, titles]) => titles.length > 2).map(([key]) => key);
    expect(often.sort()).toEqual(["augmentation", "from", "heldOut", "schedule"]);
  });

  it("says which defaults a task has of its own, and what it leaves out", () => {
    const { page } = configuration(root);
    expect(page).toContain(
      "[every training](#every-training); other defaults: `learningRate` `0.005`, `warmupEpochs` `1`, `clipNorm` `10`, `epochs` `26`.",
    );
    expect(page).toContain("It has the keys of [segmentation](#segmentation), but for `data`, `spacingMm`, `window`, ");
  });
});

describe("the page of commands", () => {
  it("shows arguments, options, defaults, examples and keys", async () => {
    const command = defineCommand({
      configure: (command) =>
        command
          .argument("<file>", "what to read")
          .argument("[more...]", "what else")
          .requiredOption("--out <file>", "what to write")
          .option("--epochs <n>", "passes (default 30)")
          .option("--lr <rate>", "rate", Number, 0.1),
      examples: ["medvox sum a.nii --out b.nii"],
      details: "As sums are.\nOver lines.",
      json: { "sum.mean": "of all|some" },
      writes: true,
      run: async () => ({ document: {}, text: "" }),
    });
    const page = await commandsPage([{ name: "sum", summary: "add <two> volumes", load: async () => ({ command }) }]);
    expect(page.slice(page.indexOf("## "))).toBe(
      [
        "## `medvox sum`\n",
        "Add &lt;two> volumes.\n",
        "```text\nmedvox sum <file> [more...] [options]\n```\n",
        "| argument, option |  | default |",
        "| --- | --- | --- |",
        "| `<file>` | what to read | required |",
        "| `[more...]` | what else |  |",
        "| `--out <file>` | what to write | required |",
        "| `--epochs <n>` | passes | 30 |",
        "| `--lr <rate>` | rate | 0.1 |",
        "| `--force` | replace what exists |  |\n",
        "As sums are. Over lines.\n",
        "Example:\n",
        "```\nmedvox sum a.nii --out b.nii\n```\n",
        "`--json` prints:\n",
        "| key |  |",
        "| --- | --- |",
        "| `sum.mean` | of all\\|some |",
      ].join("\n"),
    );
  });
});

describe("types in words", () => {
  it.each([
    [{ type: "integer", exclusiveMinimum: 0, maximum: Number.MAX_SAFE_INTEGER }, "integer > 0"],
    [{ type: "number", minimum: 0, maximum: 0.95 }, "number ≥ 0, ≤ 0.95"],
    [{ enum: ["A", "B"] }, '`"A"`, `"B"`'],
    [{ anyOf: [{ type: "string" }, { type: "null" }] }, "string or null"],
    [{ type: "array", prefixItems: [{ type: "number" }, { type: "number" }] }, "2 × number"],
    [{ type: "array", items: { type: "integer" } }, "list of integer"],
    [
      { type: "object", properties: { kind: { const: "step" }, by: { type: "number" } }, required: ["kind"] },
      '{ `kind`: `"step"`, `by`?: number }',
    ],
  ])("%j", (schema, words) => {
    expect(typeOf(schema)).toBe(words);
  });
});

describe("the API", () => {
  const entries = new Map<string, ReturnType<typeof apiEntries>[number]>();
  beforeAll(() => {
    for (const entry of apiEntries(root)) entries.set(entry.entry, entry);
  });
  const find = (entry: string, name: string) => entries.get(entry)?.exports.find((one) => one.name === name);

  it("has a page for every subpath export that is promised", () => {
    const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { exports: object };
    const promised = Object.keys(exports).filter((key) => key !== "./package.json" && !key.endsWith("/internal"));
    expect([...entries.keys()]).toEqual(promised.map((key) => `medvox${key.slice(1)}`));
  });

  it("follows re-exports, and finds defaults where the source has them", () => {
    expect(find("medvox/graph", "matmul")).toEqual({
      name: "matmul",
      kind: "function",
      doc: "Matrix product over the last two axes; the others broadcast.",
      code: "function matmul(a: Tensor, b: Tensor, options?: MatmulOptions): Tensor;",
      defaults: [
        ["transposeA", "false"],
        ["transposeB", "false"],
        ["alpha", "1"],
      ],
    });
    expect(find("medvox/graph", "relu")).toMatchObject({
      kind: "function",
      code: "const relu: (x: Tensor) => Tensor;",
    });
    expect(find("medvox/volume", "Volume")?.kind).toBe("type");
  });

  it("does not print the types of schemas", () => {
    const [{ exports }] = apiEntries(root, (subpath) => subpath === "./med3d/internal");
    expect(exports.find(({ name }) => name === "segmentationConfigSchema")?.code).toBe(
      "const segmentationConfigSchema: z.ZodObject<…>;",
    );
  });
});

describe("Markdown", () => {
  it("keeps bars, tags and stars out of cells, but for code", () => {
    expect(cell("a|b <c> `<d>|` *")).toBe("a\\|b &lt;c> `<d>\\|` \\*");
    expect(table(["a", ""], [["1", "2"]])).toBe("| a |  |\n| --- | --- |\n| 1 | 2 |");
  });

  it("names anchors as GitHub does", () => {
    expect(anchor("medvox train segmentation")).toBe("medvox-train-segmentation");
    expect(anchor("5. Predict: `a.b`")).toBe("5-predict-ab");
  });
});
