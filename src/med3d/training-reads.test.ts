/** A training reads each file once, from the fingerprint to the last validation, where its cache has room; and learns the same without. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { createCaseCache } from "../data/index.ts";
import { countOpens, type OpenCount } from "../data/test/count-opens.ts";
import { imageOf, labelOf, writeDecathlon, writeRated } from "../data/test/made-up.ts";
import { bestCheckpoint, epochsOf, folderStore, lastCheckpoint } from "../train/index.ts";
import { pretrain, trainClassification, trainSegmentation } from "./index.ts";

let opens: OpenCount;
/** Workers count what they open, too. */
vi.mock("../threads.ts", async (original) => {
  const threads = await original<typeof import("../threads.ts")>();
  return {
    spawnWorker: (...[url, stem, ...more]: Parameters<typeof threads.spawnWorker>) =>
      threads.spawnWorker(...opens.counting(url, stem), ...more),
  };
});

const folder = mkdtempSync(join(tmpdir(), "medvox-reads-"));
const data = { volumes: "", rated: "" };
beforeAll(async () => {
  opens = await countOpens(folder);
  const size = [16, 16, 16] as const;
  data.volumes = await writeDecathlon(
    [0, 1, 2, 3].map((i) => ({ id: `case_${i}`, image: imageOf(size, i), label: labelOf(size, i) })),
  );
  data.rated = await writeRated(8);
});
afterAll(() => {
  for (const path of [folder, data.volumes, data.rated]) rmSync(path, { recursive: true, force: true });
});

type Patch = [number, number, number];
const common = { epochs: 3, batch: 1, workers: 2, threads: 1, width: 8, patch: [16, 16, 16] as Patch };

/** Volumes that were opened, and the most that one was. */
function readings(root: string): { readonly files: number; readonly most: number } {
  const counts = [...opens.opened(root)].filter(([path]) => path.endsWith(".nii.gz")).map(([, count]) => count);
  return { files: counts.length, most: Math.max(...counts) };
}

describe.each([
  {
    task: "segmentation",
    root: () => data.volumes,
    // Three to learn from and one to watch, each with its label map.
    files: 8,
    train: (out: string, cacheBytes?: number) =>
      trainSegmentation(
        {
          ...common,
          data: data.volumes,
          heldOut: 0,
          validation: 1,
        },
        { out, cache: createCaseCache(cacheBytes) },
      ),
  },
  {
    task: "classification",
    root: () => data.rated,
    files: 0,
    train: (out: string, cacheBytes?: number) =>
      trainClassification(
        { ...common, data: data.rated, stages: 1, heldOut: 0, validation: 2, warmupEpochs: 0 },
        { out, cache: createCaseCache(cacheBytes) },
      ),
  },
])("$task", ({ task, root, files, train }) => {
  test("three epochs, each watched: every file once; without a cache the same weights and scores", async () => {
    const [once, again] = [join(folder, `${task}-once`), join(folder, `${task}-again`)];
    opens.opened(root());
    await train(once);
    const read = readings(root());
    expect(read).toEqual({ files: files || read.files, most: 1 });
    expect(read.files).toBeGreaterThan(0);
    await train(again, 0);
    const more = readings(root());
    expect(more.files).toBe(read.files);
    expect(more.most).toBeGreaterThan(3);
    for (const file of [lastCheckpoint, bestCheckpoint])
      expect(readFileSync(file(again)).equals(readFileSync(file(once)))).toBe(true);
    const scores = async (run: string) => (await epochsOf(folderStore(run))).map(({ validation }) => validation);
    expect(await scores(again)).toEqual(await scores(once));
    expect(await scores(once)).toHaveLength(3);
  });
});

test("pre-training: every file once, the sets' own and those that they share", async () => {
  const set = (name: string) => ({ name, data: data.volumes });
  opens.opened(data.volumes);
  await pretrain(
    {
      ...common,
      sets: [set("one"), set("two")],
      heldOut: 0,
    },
    { out: join(folder, "pretraining") },
  );
  expect(readings(data.volumes)).toEqual({ files: 8, most: 1 });
});
