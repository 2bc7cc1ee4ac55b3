import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { encode } from "fast-png";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ConfigError, DataError } from "../../errors.ts";
import { writeVolume } from "../../files/index.ts";
import type { Vec3, Volume } from "../../volume/types.ts";
import { cocoResults, worldCsv } from "./coco/results.ts";
import { type DetectionItem, isDetection, openDetection } from "./detection.ts";
import { boxesOfMask } from "./formats/masks.ts";
import { verifyDetection } from "./verify.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "medvox-detection-"));
});
afterAll(() => rm(root, { recursive: true }));

async function put(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), content);
}

/** A picture whose pixels are its own, so that none is the twin of another. */
function png(width: number, height: number, seed: number): Uint8Array {
  const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => (i * 31 + seed * 77) % 251);
  return encode({ width, height, data, channels: 3, depth: 8 });
}

const boxesOf = (item: DetectionItem, axes: 2 | 3 = 2): number[][] =>
  Array.from(item.labels, (_, i) => [...item.boxes.subarray(2 * axes * i, 2 * axes * (i + 1))]);

const object = (name: string, [a, b, c, d]: (number | string)[], extra = ""): string =>
  `<object><name>${name}</name>${extra}<bndbox><xmin>${a}</xmin><ymin>${b}</ymin><xmax>${c}</xmax><ymax>${d}</ymax></bndbox></object>`;
const annotation = (file: string, objects: string, size = "<width>40</width><height>30</height>"): string =>
  `<annotation><filename>${file}</filename><size>${size}<depth>3</depth></size>${objects}</annotation>`;

describe("Pascal VOC", () => {
  beforeAll(async () => {
    const part = `<part><name>head</name><bndbox><xmin>0</xmin><ymin>0</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>`;
    const objects = [
      object("cell", [1, 1, 40, 30], "<difficult>1</difficult>"),
      object("blob", [11, 6, 20, 15], part),
      object("cell", [7, 9, 7, 9]),
      object("cell", [20, 9, 10, 12]),
      object("cell", ["nan", 9, 10, 12]),
      object("cell", [60, 9, 70, 12]),
      object("cell", [30, 9, 60, 12]),
    ];
    await put("voc/Annotations/a.xml", annotation("a.png", objects.join("")));
    await put("voc/Annotations/empty.xml", annotation("other-name.png", ""));
    await put("voc/Annotations/gone.xml", annotation("gone.png", object("cell", [1, 1, 5, 5])));
    await put("voc/Annotations/broken.xml", "<annotation><object>");
    await put("voc/Annotations/wrong.xml", annotation("wrong.png", object("cell", [1, 1, 5, 5])));
    await put("voc/JPEGImages/a.png", png(40, 30, 1));
    await put("voc/JPEGImages/empty.png", png(40, 30, 2));
    await put("voc/JPEGImages/wrong.png", png(30, 40, 3));
    await put("voc/ImageSets/Main/train.txt", "a\nempty\n");
    await put("voc/ImageSets/Main/val.txt", "wrong 1\nunseen\n");
    await put("voc/ImageSets/Main/trainval.txt", "a\nempty\nwrong\n");
  });

  it("takes 1-based inclusive corners, direct children only, and cuts at the edge", async () => {
    const set = await openDetection(join(root, "voc"));
    expect(set.classes.map(({ name }) => name)).toEqual(["blob", "cell"]);
    const [a, empty] = set.items;
    expect(boxesOf(a)).toEqual([
      [0, 0, 40, 30],
      [10, 5, 20, 15],
      [29, 8, 40, 12],
    ]);
    expect([...a.labels]).toEqual([1, 0, 1]);
    expect([...a.difficult]).toEqual([1, 0, 0]);
    expect([a.split, set.items.find(({ id }) => id === "wrong")?.split]).toEqual(["train", "validation"]);
    expect(empty.labels.length).toBe(0);
    // The file it names is not there, the one with the annotation's name is.
    expect(empty.image).toMatch(/JPEGImages.empty\.png$/);
    // Four boxes of a.xml, and the one of a picture that is not there.
    expect(set.skipped).toBe(5);
    expect(set.leftOut).toEqual({ files: 1, of: 5, images: 2 });
  });

  it("names every broken box with its file and number", async () => {
    const { findings, summary } = await verifyDetection(await openDetection(join(root, "voc")));
    const found = findings.map(({ case: id, rule, box, severity }) => [id, rule, box ?? 0, severity]);
    expect(found).toEqual(
      expect.arrayContaining([
        ["a", "degenerate", 3, "error"],
        ["a", "inverted", 4, "error"],
        ["a", "not-finite", 5, "error"],
        ["a", "outside", 6, "error"],
        ["a", "beyond", 7, "warning"],
        ["broken", "unreadable", 0, "error"],
        ["unseen", "missing-annotation", 0, "error"],
        ["gone", "missing-file", 0, "error"],
        ["wrong", "size-mismatch", 0, "error"],
      ]),
    );
    expect(findings.find(({ rule }) => rule === "degenerate")?.message).toBe(
      "Annotations/a.xml: object 3 (cell): box 7,9–7,9 has no extent: a side of length 0; left out",
    );
    expect(summary).toMatchObject({ images: 3, boxes: 4, skipped: 5, empty: 1, broken: 5 });
  });

  it("takes the size from the picture where the annotation has none", async () => {
    await put("bare-size/Annotations/a.xml", annotation("a.png", object("cell", [30, 9, 60, 12]), ""));
    await put("bare-size/JPEGImages/a.png", png(40, 30, 9));
    const [a] = (await openDetection(join(root, "bare-size"))).items;
    expect([a.size, boxesOf(a)]).toEqual([[40, 30], [[29, 8, 40, 12]]]);
  });

  it("knows only the classes asked for, in their order", async () => {
    const set = await openDetection(join(root, "voc"), { classes: ["cell"] });
    expect(set.problems.filter(({ rule }) => rule === "unknown-class").map(({ message }) => message)).toEqual([
      'Annotations/a.xml: object 2 (blob): class "blob" is not known; left out',
    ]);
  });
});

