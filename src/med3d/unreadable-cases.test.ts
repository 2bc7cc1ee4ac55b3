/** A volume that cannot be read costs its own case only: it is left out of a training and said; under `strict` it stops one. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { imageOf, labelOf, writeDecathlon, writeRated } from "../data/test/made-up.ts";
import { folderStore, readProblems } from "../train/index.ts";
import { pretrain, trainClassification, trainSegmentation } from "./index.ts";

const SIZE = [16, 16, 16] as const;
const folder = mkdtempSync(join(tmpdir(), "medvox-unreadable-"));
const roots: string[] = [folder];
const data = { volumes: "", rated: "", broken: "" };
const patch: [number, number, number] = [16, 16, 16];
const common = { epochs: 1, batch: 1, threads: 1, width: 8, patch };

async function volumes(count: number): Promise<string> {
  const root = await writeDecathlon(
    Array.from({ length: count }, (_, i) => ({ id: `case_${i}`, image: imageOf(SIZE, i), label: labelOf(SIZE, i) })),
  );
  roots.push(root);
  return root;
}

/** Ends the files of a folder before their voxels do. */
function cutShort(root: string, isChosen: (path: string) => boolean): string[] {
  const paths = readdirSync(root, { recursive: true, encoding: "utf8" }).filter(
    (path) => path.endsWith(".nii.gz") && isChosen(path),
  );
  for (const path of paths) writeFileSync(join(root, path), readFileSync(join(root, path)).subarray(0, 60));
  return paths;
}

beforeAll(async () => {
  data.volumes = await volumes(4);
  expect(cutShort(data.volumes, (path) => path.includes("imagesTr") && path.includes("case_1"))).toHaveLength(1);
  data.broken = await volumes(2);
  cutShort(data.broken, (path) => path.includes("labelsTr"));
  data.rated = await writeRated(8);
  roots.push(data.rated);
  const [first] = readdirSync(data.rated, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".nii.gz"))
    .sort();
  cutShort(data.rated, (path) => path === first);
});
afterAll(() => {
  for (const path of roots) rmSync(path, { recursive: true, force: true });
});

test.each([
  [
    "segmentation",
    (out: string, strict: boolean) =>
      trainSegmentation({ ...common, strict, data: data.volumes, heldOut: 0, validation: 0 }, { out }),
    3,
  ],
  [
    "classification",
    (out: string, strict: boolean) =>
      trainClassification(
        { ...common, strict, data: data.rated, stages: 1, heldOut: 0, validation: 0, warmupEpochs: 0 },
        { out },
      ),
    7,
  ],
  [
    "pretraining",
    (out: string, strict: boolean) =>
      pretrain({ ...common, strict, sets: [{ name: "one", data: data.volumes }], heldOut: 0 }, { out }),
    3,
  ],
] as const)("%s leaves the case out and says so", async (task, train, count) => {
  const out = join(folder, task);
  const { record } = await train(out, false);
  expect(record.splits.train).toHaveLength(count);
  const problems = await readProblems(folderStore(out));
  expect(problems.map(({ rule }) => rule)).toEqual(["unreadable"]);
  expect(record.splits.train.map(({ id }) => id)).not.toContain(problems[0].case);
  expect(problems[0].message).toContain(".nii.gz: ");
  await expect(train(join(folder, `${task}-strict`), true)).rejects.toThrow(/\.nii\.gz: .*\(unreadable\).*strict/s);
});

test("a training of which nothing can be read is refused", async () => {
  const request = { ...common, data: data.broken, heldOut: 0, validation: 0 };
  await expect(trainSegmentation(request, { out: join(folder, "none") })).rejects.toThrow(
    /none of 2 cases can be read: .*\.nii\.gz: /,
  );
});
