/** Weights carry what they have learned from, and no task is scored on that: segmentation, classification and detection alike. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { imageHash } from "../src/data/index.ts";
import { soundCases, temporaryFolder, writeDecathlon, writeRated } from "../src/data/test/made-up.ts";
import { readSafetensorsHeader, writeSafetensors } from "../src/files/index.ts";
import { classification, segmentation, trainSegmentation } from "../src/med3d/index.ts";
import { encoderShapes } from "../src/nn/index.ts";
import { detection } from "../src/rcnn/index.ts";
import { smallVolumeRequest, writeBlocks } from "../src/rcnn/test/volumes.ts";
import { taskNamed } from "../src/tasks.ts";
import { type AnyTask, exportRun, folderStore, hostOf, readRun, SEEN, seenBy } from "../src/train/index.ts";

const work = temporaryFolder();
afterAll(() => rmSync(work, { recursive: true, force: true }));
const small = { depth: 10, width: 8, patch: [8, 16, 16], batch: 1, epochs: 1, threads: 1 } as const;
const request = { ...small, patch: [...small.patch] as [number, number, number], heldOut: 2, validation: 1 };

/** Weights of an encoder that has learned from images of these hashes. */
async function weightsThatSaw(hashes: readonly string[], width: number): Promise<string> {
  const file = join(work, `saw-${hashes[0].slice(0, 8)}.safetensors`);
  const tensors = [...encoderShapes({ depth: 10, preActivation: false }, { shortcut: "B", width })].map(
    ([name, shape]) =>
      [name, { dtype: "F16", shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) }] as const,
  );
  await writeSafetensors(file, new Map(tensors), { [SEEN]: JSON.stringify(hashes) });
  return file;
}

const prepared = (task: AnyTask, asked: object) => task.prepare(task.resolve(asked), hostOf());

describe("exported weights", () => {
  let data: string;
  let file: string;
  beforeAll(async () => {
    data = await writeDecathlon(soundCases(8));
    const out = join(work, "run");
    await trainSegmentation({ ...request, data }, { out });
    file = join(work, "encoder.safetensors");
    await exportRun(await readRun(folderStore(out), taskNamed), { format: "safetensors", out: file, encoder: true });
  }, 60_000);

  test("carry a hash of each image that was trained or watched on", async () => {
    const { metadata } = await readSafetensorsHeader(file);
    const hashes = JSON.parse(metadata[SEEN]) as string[];
    expect(hashes).toHaveLength(6);
    expect(await seenBy(file)).toEqual(hashes.map((hash) => ({ hash, run: file })));
  });

  test("start a training that holds the same cases out, and none that would be scored on what they saw", async () => {
    await expect(prepared(segmentation, { ...request, data, from: file })).resolves.toBeDefined();
    const other = prepared(segmentation, { ...request, data, from: file, splitSeed: 5 });
    await expect(other).rejects.toThrow(/case_0\d.* would be scored, but .*encoder\.safetensors has learned/);
    const folds = prepared(segmentation, { ...request, data, from: file, heldOut: 0, validation: 0, folds: 2 });
    await expect(folds).rejects.toThrow(/\(6 in all\) would be scored/);
  });
});

test("a classification's and a detection's cases are refused by name", async () => {
  const rated = await writeRated(8);
  const asked = { data: rated, ...small, patch: [16, 16, 16], folds: null, labelColumn: "malignancy" };
  const free = await prepared(classification, asked);
  const [scored] = free.splits.heldOut as { id: string; image: string }[];
  const from = await weightsThatSaw([await imageHash(scored)], 8);
  await expect(prepared(classification, { ...asked, from })).rejects.toThrow(`${rated}: ${scored.id} would be scored`);

  const blocks = await writeBlocks();
  const found = await prepared(detection, { ...smallVolumeRequest, data: blocks });
  const [volume] = found.splits.heldOut as { id: string; image: string }[];
  const backbone = await weightsThatSaw([await imageHash(volume)], 64);
  const refused = prepared(detection, { ...smallVolumeRequest, data: blocks, backbone });
  await expect(refused).rejects.toThrow(`${blocks}: ${volume.id} would be scored`);
});