describe("COCO", () => {
  const content = {
    images: [
      { id: 7, file_name: "a.png", width: 40, height: 30 },
      { id: 9, file_name: "b.png", width: 40, height: 30 },
    ],
    annotations: [
      { id: 1, image_id: 7, category_id: 90, bbox: [1.5, 2, 10, 5], area: 31, iscrowd: 0 },
      { id: 2, image_id: 7, category_id: 3, bbox: [0, 0, 40, 30], area: 1200, iscrowd: 1 },
      { id: 3, image_id: 7, category_id: 3, bbox: [5, 5, 0, 4], area: 0, iscrowd: 0 },
      { id: 4, image_id: 7, category_id: 4, bbox: [5, 5, 3, 4], area: 12, iscrowd: 0 },
      { id: 5, image_id: 8, category_id: 3, bbox: [5, 5, 3, 4], area: 12, iscrowd: 0 },
    ],
    categories: [
      { id: 90, name: "large id" },
      { id: 3, name: "small id" },
    ],
  };

  it("maps category numbers with gaps, keeps crowds and areas, names what is wrong", async () => {
    await put("coco/instances_val2017.json", JSON.stringify(content).replace("[5,5,3,4]", "[NaN,5,3,4]"));
    await put("coco/images/a.png", png(40, 30, 4));
    await put("coco/images/b.png", png(40, 30, 5));
    const set = await openDetection(join(root, "coco/instances_val2017.json"));
    expect(set.classes).toEqual([
      { id: 3, name: "small id" },
      { id: 90, name: "large id" },
    ]);
    const [a, b] = set.items;
    expect(boxesOf(a)).toEqual([
      [1.5, 2, 11.5, 7],
      [0, 0, 40, 30],
    ]);
    expect([[...a.labels], [...a.crowd], [...a.areas!], a.imageId]).toEqual([[1, 0], [0, 1], [31, 1200], 7]);
    expect(a.image).toMatch(/coco.images.a\.png$/);
    expect(b.labels.length).toBe(0);
    expect(set.problems.map(({ rule, box }) => [rule, box])).toEqual([
      ["missing-file", 5],
      ["degenerate", 3],
      ["not-finite", 4],
    ]);
    expect(set.skipped).toBe(3);
  });

  it("reads the parts of a folder", async () => {
    await put("roboflow/train/_annotations.coco.json", JSON.stringify(content));
    await put("roboflow/valid/_annotations.coco.json", JSON.stringify(content));
    for (const [i, name] of ["train/a", "train/b", "valid/a", "valid/b"].entries()) {
      await put(`roboflow/${name}.png`, png(40, 30, i));
    }
    const set = await openDetection(join(root, "roboflow"));
    expect(set.items.map(({ id, split }) => [id, split])).toEqual([
      ["a", "train"],
      ["b", "train"],
      ["a#2", "validation"],
      ["b#2", "validation"],
    ]);
  });

  it("names file and key of what is no COCO", async () => {
    await put("bad.json", JSON.stringify({ ...content, annotations: [{ image_id: null, category_id: 3 }] }));
    await expect(openDetection(join(root, "bad.json"))).rejects.toThrow(/bad\.json: annotations\[0\]\.image_id: /);
  });
});

