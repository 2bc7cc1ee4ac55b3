/** Detections of other programs, and what a data set held when a training began. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { encode } from "fast-png";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { caseHashes, changedText, contentHash, fileHash } from "../../content-hash.ts";
import { openDetection } from "../detection.ts";
import { detectionChanges, fingerprintDetection } from "../fingerprint.ts";
import type { DetectionDataset } from "../types.ts";
import { cocoResults, imageNames } from "./results.ts";
import { readCocoResults } from "./results-read.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "medvox-results-"));
});
afterAll(() => rm(root, { recursive: true }));

async function put(path: string, content: string | Uint8Array): Promise<string> {
  const file = join(root, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
  return file;
}
const png = (value: number): Uint8Array =>
  encode({ width: 20, height: 10, data: new Uint8Array(600).fill(value), channels: 3, depth: 8 });

const coco = (categories: object[], names: string[], first = 1): string =>
  JSON.stringify({
    images: names.map((file_name, i) => ({ id: first + i, file_name, width: 20, height: 10 })),
    annotations: names.map((_, i) => ({ image_id: first + i, category_id: 7, bbox: [1, 2, 3, 4] })),
    categories,
  });
const categories = [
  { id: 7, name: "cat" },
  { id: 9, name: "dog" },
];

describe("COCO's results, read", () => {
  let set: DetectionDataset;
  beforeAll(async () => {
    // The pictures are not there: scores need none.
    set = await openDetection(await put("truth.json", coco(categories, ["a.png", "b.png"])), { pictures: "ifThere" });
  });
  const read = async (entries: unknown, of = set) =>
    readCocoResults(await put("found.json", JSON.stringify(entries)), of);
  const one = { image_id: 2, category_id: 9, bbox: [1, 2, 3, 4.5], score: 0.5 };

  it("corners, places of classes, every image", async () => {
    const found = await read([one, { ...one, image_id: "2", category_id: "7", score: "0.25" }]);
    expect([...found.keys()]).toEqual(["a", "b"]);
    expect(found.get("a")?.scores.length).toBe(0);
    const { boxes, labels, scores } = found.get("b")!;
    expect([[...boxes], [...labels], [...scores]]).toEqual([
      [1, 2, 4, 6.5, 1, 2, 4, 6.5],
      [1, 0],
      [0.5, 0.25],
    ]);
  });

  it.each([
    [{ ...one, image_id: 3 }, /found\.json: \[0\]\.image_id: 3 is no image of .*truth\.json/],
    [{ ...one, category_id: 8 }, /\[0\]\.category_id: 8 is no class of .*; there are 7 \(cat\), 9 \(dog\)/],
    [{ ...one, bbox: [1, 2, 3] }, /\[0\]\.bbox: expected x, y, width, height, found \[1,2,3\]/],
    [{ ...one, bbox: [1, 2, -3, 4] }, /\[0\]\.bbox/],
    [{ ...one, score: "high" }, /\[0\]\.score: expected a number, found "high"/],
    [{ image_id: 1, category_id: 7, bbox: [1, 2, 3, 4] }, /\[0\]\.score/],
  ])("%j is refused", async (entry, reason) => {
    await expect(read([entry])).rejects.toThrow(reason);
  });

  it("numbers of several files are never joined, neither read nor written", async () => {
    const other = [
      { id: 9, name: "cat" },
      { id: 7, name: "dog" },
    ];
    for (const name of ["train/a", "train/b", "valid/c"]) await put(`parts/${name}.png`, png(1));
    await put("parts/train/_annotations.coco.json", coco(categories, ["a.png", "b.png"]));
    await put("parts/valid/_annotations.coco.json", coco(other, ["c.png"], 2));
    const parts = await openDetection(join(root, "parts"));
    expect(parts.items.map(({ imageId }) => imageId)).toEqual([1, 2, 2]);
    await expect(read([one], parts)).rejects.toThrow(/image_id: 2 is the number of several images/);
    // An id is one image's, and its file says what 9 is.
    const found = await read(
      [
        { ...one, image_id: "c" },
        { ...one, image_id: 1 },
      ],
      parts,
    );
    expect([[...found.get("c")!.labels], [...found.get("a")!.labels]]).toEqual([[0], [1]]);
    const detected = parts.items.map(({ id, imageId }) => {
      return { id, imageId, boxes: Float64Array.of(0, 0, 1, 1), labels: [0], scores: [1] };
    });
    expect(cocoResults(detected, parts.classes).map(({ image_id }) => image_id)).toEqual(["a", "b", "c"]);
    expect(imageNames(detected.slice(0, 2))).toEqual([1, 2]);
    expect(imageNames([detected[0], { id: "x" }])).toEqual(["a", "x"]);
  });

  it("what medvox wrote of a set without numbers comes back", async () => {
    await put(
      "voc/Annotations/p.xml",
      "<annotation><object><name>x</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>3</xmax><ymax>3</ymax></bndbox></object></annotation>",
    );
    await put("voc/JPEGImages/p.png", png(3));
    const plain = await openDetection(join(root, "voc"));
    const image = { id: "p", boxes: Float64Array.of(0, 0, 3, 3), labels: [0], scores: [0.5] };
    const found = await read(cocoResults([image], plain.classes), plain);
    expect([...found.get("p")!.boxes]).toEqual([0, 0, 3, 3]);
  });
});

describe("what a data set held", () => {
  const xml = (x: number, name = "cat"): string =>
    `<annotation><object><name>${name}</name><bndbox><xmin>${x}</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>`;
  const take = async () => {
    const { items, classes, root: from } = await openDetection(join(root, "now"));
    return fingerprintDetection(items, classes, { root: from });
  };
  beforeAll(async () => {
    for (const name of ["a", "b", "c", "d"]) {
      await put(`now/Annotations/${name}.xml`, xml(2));
      await put(`now/JPEGImages/${name}.png`, png(name.charCodeAt(0)));
    }
  });

  it("says which annotations and images changed, the first by name", async () => {
    const before = JSON.parse(JSON.stringify(await take()));
    // The same boxes, written anew, are the same.
    await put("now/Annotations/a.xml", `\n${xml(2).replace("<object>", "<object> ")}`);
    expect(detectionChanges(before, await take())).toBeUndefined();
    await put("now/Annotations/b.xml", xml(3));
    expect(detectionChanges(before, await take())).toMatch(/^1 annotation file changed \(Annotations.b\.xml\)$/);
    await put("now/Annotations/c.xml", xml(2, "dog"));
    await put("now/Annotations/d.xml", "<annotation></annotation>");
    await put("now/JPEGImages/a.png", png(9));
    expect(detectionChanges(before, await take())).toMatch(
      /^3 annotation files changed, the first Annotations.b\.xml; 1 image changed \(a\)$/,
    );
    await rm(join(root, "now/JPEGImages/a.png"));
    expect(detectionChanges(before, await take())).toMatch(/; 1 image gone \(a\)$/);
  });

  it("of one file with all annotations, images are counted", async () => {
    await put("one/a.png", png(1));
    await put("one/b.png", png(2));
    const file = await put("one/all.json", coco(categories, ["a.png", "b.png"]));
    const hashes = async () => {
      const { items, classes } = await openDetection(file);
      return fingerprintDetection(items, classes, { root: join(root, "one") });
    };
    const before = await hashes();
    await put("one/all.json", coco(categories, ["a.png", "b.png"]).replaceAll("[1,2,3,4]", "[1,2,3,5]"));
    expect(detectionChanges(before, await hashes())).toBe("2 images changed in all.json");
  });

  it("volumes and label maps by their bytes, with what is taken of them", async () => {
    const image = await put("v/image.nii", "image");
    const label = await put("v/label.nii", "label");
    const item = { id: "x", image, label };
    const before = await caseHashes([item]);
    expect(await caseHashes([{ ...item }])).toEqual(before);
    const words = { image: "image", truth: "label map" };
    expect(changedText(before, await caseHashes([{ ...item, channelPick: [1] }]), words)).toBe("1 image changed (x)");
    await put("v/label.nii", "labels");
    expect(changedText(before, await caseHashes([item]), words)).toBe("1 label map changed (label.nii)");
    expect(await fileHash(image)).toHaveLength(16);
    expect(contentHash(["ab", "c"])).not.toBe(contentHash(["a", "bc"]));
    await expect(fileHash(join(root, "v/none.nii"))).rejects.toThrow(/none\.nii: no such file/);
  });
});
