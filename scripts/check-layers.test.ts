import { describe, expect, it } from "vitest";
import { checkLayers, LAYERS } from "./check-layers.ts";

const check = (files: Record<string, string>): string[] => checkLayers(new Map(Object.entries(files)));

describe("the table of layers", () => {
  it("only points up the list, so no two layers can import each other", () => {
    const names = Object.keys(LAYERS);
    for (const [name, { may }] of Object.entries(LAYERS)) {
      for (const other of may) expect(names.indexOf(other), `${name} may import ${other}`).toBeGreaterThanOrEqual(0);
      for (const other of may)
        expect(names.indexOf(other), `${name} may import ${other}`).toBeLessThan(names.indexOf(name));
    }
  });

  it("lets a layer for the browser only import layers for the browser", () => {
    for (const [name, { may, browser }] of Object.entries(LAYERS)) {
      if (browser) for (const other of may) expect(LAYERS[other].browser, `${name} may import ${other}`).toBe(true);
    }
  });
});

describe("checkLayers", () => {
  it("accepts imports that point down", () => {
    expect(
      check({
        "errors.ts": "export class E extends Error {}",
        "graph/core.ts": `import { E } from "../errors.ts"; export const e = new E();`,
        "runtime/session.ts": `import * as ort from "onnxruntime-node"; import { e } from "../graph/core.ts"; e; ort;`,
      }),
    ).toEqual([]);
  });

  it("names an import that points up, with the line", () => {
    const files = {
      "graph/core.ts": `\nimport { train } from "../train/loop.ts";`,
      "train/loop.ts": "export const train = 1;",
    };
    expect(check(files)).toEqual(["src/graph/core.ts:2: graph imports train; graph may import errors, random"]);
  });

  it.each([
    ["import type", `import type { A } from "../cli/a.ts";`],
    ["export from", `export { a } from "../cli/a.ts";`],
    ["a lazy import", `const a = import("../cli/a.ts");`],
    ["an import in a type", `let a: import("../cli/a.ts").A;`],
  ])("sees %s", (_, text) => {
    expect(check({ "nn/layer.ts": text })).toEqual([
      "src/nn/layer.ts:1: nn imports cli; nn may import errors, random, graph",
    ]);
  });

  it("keeps Node out of what runs in a browser", () => {
    expect(check({ "volume/a.ts": `import { readFile } from "node:fs/promises";\nimport "path";` })).toEqual([
      "src/volume/a.ts:1: imports node:fs/promises, but volume must run in a browser",
      "src/volume/a.ts:2: imports path, but volume must run in a browser",
    ]);
    expect(check({ "metrics/a.ts": "const n = { process: 1 }.process;\nconst b = Buffer.alloc(n);" })).toEqual([
      "src/metrics/a.ts:2: uses the Node global 'Buffer', but metrics must run in a browser",
    ]);
    expect(check({ "files/a.ts": `import { readFile } from "node:fs/promises"; process.cwd();` })).toEqual([]);
  });

  it("keeps ONNX Runtime in runtime", () => {
    expect(check({ "train/a.ts": `import type { Tensor } from "onnxruntime-common";` })).toEqual([
      "src/train/a.ts:1: imports onnxruntime-common; only runtime may import ONNX Runtime",
    ]);
  });

  it("finds circles inside a layer, and lets types go in circles", () => {
    const files = (keyword: string) => ({
      "nn/a.ts": `import { b } from "./b.ts";`,
      "nn/b.ts": `import { c } from "./c.ts";`,
      "nn/c.ts": `${keyword} { a } from "./a.ts";`,
    });
    expect(check(files("import"))).toEqual(["circle of imports: nn/a.ts → nn/b.ts → nn/c.ts → nn/a.ts"]);
    expect(check(files("import type"))).toEqual([]);
  });

  it("refuses what is not in the package, and folders nobody placed", () => {
    expect(check({ "nn/a.ts": `import "../../bench/x.ts";` })).toEqual([
      "src/nn/a.ts:1: imports ../../bench/x.ts, which is outside src",
    ]);
    expect(check({ "utils/a.ts": "" })).toEqual([
      "src/utils/a.ts: layer 'utils' is not in the table of scripts/check-layers.ts",
    ]);
    expect(check({ "cli/a.ts": `import "medvox/nn";` })).toEqual([
      "src/cli/a.ts:1: imports medvox/nn: inside the package, import the file itself",
    ]);
  });
});
