import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DataError } from "../../errors.ts";
import { readImage2d } from "../../files/index.ts";
import type { DetectionItem } from "../boxes/detection.ts";
import { prepareVolumeItem } from "../boxes/prepare.ts";
import { prepareCase } from "../prepare/prepare.ts";
import type { DataCase } from "../types.ts";
import { createDetectionLoader, preparedPictures, preparedVolumes } from "./boxes.ts";
import { createCaseCache } from "./cache.ts";
import { digestOf, patches, pictures, prepare, windows, writeBlocks, writeCases, writePictures } from "./test/items.ts";
import { createLoader, preparedCases } from "./volumes.ts";
import type { WholeItems } from "./whole.ts";

let root: string;
let cases: DataCase[];
let images: DetectionItem[];
let blocks: DetectionItem[];
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "medvox-whole-"));
  [cases, images, blocks] = await Promise.all([writeCases(root), writePictures(root), writeBlocks(root)]);
});
afterAll(() => rm(root, { recursive: true }));

async function digests<T>(whole: WholeItems<T>): Promise<string[]> {
  const seen: string[] = [];
  for await (const item of whole.all()) seen.push(digestOf(item));
  return seen;
}

describe("whole items", () => {
  it("are what preparing them one by one gives, in the list's order, with and without room in memory", async () => {
    const reversed = [...cases].reverse();
    const expected: string[] = [];
    for (const item of reversed) {
      const { original: _, problems, ...prepared } = await prepareCase(item, prepare, true);
      expect(problems).toEqual([]);
      expected.push(digestOf(prepared));
    }
    expect(new Set(expected).size).toBe(5);
    const one = 9 * 10 * 8 * (4 + 2);
    for (const [cacheBytes, most] of [
      [2 ** 20, 5],
      [4 * one, 4],
      [0, 0],
    ]) {
      const whole = preparedCases({ cases: reversed, prepare, workers: 2, cacheBytes });
      expect(whole.count).toBe(5);
      for (let round = 0; round < 3; round++) expect(await digests(whole)).toEqual(expected);
      expect(whole.cached().bytes).toBeLessThanOrEqual(cacheBytes);
      expect(whole.cached().cases).toBeLessThanOrEqual(most);
      expect(whole.cached().cases > 0).toBe(most > 0);
      await whole.close();
      await whole.close();
    }
  });

  it("without labels need none", async () => {
    const bare = cases.map(({ id, image }) => ({ id, image }));
    const whole = preparedCases({ cases: bare, prepare, withLabel: false });
    const seen: (object | null)[] = [];
    for await (const { label } of whole.all()) seen.push(label);
    expect(seen).toEqual([null, null, null, null, null]);
    await whole.close();
  });

  it("pictures and volumes, too", async () => {
    const whole = preparedPictures({ items: images });
    const expected = await Promise.all(images.map(async ({ image }) => digestOf(await readImage2d(image))));
    expect(await digests(whole)).toEqual(expected);
    await whole.close();
    const volumes = preparedVolumes({ items: blocks, prepare: windows.prepare });
    const prepared = await Promise.all(blocks.map((item) => prepareVolumeItem(item, windows.prepare)));
    expect(await digests(volumes)).toEqual(prepared.map(digestOf));
    await volumes.close();
  });

  it("none at all is no error, and takes no thread", async () => {
    const whole = preparedCases({ cases: [], prepare });
    expect(await digests(whole)).toEqual([]);
    await whole.close();
  });

  it("may be left in the middle; a broken one is named; an abort is heard while they are waited for", async () => {
    const broken = join(root, "broken.nii.gz");
    await writeFile(broken, "damaged");
    const controller = new AbortController();
    const list = [cases[0], cases[1], { ...cases[2], image: broken }];
    const whole = preparedCases({ cases: list, prepare, signal: controller.signal, cacheBytes: 0 });
    const seen: string[] = [];
    for await (const { id } of whole.all()) if (seen.push(id) === 1) break;
    const reading = (async () => {
      for await (const { id } of whole.all()) seen.push(id);
    })();
    await expect(reading).rejects.toThrow(DataError);
    await expect(reading).rejects.toThrow(/^case-2: .*broken\.nii\.gz/);
    expect(seen).toEqual(["case-0", "case-0", "case-1"]);
    const waiting = whole.all().next();
    const outcome = expect(waiting).rejects.toThrow("Ctrl-C");
    controller.abort(new Error("Ctrl-C"));
    await outcome;
    await whole.close();
  });
});

