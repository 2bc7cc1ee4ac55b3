import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { DataError } from "../../errors.ts";
import { folderStore } from "../store/folder-store.ts";
import { readFrame } from "./record.ts";

const folder = mkdtempSync(join(tmpdir(), "medvox-record-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("a run of a later format is refused by its number and its writer, before anything else of it is judged", async () => {
  const run = {
    format: 2,
    task: "segmentation",
    versions: { medvox: "9.1.0" },
    machine: "is written otherwise by then",
  };
  writeFileSync(join(folder, "run.json"), JSON.stringify(run));
  const reading = readFrame(folderStore(folder));
  await expect(reading).rejects.toThrow(DataError);
  await expect(reading).rejects.toThrow(
    /run\.json: format: 2, written by medvox 9\.1\.0; this is medvox \d+\.\d+\.\d+, which reads runs up to format 1; use a newer medvox$/,
  );
});

test.each([0, "1", null])("format %j is no format", async (format) => {
  writeFileSync(join(folder, "run.json"), JSON.stringify({ format }));
  await expect(readFrame(folderStore(folder))).rejects.toThrow(/run\.json: format: /);
});
