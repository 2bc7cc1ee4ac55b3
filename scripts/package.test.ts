/** The package as it is described: what package.json promises exists, and the lock file names no registry. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const path = (below: string): string => fileURLToPath(new URL(`../${below}`, import.meta.url));
const manifest = JSON.parse(readFileSync(path("package.json"), "utf8"));

describe("package.json", () => {
  const entries = Object.entries<string | Record<string, string>>(manifest.exports).flatMap(([name, target]) =>
    typeof target === "string" ? [] : [{ name, ...target } as { name: string; types: string; default: string }],
  );

  it.each(entries)("$name is made from a source", ({ types, default: code }) => {
    const source = code.replace("./dist/", "src/").replace(/\.js$/, ".ts");
    expect(existsSync(path(source)), source).toBe(true);
    expect(types).toBe(code.replace(/\.js$/, ".d.ts"));
  });

  it("exports every folder but the command line", () => {
    const names =
      "graph nn runtime train med3d rcnn boxes images volume dicom files data augment metrics report weights".split(
        " ",
      );
    const promised = entries.map(({ name }) => name).filter((name) => !name.endsWith("/internal"));
    expect(promised.sort()).toEqual([".", ...names.map((name) => `./${name}`)].sort());
  });

  it("has all of a folder behind its /internal, where its door is narrower", () => {
    for (const { name, default: code } of entries) {
      if (name.endsWith("/internal")) expect(code).toBe(`${name.replace(/^\.(.*)\/internal$/, "./dist$1")}/index.js`);
      const within = entries.some((entry) => entry.name === `${name}/internal`);
      expect(code, name).toBe(within ? `./dist/${name.slice(2)}/public.js` : code);
    }
  });

  it("pins the engine to one version", () => {
    expect(manifest.dependencies["onnxruntime-node"]).toMatch(/^\d+\.\d+\.\d+$/);
    expect(manifest.dependencies["onnxruntime-common"]).toBe(manifest.dependencies["onnxruntime-node"]);
  });

  it("lets no dependency run a script", () => {
    expect(Object.values(manifest.allowScripts)).not.toContain(true);
  });
});

describe("package-lock.json", () => {
  type Entry = Record<"dependencies" | "optionalDependencies", Record<string, string> | undefined> &
    Record<string, unknown>;
  const { packages } = JSON.parse(readFileSync(path("package-lock.json"), "utf8")) as {
    packages: Record<string, Entry>;
  };
  const installed = Object.entries(packages).filter(([name]) => name !== "");

  it("holds versions and checksums, but no address of a registry", () => {
    expect(installed.length).toBeGreaterThan(50);
    for (const [name, entry] of installed) {
      expect(entry.resolved, name).toBeUndefined();
      expect(entry.integrity, name).toMatch(/^sha512-/);
    }
  });

  it("holds the packages of other platforms too, without which npm ci refuses to work", () => {
    const missing = Object.entries(packages).flatMap(([folder, { dependencies, optionalDependencies }]) =>
      Object.keys({ ...dependencies, ...optionalDependencies }).filter(
        (name) => !(`node_modules/${name}` in packages || `${folder}/node_modules/${name}` in packages),
      ),
    );
    expect(missing).toEqual([]);
  });
});