describe("YOLO", () => {
  it("shares of width and height to pixels; outlines to boxes; no file, no objects", async () => {
    await put("yolo/data.yaml", "path: .\ntrain: images/train\nval: images/val\nnames:\n  0: cell\n  1: blob\n");
    await put("yolo/images/train/a.png", png(40, 30, 5));
    await put("yolo/images/train/none.png", png(40, 30, 6));
    await put("yolo/images/val/b.png", png(20, 10, 7));
    await put(
      "yolo/labels/train/a.txt",
      "0 0.5 0.5 0.5 0.2\n1 0.1 0.1 0.3 0.1 0.3 0.5\n2 .5 .5 .1 .1\n0 0.5 0.5\n0 0.5 0.5 0 0.2\n",
    );
    await put("yolo/labels/val/b.txt", "1 0.25 0.5 0.5 1.0\n");
    const set = await openDetection(join(root, "yolo"));
    const [a, none, b] = set.items;
    expect(boxesOf(a)[0].map((v) => +v.toFixed(6))).toEqual([10, 12, 30, 18]);
    expect(boxesOf(a)[1].map((v) => +v.toFixed(6))).toEqual([4, 3, 12, 15]);
    expect(boxesOf(b)).toEqual([[0, 0, 10, 10]]);
    expect([none.labels.length, a.split, b.split]).toEqual([0, "train", "validation"]);
    expect(set.problems.map(({ rule, message }) => [rule, message.split(":")[1]])).toEqual([
      ["unknown-class", " line 3 (2)"],
      ["not-finite", " line 4 (0)".replace("0", "cell")],
      ["degenerate", " line 5 (cell)"],
    ]);
  });

  it("labelImg's classes.txt beside the pictures", async () => {
    await put("labelimg/classes.txt", "cell\nblob\n");
    await put("labelimg/x.png", png(10, 10, 8));
    await put("labelimg/x.txt", "1 0.5 0.5 1 1\n");
    const set = await openDetection(join(root, "labelimg"));
    expect([set.classes.length, boxesOf(set.items[0]), [...set.items[0].labels]]).toEqual([2, [[0, 0, 10, 10]], [1]]);
  });

  it("a missing part is named", async () => {
    await put("yolo2/data.yaml", "train: nowhere\nnames: [cell]\n");
    await expect(openDetection(join(root, "yolo2"))).rejects.toThrow("train: no such folder or list: nowhere");
  });
});

/** LPS-like axes: x and y run towards R's and A's opposite, as most CTs. */
const affine = [-0.5, 0, 0, 10, 0, -0.5, 0, 20, 0, 0, 2, -30, 0, 0, 0, 1];
const volume = (size: Vec3, fill: (at: number) => number): Volume<Int16Array> => ({
  size,
  affine,
  channels: 1,
  data: Int16Array.from({ length: size[0] * size[1] * size[2] }, (_, i) => fill(i)),
});

