import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { folderMap, withFolderMap } from "./folder-map.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "medvox-map-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A repository of these files, each with its text. */
function repository(name: string, files: Readonly<Record<string, string>>): string {
  const at = join(folder, name);
  for (const beside of ["examples", "samples", "pretrained", "docs", "bench", "results", "test", "oracle"])
    mkdirSync(join(at, beside), { recursive: true });
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(join(at, file, ".."), { recursive: true });
    writeFileSync(join(at, file), text);
  }
  return at;
}

describe("the folder map", () => {
  it("is that of this repository (npm run map)", () => {
    const readme = readFileSync(join(root, "README.md"), "utf8");
    expect(readme).toContain("<!-- folders -->");
    expect(readme).toBe(withFolderMap(readme, root));
  });

  it("has every folder with its first sentence and the folders in it, but those of tests", () => {
    const made = repository("made", {
      "src/errors.ts": "/** Not a folder. */\n",
      "src/b/index.ts": "/**\n * @module medvox/b: boxes in 2D\n * and 3D. Free of Node APIs.\n */\nexport {};\n",
      "src/b/deep/x.ts": "export {};\n",
      "src/b/test/made-up.ts": "export {};\n",
      "src/a/main.ts": "#!/usr/bin/env node\n/** The `a|b` command. */\nexport {};\n",
    });
    expect(folderMap(made).split("\n").slice(2, 4)).toEqual([
      "| `src/a` | The `a\\|b` command |",
      "| `src/b` (`deep`) | Boxes in 2D and 3D |",
    ]);
    const text = "before\n<!-- folders -->\nold\n<!-- /folders -->\nafter\n";
    expect(withFolderMap(text, made)).toBe(
      `before\n<!-- folders -->\n\n${folderMap(made)}\n\n<!-- /folders -->\nafter\n`,
    );
  });

  it("names a folder that says nothing of itself", () => {
    const silent = repository("silent", { "src/c/index.ts": "export {};\n" });
    expect(() => folderMap(silent)).toThrow(
      "src/c: its index.ts opens with no comment whose first sentence says what the folder is",
    );
  });
});