describe("one cache for all", () => {
  it("what one loader prepared, another takes; files that were read before are not read again", async () => {
    const own = await mkdtemp(join(tmpdir(), "medvox-cache-"));
    const items = await writeCases(own);
    const cache = createCaseCache(2 ** 20);
    const alone = createLoader({ ...patches, cases: items });
    const expected: string[] = [];
    for await (const batch of alone.batches(0)) expected.push(digestOf(batch));
    expect(expected).toHaveLength(3);
    await alone.close();
    for (const { image, label } of items) for (const path of [image, label!]) await cache.read(path);
    await rm(own, { recursive: true });
    const files = cache.bytes();
    const whole = preparedCases({ cases: items, prepare, cache });
    expect(await digests(whole)).toHaveLength(5);
    // Cases stand where their files stood.
    expect(items.map(({ image }) => cache.file(image))).toEqual(items.map(() => undefined));
    const voxels = files / 3;
    expect(cache.bytes()).toBeGreaterThanOrEqual(6 * voxels);
    const loader = createLoader({ ...patches, cases: items, cache });
    const seen: string[] = [];
    for await (const batch of loader.batches(0)) seen.push(digestOf(batch));
    expect(seen).toEqual(expected);
    await loader.close();
    await whole.close();
    expect(cache.bytes()).toBe(0);
  });

  it("a detector's batches and the images that it is watched by share theirs", async () => {
    const cache = createCaseCache(2 ** 22);
    const own = await mkdtemp(join(tmpdir(), "medvox-cache-"));
    const [some, volumes] = [await writePictures(own), await writeBlocks(own)];
    const onPictures = createDetectionLoader({ ...pictures, items: some, cache });
    const onVolumes = createDetectionLoader({ ...windows, items: volumes, cache });
    let batches = 0;
    for await (const _ of onPictures.batches(0)) batches++;
    for await (const _ of onVolumes.batches(0)) batches++;
    expect(batches).toBe(3 + 4);
    await rm(own, { recursive: true });
    const whole = [
      preparedPictures({ items: some, cache }),
      preparedVolumes({ items: volumes, cache, prepare: windows.prepare }),
    ] as const;
    expect([(await digests(whole[0])).length, (await digests(whole[1])).length]).toEqual([5, 3]);
    await Promise.all([onPictures, onVolumes, ...whole].map((one) => one.close()));
  });
});

describe("a cache", () => {
  it("takes in what fits and no more; a case in the place of its files, unless someone else wants them", async () => {
    const [{ image, label }] = cases;
    // int16 and uint8
    const voxels = 9 * 10 * 8;
    const cache = createCaseCache(3 * voxels + 100);
    const volume = await cache.read(image);
    expect(volume.data.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(await cache.read(image)).toBe(volume);
    await cache.read(label!);
    expect(cache.bytes()).toBe(3 * voxels);
    await cache.read(cases[1].image);
    expect(cache.file(cases[1].image)).toBeUndefined();
    cache.keep("too large", {}, 3 * voxels + 101, [image, label!]);
    expect([cache.prepared("too large"), cache.bytes()]).toEqual([undefined, 3 * voxels]);
    cache.expect("one", [image, label!]);
    cache.expect("other", [image]);
    cache.keep("one", { a: 1 }, 10, [image, label!]);
    expect([cache.file(image) === volume, cache.file(label!)]).toEqual([true, undefined]);
    expect(cache.bytes()).toBe(2 * voxels + 10);
    cache.keep("other", { a: 2 }, 20, [image]);
    expect([cache.file(image), cache.bytes()]).toEqual([undefined, 30]);
    cache.forget(["one", "nobody"]);
    expect([cache.prepared("one"), cache.prepared("other"), cache.bytes()]).toEqual([undefined, { a: 2 }, 20]);
    cache.stay([label!]);
    await cache.read(label!);
    cache.keep("third", {}, 5, [label!]);
    expect(cache.bytes()).toBe(voxels + 25);
    cache.clear();
    expect(cache.bytes()).toBe(0);
  });
});