describe("findings in volumes", () => {
  beforeAll(async () => {
    await mkdir(join(root, "ct/images"), { recursive: true });
    for (const name of ["one", "two"]) {
      await writeVolume(
        join(root, `ct/images/${name}.nii.gz`),
        volume([40, 40, 20], (i) => i % 97),
      );
    }
  });

  it("LUNA16's balls from LPS millimetres to voxel corners", async () => {
    // Voxel (10, 20, 5) is at RAS 5, 10, −20, which is LPS −5, −10, −20.
    const rows = ["one,-5,-10,-20,4", "one,-5,-10,-20,-1", "one,500,0,0,4", "gone,0,0,0,4"];
    await put("ct/annotations.csv", `seriesuid,coordX,coordY,coordZ,diameter_mm\n${rows.join("\n")}\n`);
    const set = await openDetection(join(root, "ct/annotations.csv"));
    expect(set.classes).toEqual([{ id: 0, name: "nodule" }]);
    expect(set.items.map(({ id }) => id)).toEqual(["one", "two"]);
    // 4 mm are 8 voxels of 0.5 mm and 2 of 2 mm, around the voxel's centre at 10.5, 20.5, 5.5.
    expect(boxesOf(set.items[0], 3)).toEqual([[6.5, 16.5, 4.5, 14.5, 24.5, 6.5]]);
    expect(set.items[1].labels.length).toBe(0);
    expect(set.skipped).toBe(3);
    expect(set.problems.map(({ rule, box }) => [rule, box ?? 0])).toEqual([
      ["missing-file", 0],
      ["not-finite", 3],
      ["outside", 4],
    ]);
  });

  it("boxes in RAS millimetres, with classes", async () => {
    const header = "case,x1,y1,z1,x2,y2,z2,class,difficult";
    await put("ct/boxes.csv", `${header}\none,5.25,10.25,-21,4.25,9.25,-17,lesion,0\ntwo,0,0,-5,2,2,-9,cyst,1\n`);
    const set = await openDetection(join(root, "ct/boxes.csv"));
    expect(set.classes.map(({ name }) => name)).toEqual(["cyst", "lesion"]);
    expect(set.problems.map(({ rule }) => rule)).toEqual(["inverted", "inverted"]);
    await put("ct/boxes.csv", `${header}\none,4.25,9.25,-21,5.25,10.25,-17,lesion,0\ntwo,0,0,-9,2,2,-5,cyst,1\n`);
    const again = await openDetection(join(root, "ct/boxes.csv"));
    // x 5.25 is the low corner of voxel 10 (centre at 5, half a voxel of 0.25), 4.25 the high corner of voxel 11.
    expect(boxesOf(again.items[0], 3)).toEqual([[10, 20, 5, 12, 22, 7]]);
    expect([...again.items[1].difficult]).toEqual([1]);
  });

  it("a label map's components, joined over corners or faces", async () => {
    const map = volume([4, 4, 3], () => 0);
    // Two voxels that touch at a corner, one of another class beside them, and one far away.
    for (const [x, y, z, value] of [
      [0, 0, 0, 1],
      [1, 1, 1, 1],
      [2, 1, 1, 2],
      [3, 3, 2, 1],
    ]) {
      map.data[x + 4 * (y + 4 * z)] = value;
    }
    expect(boxesOfMask(map)).toEqual([
      { value: 1, voxels: 2, corners: [0, 0, 0, 2, 2, 2] },
      { value: 2, voxels: 1, corners: [2, 1, 1, 3, 2, 2] },
      { value: 1, voxels: 1, corners: [3, 3, 2, 4, 4, 3] },
    ]);
    expect(boxesOfMask(map, { neighbours: 6 }).length).toBe(4);
    expect(boxesOfMask(map, { minVoxels: 2 }).length).toBe(1);
    expect(boxesOfMask(map, { instances: { 1: 5, 2: 6 } })).toEqual([
      { value: 5, voxels: 3, corners: [0, 0, 0, 4, 4, 3] },
      { value: 6, voxels: 1, corners: [2, 1, 1, 3, 2, 2] },
    ]);
  });

  it("a segmentation folder as detection", async () => {
    await mkdir(join(root, "seg/labelsTr"), { recursive: true });
    await mkdir(join(root, "seg/imagesTr"), { recursive: true });
    const label = volume([6, 6, 6], (i) => (i === 0 || i === 215 ? 1 : 0));
    await writeVolume(
      join(root, "seg/imagesTr/p.nii.gz"),
      volume([6, 6, 6], (i) => i),
    );
    await writeVolume(join(root, "seg/labelsTr/p.nii.gz"), label);
    expect(await isDetection(join(root, "seg"))).toBe(false);
    // YOLO calls its folders so, too.
    for (const name of ["images", "labels"]) await mkdir(join(root, "bare", name), { recursive: true });
    await writeVolume(join(root, "bare/labels/p.nii.gz"), label);
    expect(await isDetection(join(root, "bare"))).toBe(false);
    const set = await openDetection(join(root, "seg"));
    expect([set.axes, boxesOf(set.items[0], 3)]).toEqual([
      3,
      [
        [0, 0, 0, 1, 1, 1],
        [5, 5, 5, 6, 6, 6],
      ],
    ]);
  });

  it("voxels that nnU-Net ignores are no object", async () => {
    const labels = { background: 0, tumor: 1, ignore: 2 };
    const description = { channel_names: { 0: "CT" }, labels, numTraining: 1, file_ending: ".nii.gz" };
    await put("ignored/dataset.json", JSON.stringify(description));
    for (const name of ["imagesTr", "labelsTr"]) await mkdir(join(root, "ignored", name), { recursive: true });
    const image = volume([6, 6, 6], (i) => i);
    await writeVolume(join(root, "ignored/imagesTr/p_0000.nii.gz"), image);
    const label = volume([6, 6, 6], (i) => (i === 0 ? 1 : i > 200 ? 2 : 0));
    await writeVolume(join(root, "ignored/labelsTr/p.nii.gz"), label);
    const set = await openDetection(join(root, "ignored"));
    expect([set.problems, set.classes.map(({ name }) => name)]).toEqual([[], ["tumor"]]);
    expect(boxesOf(set.items[0], 3)).toEqual([[0, 0, 0, 1, 1, 1]]);
  });

  it("a label that 32 bits do not hold is refused by name, not cut to them", () => {
    const data = Uint32Array.of(0, 2 ** 31 + 1, 0, 0, 0, 0, 0, 0);
    const map = { data, size: [2, 2, 2] as const, channels: 1, affine: [], name: "p" };
    expect(() => boxesOfMask(map)).toThrow("p: has the value 2147483649");
    data[1] = 70_000;
    expect(boxesOfMask(map).map(({ value }) => value)).toEqual([70_000]);
  });
});

