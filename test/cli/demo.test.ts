/** `medvox demo --detect` as a user types it, cut to one epoch of the bundled pictures. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildIfStale } from "../../scripts/build.ts";
import { nightly } from "../nightly.ts";
import { undeclaredKeys } from "./json-keys.ts";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const work = mkdtempSync(join(tmpdir(), "medvox-cli-demo-"));

function medvox(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], { encoding: "utf8", cwd: work });
  return { status, stdout, stderr };
}

beforeAll(() => void (nightly && buildIfStale()));
afterAll(() => rmSync(work, { recursive: true, force: true }));

describe.skipIf(!nightly)("demo --detect", () => {
  test("trains, scores and reports on the bundled pictures; another folder is not overwritten unasked", {
    timeout: 600_000,
  }, async () => {
    const about = ["demo", "--detect", "--epochs", "1", "--threads", "1", "--out", "first"];
    const { status, stdout, stderr } = medvox(...about, "--json");
    expect(status, stderr).toBe(0);
    expect(stderr).toMatch(/^cells {2}152 train · 8 watched · 40 held out · Platelets, RBC, WBC$/m);
    const json = JSON.parse(stdout);
    expect(json).toMatchObject({
      task: "detection",
      images: 40,
      train: 152,
      run: "first",
      report: "first/report.html",
    });
    expect(Object.keys(json.classes)).toEqual(["Platelets", "RBC", "WBC"]);
    expect(await undeclaredKeys("demo", stdout)).toEqual([]);
    const report = readFileSync(join(work, "first/report.html"), "utf8");
    expect(report).toContain("https://github.com/Shenggan/BCCD_Dataset");
    expect(report).toContain("MIT, Copyright (c) 2017 shenggan");
    expect(report).toContain("medvox demo --detect --epochs 1 --threads 1 --out first --json");
    expect(report).toContain("data:image/png;base64,");
    expect(existsSync(join(work, "runs"))).toBe(false);
    const again = medvox(...about);
    expect(again.status).toBe(2);
    expect(again.stderr).toMatch(/^ConfigError: first: is a folder with files in it/);
  });
});
