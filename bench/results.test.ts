import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readResult, writeResult } from "./results.ts";

const folder = mkdtempSync(join(tmpdir(), "medvox-results-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("writeResult", () => {
  it("writes the rows with command, machine, versions and date, and reads back the same", () => {
    const written = writeResult("speed", [{ step: "conv", ms: 1 / 3 }], {
      command: "npm run bench",
      versions: { pytorch: "2.9.0" },
      folder,
    });
    const read = readResult(join(folder, "speed.json"));
    expect(read).toEqual(written);
    expect(read.rows).toEqual([{ step: "conv", ms: 1 / 3 }]);
    expect(read.versions).toMatchObject({ node: process.versions.node, pytorch: "2.9.0" });
    expect(read.machine.cores).toBeGreaterThanOrEqual(1);
    expect(Math.abs(Date.parse(read.date) - Date.now())).toBeLessThan(60_000);
  });

  it("refuses a file that is not a result", () => {
    writeFileSync(join(folder, "half.json"), `{"name":"half"}`);
    expect(() => readResult(join(folder, "half.json"))).toThrow("a result must have 'command'");
  });
});
