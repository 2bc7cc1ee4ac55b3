/** `medvox verify` on detection data sets, typed as a user types it. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { encode } from "fast-png";
import { beforeAll, describe, expect, test } from "vitest";
import { undeclaredKeys } from "./json-keys.ts";
import { medvox, workFolder } from "./medvox.ts";

const bccd = fileURLToPath(new URL("../../../shared/data/BCCD", import.meta.url));
if (!existsSync(bccd)) console.warn("skipped: ../shared/data/BCCD is not here, so no real detection set is verified");
const work = workFolder("detection-cli");

beforeAll(() => {
  mkdirSync(join(work, "cells"));
  writeFileSync(join(work, "cells/classes.txt"), "cell\n");
  for (const [i, line] of ["0 0.5 0.5 0.5 0.5", "0 0.5 0.5 0 0.5"].entries()) {
    const data = Uint8Array.from({ length: 300 }, (_, k) => (k * 7 + i) % 256);
    writeFileSync(join(work, `cells/${i}.png`), encode({ width: 10, height: 10, data, channels: 3, depth: 8 }));
    writeFileSync(join(work, `cells/${i}.txt`), `${line}\n`);
  }
});

describe("verify", () => {
  test("names the broken box, counts the others, exit status 1", async () => {
    const { status, stdout } = await medvox("verify", "cells");
    expect(status).toBe(1);
    expect(stdout).toContain(
      "error    1: 1.txt: line 1 (cell): box 5,2.5–5,7.5 has no extent: a side of length 0; left out",
    );
    expect(stdout).toContain("cells (yolo): 2 images, 1 broken; 1 error, 0 warnings");
    expect(stdout).toContain("class    cell: 1 box in 1 image, sides 5 / 5 / 5");
    const json = JSON.parse((await medvox("verify", "cells", "--json")).stdout);
    expect(json).toMatchObject({ ok: false, task: "detection", format: "yolo", summary: { boxes: 1, skipped: 1 } });
  });

  test.skipIf(!existsSync(bccd))("BCCD: the two boxes without extent, and nothing else", async () => {
    const { status, stdout } = await medvox("verify", bccd, "--json");
    const { findings, summary } = JSON.parse(stdout);
    expect(status).toBe(1);
    expect(findings.map((finding: { case: string; rule: string }) => `${finding.case} ${finding.rule}`)).toEqual([
      "BloodImage_00338 degenerate",
      "BloodImage_00343 degenerate",
    ]);
    expect(summary).toMatchObject({ images: 292, boxes: 3941, skipped: 2, splits: { train: 205, validation: 87 } });
  });
});

describe("verify --images", () => {
  test("looks for the pictures where training would", async () => {
    mkdirSync(join(work, "apart/labels"), { recursive: true });
    mkdirSync(join(work, "pictures"));
    const images = [{ id: 1, file_name: "a.png", width: 10, height: 10 }];
    const annotations = [{ id: 1, image_id: 1, category_id: 1, bbox: [2, 2, 5, 5], area: 25, iscrowd: 0 }];
    const set = { images, annotations, categories: [{ id: 1, name: "cell" }] };
    writeFileSync(join(work, "apart/boxes.json"), JSON.stringify(set));
    const data = Uint8Array.from({ length: 300 }, (_, k) => (k * 7) % 256);
    writeFileSync(join(work, "pictures/a.png"), encode({ width: 10, height: 10, data, channels: 3, depth: 8 }));
    expect((await medvox("verify", "apart/boxes.json")).status).not.toBe(0);
    const { status, stdout } = await medvox("verify", "apart/boxes.json", "--images", "pictures");
    expect(status, stdout).toBe(0);
    expect(stdout).toContain("1 image, 0 broken");
    expect(stdout).toContain("next     medvox detect train --data apart/boxes.json --images pictures");
  });

  test("is for boxes", async () => {
    mkdirSync(join(work, "none"));
    const { status, stderr } = await medvox("verify", "none", "--images", "pictures");
    expect([status, stderr]).toEqual([2, expect.stringContaining("none: not a detection data set")]);
  });
});

describe("detect evaluate --results", () => {
  const found = [{ image_id: "0", category_id: 0, bbox: [2.5, 2.5, 5, 5], score: 0.9 }];
  beforeAll(() => {
    writeFileSync(join(work, "found.json"), JSON.stringify(found));
  });

  test("scores another program's detections, and says what of the data was left out", async () => {
    const said = await medvox("detect", "evaluate", "--results", "found.json", "--data", "cells", "--max", "300");
    expect([said.status, said.stderr]).toEqual([0, ""]);
    expect(said.stdout).toMatch(
      /^scored {7}cell 1\.000 · mean AP50 1\.000 {3}2 pictures\n(.*\n)*data {9}1 box left out\n$/,
    );
    const { stdout } = await medvox("detect", "evaluate", "--results", "found.json", "--data", "cells", "--json");
    expect(JSON.parse(stdout)).toMatchObject({
      task: "detection",
      images: 2,
      ap50: expect.closeTo(1, 12),
      maxDetections: 100,
      results: "found.json",
      data: "cells",
      problems: { count: 1, list: [{ case: "1", rule: "degenerate", severity: "error", box: 1 }] },
    });
    expect(await undeclaredKeys("detect evaluate", stdout)).toEqual([]);
  });
});