it("says what is no detection data set", async () => {
  await put("nothing/readme.txt", "");
  await expect(openDetection(join(root, "nothing"))).rejects.toThrow(ConfigError);
  await expect(openDetection(join(root, "not/there"))).rejects.toThrow("no such file or folder");
  await put("bare/Annotations/readme.txt", "");
  await expect(openDetection(join(root, "bare"))).rejects.toThrow(DataError);
});

const shared = new URL("../../../../shared/data/", import.meta.url).pathname;
describe.skipIf(!existsSync(shared))("real data (needs ../shared)", () => {
  it("BCCD: 3,943 objects, of which the two without extent are named and left out", async () => {
    const set = await openDetection(join(shared, "BCCD"));
    expect(set.classes.map(({ name }) => name)).toEqual(["Platelets", "RBC", "WBC"]);
    expect(set.skipped).toBe(2);
    expect(set.problems.map(({ case: id, rule, box }) => `${id} ${rule} ${box}`)).toEqual([
      "BloodImage_00338 degenerate 13",
      "BloodImage_00343 degenerate 4",
    ]);
    const count = (split: string) => set.items.filter((item) => item.split === split).length;
    expect([count("train"), count("validation")]).toEqual([205, 87]);
  });

  it("lidc-ct: nodules of three readers count, others are difficult", async () => {
    const set = await openDetection(join(shared, "lidc-ct"));
    expect(set.items.map(({ id, difficult }) => [id, [...difficult]])).toEqual([
      ["LIDC-IDRI-0001", [0]],
      ["LIDC-IDRI-0002", [1]],
      ["LIDC-IDRI-0003", [0, 0, 0, 1]],
    ]);
    expect(set.problems).toEqual([]);
  });
});

describe("results for others", () => {
  const found = { id: "a", boxes: Float32Array.of(1.5, 2, 11.5, 7), labels: [1], scores: [0.25] };
  const classes = [
    { id: 3, name: "one" },
    { id: 90, name: 'two, "quoted"' },
  ];

  it("COCO's, with its numbers of images and categories", () => {
    expect(cocoResults([{ ...found, imageId: 7 }], classes)).toEqual([
      { image_id: 7, category_id: 90, bbox: [1.5, 2, 10, 5], score: 0.25 },
    ]);
    expect(cocoResults([found], classes)[0].image_id).toBe("a");
  });

  it("a table in LPS millimetres that comes back as it went", async () => {
    const box = Float64Array.of(6.5, 16.5, 4.5, 14.5, 24.5, 6.5);
    const text = worldCsv([{ ...found, id: "one", boxes: box }], classes, () => affine);
    expect(text.split("\n")[1]).toBe('one,-5,-10,-20,0.25,4,4,4,4,"two, ""quoted"""');
    await put("ct/found.csv", text);
    const set = await openDetection(join(root, "ct/found.csv"));
    const item = set.items.find(({ id }) => id === "one")!;
    expect(boxesOf(item, 3)).toEqual([[...box]]);
  });
});
