import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { DataError } from "../errors.ts";
import { type Job, jobIdPattern, newJobId } from "./job.ts";
import { jobFiles } from "./job-files.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "medvox-job-files-"));
});
afterAll(() => rm(root, { recursive: true }));

const job = (id = newJobId("predict")): Job => ({
  format: 1,
  id,
  request: { kind: "predict", model: "m", input: "i", out: "o", options: {} },
  state: "queued",
  created: "2026-01-01T00:00:00.000Z",
  attempts: 0,
  deaths: 0,
  cancelAsked: false,
});

it("makes ids that fit the pattern, sort by time, and differ", () => {
  const ids = [1, 2, 1e12].map((ms) => newJobId("train", ms));
  for (const id of ids) expect(id).toMatch(jobIdPattern);
  expect([...ids].sort()).toEqual(ids);
  expect(newJobId("train", 1)).not.toBe(newJobId("train", 1));
});

it("drops a torn last line of events, so that numbers go on without a gap", async () => {
  const files = jobFiles(join(root, "torn"));
  const mine = job();
  await files.write(mine);
  await files.append(mine.id, { n: 1, at: "x", type: "note", data: { text: "a" } });
  const path = join(files.folderOf(mine.id), "events.jsonl");
  await appendFile(path, '{"n":2,"at":"x","ty');
  const [{ job: read, events }] = await files.readAll();
  expect(read).toEqual(mine);
  expect(events.map(({ n }) => n)).toEqual([1]);
  expect((await readFile(path, "utf8")).trim().split("\n")).toHaveLength(1);
});

it("clears away a folder without a record, and leaves folders of other names alone", async () => {
  const files = jobFiles(join(root, "half"));
  const id = newJobId("train");
  await mkdir(files.folderOf(id), { recursive: true });
  await mkdir(join(files.root, "holiday-pictures"));
  expect(await files.readAll()).toEqual([]);
  await expect(readFile(files.folderOf(id))).rejects.toThrow("ENOENT");
  await expect(readFile(join(files.root, "holiday-pictures"))).rejects.toThrow("EISDIR");
});

it("refuses a record that was damaged, by its path", async () => {
  const files = jobFiles(join(root, "damaged"));
  const id = newJobId("train");
  await files.write(job(id));
  await writeFile(join(files.folderOf(id), "job.json"), '{"format":1}');
  await expect(files.readAll()).rejects.toThrow(DataError);
  await expect(files.readAll()).rejects.toThrow(join(id, "job.json"));
});
