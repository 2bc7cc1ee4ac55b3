import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { bestFeature, machine, versions } from "./machine.ts";

describe("machine", () => {
  it("is told in plain values", () => {
    const { cpu, cores, memoryGb, features, os } = machine();
    expect(cpu.length).toBeGreaterThan(0);
    expect(Number.isInteger(cores) && cores > 0).toBe(true);
    expect(memoryGb).toBeGreaterThan(0);
    expect(os).toContain(process.arch);
    expect(new Set(features).size).toBe(features.length);
  });

  it.runIf(process.platform === "linux" && process.arch === "x64")("knows the processor's features on Linux", () => {
    const flags = readFileSync("/proc/cpuinfo", "utf8");
    expect(machine().features.includes("AVX2")).toBe(/^flags.*\bavx2\b/m.test(flags));
    expect(machine().features.includes("AVX-512")).toBe(/^flags.*\bavx512f\b/m.test(flags));
  });
});

describe("bestFeature", () => {
  it.each([
    [["SSE4.2", "AVX", "AVX2", "AVX-512"], "AVX-512"],
    [["SSE4.2", "AVX", "AVX2"], "AVX2"],
    [["NEON"], "NEON"],
    [[], undefined],
  ])("of %j is %s", (features, best) => expect(bestFeature(features)).toBe(best));
});

describe("versions", () => {
  it("are those of the packages that run", () => {
    const manifest = (path: string) => JSON.parse(readFileSync(new URL(`../${path}`, import.meta.url), "utf8"));
    expect(versions()).toEqual({
      medvox: manifest("package.json").version,
      node: process.versions.node,
      onnxruntime: manifest("node_modules/onnxruntime-node/package.json").version,
    });
  });
});
