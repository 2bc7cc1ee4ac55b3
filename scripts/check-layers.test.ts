import { describe, expect, it } from "vitest";
import { checkBounds, checkCircles, checkLayers, filesPerFolder } from "./check-layers.ts";
import { doorsOf, doubleNames, namesOf, valuesOf } from "./layers/doors.ts";
import { LAYERS } from "./layers/table.ts";
import { unusedExports } from "./layers/unused.ts";

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
});

describe("checkLayers", () => {
  it("accepts imports that point down", () => {
    expect(
      check({
        "errors.ts": "export class E extends Error {}",
        "graph/core.ts": `import { E } from "../errors.ts"; export const e = new E();`,
        "runtime/node/session.ts": `import * as ort from "onnxruntime-node"; import { e } from "../../graph/core.ts"; e;`,
      }),
    ).toEqual([]);
  });

  it("names an import that points up, with the line", () => {
    const files = {
      "graph/core.ts": `\nimport { train } from "../train/loop.ts";`,
      "train/loop.ts": "export const train = 1;",
    };
    expect(check(files)).toEqual([
      "src/graph/core.ts:2: graph imports train; graph may import errors, random, bounded-cache",
    ]);
  });

  it.each([
    ["import type", `import type { A } from "../cli/a.ts";`],
    ["export from", `export { a } from "../cli/a.ts";`],
    ["a lazy import", `const a = import("../cli/a.ts");`],
    ["an import in a type", `let a: import("../cli/a.ts").A;`],
  ])("sees %s", (_, text) => {
    expect(check({ "nn/layer.ts": text })).toEqual([
      "src/nn/layer.ts:1: nn imports cli; nn may import errors, random, bounded-cache, graph",
    ]);
  });

  it("keeps Node out of what runs in a browser", () => {
    expect(check({ "volume/a.ts": `import { readFile } from "node:fs/promises";\nimport "path";` })).toEqual([
      "src/volume/a.ts:1: imports node:fs/promises, but volume/a.ts must run in a browser",
      "src/volume/a.ts:2: imports path, but volume/a.ts must run in a browser",
    ]);
    expect(check({ "metrics/a.ts": "const n = { process: 1 }.process;\nconst b = Buffer.alloc(n);" })).toEqual([
      "src/metrics/a.ts:2: uses the Node global 'Buffer', but metrics/a.ts must run in a browser",
    ]);
    expect(check({ "files/a.ts": `import { readFile } from "node:fs/promises"; process.cwd();` })).toEqual([]);
  });

  it("keeps ONNX Runtime in runtime", () => {
    expect(check({ "train/a.ts": `import type { Tensor } from "onnxruntime-common";` })).toEqual([
      "src/train/a.ts:1: imports onnxruntime-common; only runtime may import ONNX Runtime",
    ]);
  });

  it("keeps Node out of the parts of a layer that run in a browser, and of what these import", () => {
    const node = `import { Worker } from "node:worker_threads"; import "onnxruntime-node"; Worker;`;
    const files = {
      "runtime/index.ts": `export * from "./node/engine.ts";`,
      "runtime/types.ts": "export type A = 1;",
      "runtime/node/engine.ts": `${node} import type { A } from "../types.ts";`,
      "runtime/connection.ts": "",
      "train/train.ts": `import "../runtime/index.ts";`,
      "train/model/model.ts": `import type { A } from "../../runtime/types.ts";`,
    };
    expect(check(files)).toEqual([]);
    expect(check({ ...files, "runtime/connection.ts": node })).toEqual([
      "src/runtime/connection.ts:1: imports node:worker_threads, but runtime/connection.ts must run in a browser",
      "src/runtime/connection.ts:1: imports onnxruntime-node, but runtime/connection.ts must run in a browser",
    ]);
    expect(check({ ...files, "train/model/model.ts": `import type { B } from "../../runtime/index.ts";` })).toEqual([
      "src/train/model/model.ts:1: imports runtime/index.ts, which needs Node, but train/model/model.ts must run in a browser",
    ]);
  });

  it("refuses what is not in the package, and folders nobody placed", () => {
    expect(check({ "nn/a.ts": `import "../../bench/x.ts";` })).toEqual([
      "src/nn/a.ts:1: imports ../../bench/x.ts, which is outside src",
    ]);
    expect(check({ "utils/a.ts": "" })).toEqual([
      "src/utils/a.ts: layer 'utils' is not in the table of scripts/layers/table.ts",
    ]);
    expect(check({ "cli/a.ts": `import "medvox/nn";` })).toEqual([
      "src/cli/a.ts:1: imports medvox/nn: inside the package, import the file itself",
    ]);
  });
});

describe("checkCircles", () => {
  const files = (text: string) =>
    new Map([
      ["nn/a.ts", `import { b } from "./b.ts";`],
      ["nn/b.ts", `import { c } from "./c.ts";`],
      ["nn/c.ts", text],
    ]);
  const circle = "circle of imports: nn/a.ts → nn/b.ts → nn/c.ts → nn/a.ts";

  it.each([
    ["of values", `import { a } from "./a.ts";`],
    ["of types", `import type { A } from "./a.ts";`],
    ["of types in place", `let a: import("./a.ts").A;`],
  ])("finds circles %s", (_, text) => {
    expect(checkCircles(files(text))).toEqual([circle]);
  });

  it("lets a lazy import close one", () => {
    expect(checkCircles(files(`const a = () => import("./a.ts");`))).toEqual([]);
  });
});

describe("checkBounds", () => {
  it("counts files by folder, not those of the folders in it", () => {
    expect([...filesPerFolder(["index.ts", "nn/a.ts", "nn/b.ts", "nn/c/d.ts"])]).toEqual([
      ["", 1],
      ["nn", 2],
      ["nn/c", 1],
    ]);
  });

  it("refuses what is past its bound", () => {
    const sizes = new Map(Object.entries({ small: 3, large: 4, free: 99, "": 5 }));
    expect(checkBounds("files", sizes, 3, ["free"])).toEqual([
      "large: 4 files; it may have 3",
      "src: 5 files; it may have 3",
    ]);
  });
});

describe("doors", () => {
  it("are the modules that package.json exports", () => {
    const target = { types: "./dist/nn/index.d.ts", default: "./dist/nn/index.js" };
    const doors = doorsOf({ name: "medvox", exports: { "./nn": target, "./package.json": "./package.json" } });
    expect([...doors]).toEqual([["medvox/nn", "nn/index.ts"]]);
  });

  it("let out every name once, with the place where it is declared", () => {
    const sources = new Map([
      ["nn/index.ts", `export { a as b, type T } from "./a.ts"; export * from "./c.ts"; export const d = 1;`],
      ["nn/a.ts", "export const a = 1; export type T = 1; export const hidden = 2;"],
      ["nn/c.ts", `export function f() {} export class G {} export const [h, { i }] = x; export { a } from "./a.ts";`],
    ]);
    const places = [...namesOf("nn/index.ts", sources)].map(([name, at]) => `${name} ${at.file} ${at.name}`);
    expect(places.sort()).toEqual([
      "G nn/c.ts G",
      "T nn/a.ts T",
      "a nn/a.ts a",
      "b nn/a.ts a",
      "d nn/index.ts d",
      "f nn/c.ts f",
      "h nn/c.ts h",
      "i nn/c.ts i",
    ]);
    // T is a type, which every reader meets in the signature of a value.
    expect(valuesOf("nn/index.ts", sources)).toBe(7);
  });

  it("names what two doors call alike and mean differently", () => {
    const sources = new Map([
      ["graph/index.ts", "export function conv() {} export interface Shape {}"],
      ["nn/index.ts", `export function conv() {} export { type Shape } from "../graph/index.ts";`],
    ]);
    const doors = new Map([
      ["medvox/graph", "graph/index.ts"],
      ["medvox/nn", "nn/index.ts"],
    ]);
    expect(doubleNames(doors, sources)).toEqual([
      "medvox/nn: exports conv of nn/index.ts; medvox/graph has another conv, of graph/index.ts",
    ]);
  });
});

describe("unusedExports", () => {
  const sources = new Map([
    ["src/index.ts", `export { open } from "./a.ts";`],
    ["src/a.ts", "export const open = 1; export const own = open; export type Shown = 1; export const s: Shown = 1;"],
    ["src/b.ts", `import { s } from "./inside.ts"; export const tested = s; export const told = 1; export type T = 1;`],
    ["src/inside.ts", `export { s, own } from "./a.ts";`],
    ["test/b.test.ts", `import { tested } from "../src/b.ts";`],
  ]);

  it("names what no file, door or document uses; a re-export alone is no use", () => {
    const asked = (path: string) => path.startsWith("src/");
    expect(unusedExports(sources, asked, ["src/index.ts"], ["As `told` says."])).toEqual([
      { file: "src/a.ts", name: "own" },
      { file: "src/b.ts", name: "T" },
    ]);
  });
});
