/** What readers of boxes must not lose, or read as something else: files as other programs write them, in every way they do. */
import { chmod, mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { encode } from "fast-png";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ConfigError, DataError } from "../../errors.ts";
import { refuseProblems } from "../problem.ts";
import { decodeText, parseJson, readText } from "../text.ts";
import { requireClasses } from "./classes.ts";
import { cocoOutline } from "./coco/outline.ts";
import { leftOutText } from "./collect.ts";
import { isDetection, openDetection } from "./detection.ts";
import type { DetectionDataset, DetectionItem } from "./types.ts";
import { verifyDetection } from "./verify.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "medvox-cases-"));
});
afterAll(() => rm(root, { recursive: true }));

async function put(path: string, content: string | Uint8Array): Promise<string> {
  const file = join(root, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
  return file;
}

let seed = 0;
const png = (width = 64, height = 48): Uint8Array => {
  seed++;
  const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => (i * 31 + seed * 77) % 251);
  return encode({ width, height, data, channels: 3, depth: 8 });
};

const boxesOf = ({ boxes }: DetectionItem): number[][] =>
  Array.from({ length: boxes.length / 4 }, (_, i) =>
    [...boxes.subarray(4 * i, 4 * (i + 1))].map((value) => +value.toFixed(6)),
  );
const rulesOf = ({ problems }: DetectionDataset): string[] => problems.map((one) => `${one.case} ${one.rule}`);

const xml = (filename: string, x = 11, name = "cat", head = ""): string =>
  `${head}<annotation><filename>${filename}</filename><size><width>64</width><height>48</height></size><object><name>${name}</name><bndbox><xmin>${x}</xmin><ymin>11</ymin><xmax>${x + 19}</xmax><ymax>30</ymax></bndbox></object></annotation>`;

/** A VOC folder with annotations by name. */
async function voc(name: string, annotations: Record<string, string | Uint8Array>): Promise<string> {
  for (const [stem, content] of Object.entries(annotations)) {
    await put(`${name}/Annotations/${stem}.xml`, content);
    await put(`${name}/JPEGImages/${stem}.png`, png());
  }
  return join(root, name);
}

describe("the encoding that an XML file says it has", () => {
  const utf16 = (text: string, order: "le" | "be", mark = true): Uint8Array => {
    const bytes = Buffer.from(mark ? `\uFEFF${text}` : text, "utf16le");
    return order === "le" ? bytes : bytes.swap16();
  };
  const declaring = (encoding: string): string => `<?xml version="1.0" encoding="${encoding}"?>`;

  it("is used: UTF-16 in both orders, Latin-1, Cyrillic, GBK", async () => {
    const russian = Buffer.from(xml("e.png", 11, "????????", declaring("windows-1251")), "latin1");
    Buffer.from([0xea, 0xeb, 0xe5, 0xf2, 0xea, 0xe0, 0x20, 0x31]).copy(russian, russian.indexOf("????????"));
    const chinese = Buffer.from(xml("f.png", 11, "??????", declaring("gbk")), "latin1");
    Buffer.from([0xba, 0xec, 0xcf, 0xb8, 0xb0, 0xfb]).copy(chinese, chinese.indexOf("??????"));
    const folder = await voc("encodings", {
      a: utf16(xml("a.png", 11, "dog", declaring("utf-16")), "le"),
      b: utf16(xml("b.png", 11, "dog", declaring("utf-16")), "be"),
      c: utf16(xml("c.png", 11, "dog"), "le", false),
      d: Buffer.from(xml("d.png", 11, "größer", declaring("ISO-8859-1")), "latin1"),
      e: russian,
      f: chinese,
      g: `\uFEFF${xml("g.png", 11, "größer", declaring("utf-8"))}`,
      // Saved anew as UTF-8 by an editor that left the declaration.
      h: xml("h.png", 11, "größer", declaring("utf-16")),
    });
    const set = await openDetection(folder);
    const names = set.items.map(({ labels }) => set.classes[labels[0]].name);
    expect(names).toEqual(["dog", "dog", "dog", "größer", "клетка 1", "红细胞", "größer", "größer"]);
    expect(set.problems).toEqual([]);
  });

  it("what is in no encoding that it declares is left out, said and counted", async () => {
    const folder = await voc("undeclared", {
      a: xml("a.png"),
      b: Buffer.from(xml("b.png", 11, "größer"), "latin1"),
      c: xml("c.png", 11, "cat", declaring("klingon")),
    });
    const set = await openDetection(folder);
    expect(set.items.map(({ id }) => id)).toEqual(["a"]);
    expect(set.classes.map(({ name }) => name)).toEqual(["cat"]);
    expect(set.problems.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^Annotations.b\.xml: line \d+ is not UTF-8, .* left out$/),
      expect.stringMatching(/^Annotations.c\.xml: it declares the encoding "klingon", which is not known/),
    ]);
    expect(leftOutText(set)).toBe("2 of 3 annotation files left out");
    expect(() => refuseProblems(set.problems, "set")).not.toThrow();
    expect(() => refuseProblems(set.problems, "set", { strict: true })).toThrow(/b: Annotations.b\.xml/);
  });

  it("a text in UTF-16 with its mark, and none that is cut", () => {
    expect(decodeText(utf16("IMG (1)\n", "be"))).toBe("IMG (1)\n");
    expect(() => decodeText(Uint8Array.of(0xff, 0xfe, 0x41))).toThrow(/not UTF-16/);
  });
});

it("no box could be read: all XML files are damaged, and the first reason is told", async () => {
  const folder = await voc("damaged", { i0: xml("i0.png", 1, '"q" <x>'), i1: "<annotation>", i2: "" });
  await expect(openDetection(folder)).rejects.toThrow(
    /no box could be read from 3 XML files; the first: Annotations.i0\.xml: damaged XML: .*"x" != "name"/,
  );
});

describe("an annotation and its picture", () => {
  it("belong together by name, and the other name is said", async () => {
    const folder = await voc("pairs", { f0: xml("f1.png", 11), f1: xml("f0.png", 12), f2: xml("f2.jpg", 13) });
    const set = await openDetection(folder);
    expect(set.items.map(({ image, boxes }) => [image.slice(-6), boxes[0]])).toEqual([
      ["f0.png", 10],
      ["f1.png", 11],
      ["f2.png", 12],
    ]);
    expect(rulesOf(set)).toEqual(["f0 other-name", "f1 other-name"]);
    expect(set.problems[0].message).toMatch(/f0\.xml: names the picture f1\.png; f0\.png, which has its own name/);
  });

  it("the picture that it names, where none has its name; and pictures without an annotation", async () => {
    await put("renamed/Annotations/0001.xml", xml("real.png"));
    await put("renamed/JPEGImages/real.png", png());
    await put("renamed/JPEGImages/alone.png", png());
    await put("renamed/JPEGImages/._alone.png", "macOS");
    const set = await openDetection(join(root, "renamed"));
    expect(set.items[0].image).toMatch(/real\.png$/);
    expect(rulesOf(set)).toEqual(["0001 other-name", "renamed without-annotation"]);
    expect(set.problems[1].message).toBe("JPEGImages: 1 picture without an annotation, not used; the first: alone.png");
  });

  it("side by side in one folder, or in a folder for each part", async () => {
    await put("flat/a.xml", xml("a.png"));
    await put("flat/a.png", png());
    await put("parts/train/a.xml", xml("a.png"));
    await put("parts/train/a.png", png());
    await put("parts/valid/a.xml", xml("a.png"));
    await put("parts/valid/a.png", png());
    await put("lower/annotations/a.xml", xml("a.png"));
    await put("lower/images/a.png", png());
    for (const name of ["flat", "parts", "lower"]) expect(await isDetection(join(root, name))).toBe(true);
    expect(boxesOf((await openDetection(join(root, "flat"))).items[0])).toEqual([[10, 10, 30, 30]]);
    const parts = await openDetection(join(root, "parts"));
    expect(parts.items.map(({ id, split }) => [id, split])).toEqual([
      ["a", "train"],
      ["a#2", "validation"],
    ]);
    expect(parts.items[1].image).toMatch(/valid.a\.png$/);
    expect((await openDetection(join(root, "lower"))).format).toBe("voc");
  });

  it("several pictures of one name: the one that it speaks of, else none", async () => {
    const folder = await voc("several", { a: xml("a.png"), b: xml("b.gif") });
    await put("several/JPEGImages/a.jpg", png());
    await put("several/JPEGImages/b.jpg", png());
    const set = await openDetection(folder);
    expect(set.items.map(({ image }) => image.slice(-5))).toEqual(["a.png"]);
    expect(set.problems.map(({ rule, message }) => `${rule} ${message.replace("\\", "/")}`)).toEqual([
      "duplicate-id Annotations/b.xml: b.jpg and b.png have its name; left out with its 1 box",
    ]);
  });

  it("of another size than it says stops, whichever way it differs", async () => {
    const folder = await voc("sizes", { a: xml("a.png"), b: xml("b.png") });
    await put("sizes/JPEGImages/a.png", png(48, 64));
    await put("sizes/JPEGImages/b.png", png(64, 50));
    const set = await openDetection(folder);
    expect(rulesOf(set)).toEqual(["a size-mismatch", "b size-mismatch"]);
    expect(set.problems[0].message).toMatch(/a\.png: annotation says 64×48, the image is 48×64, the other way round/);
    expect(() => refuseProblems(set.problems, "sizes")).toThrow(/sizes: a: .*figures would be wrong \(and 1 more/);
    const { findings } = await verifyDetection(set);
    expect(findings.filter(({ rule }) => rule === "size-mismatch")).toHaveLength(2);
  });
});

describe("the lists of ImageSets", () => {
  const stems = ["IMG (8)", "IMG (9)", "a3", "b c 1", "d.e", "f"];
  const all = Object.fromEntries(stems.map((stem) => [stem, xml(`${stem}.png`)]));

  it("names with spaces, endings, folders, flags; an entry that is nothing is said", async () => {
    const folder = await voc("lists", all);
    await put("lists/ImageSets/Main/test.txt", "IMG (8)\r\nJPEGImages\\IMG (9).PNG\r\n\r\nnowhere\r\n");
    await put("lists/ImageSets/Main/train.txt", "\uFEFFa3.png\nb c 1\n/data/x/d.e.xml\n");
    await put("lists/ImageSets/Main/val.txt", "f -1\n");
    await put("lists/ImageSets/Main/cat_train.txt", "IMG (8) 1\n");
    const set = await openDetection(folder);
    expect(Object.fromEntries(set.items.map(({ id, split }) => [id, split]))).toEqual({
      "IMG (8)": "test",
      "IMG (9)": "test",
      a3: "train",
      "b c 1": "train",
      "d.e": "train",
      f: "validation",
    });
    expect(rulesOf(set)).toEqual(["nowhere missing-annotation"]);
  });

  it("lie in ImageSets itself where there is no Main", async () => {
    const folder = await voc("nomain", all);
    await put("nomain/ImageSets/test.txt", "f\n");
    const set = await openDetection(folder);
    expect(set.items.filter(({ split }) => split === "test").map(({ id }) => id)).toEqual(["f"]);
  });

  it("a list that matches nothing stops; an image in two parts is scored on, not learnt from", async () => {
    const folder = await voc("unmatched", all);
    await put("unmatched/ImageSets/Main/train.txt", "a3\nf\n");
    await put("unmatched/ImageSets/Main/val.txt", "x1\nx2\n");
    await put("unmatched/ImageSets/Main/test.txt", "f\n");
    const set = await openDetection(folder);
    expect(rulesOf(set)).toEqual(["unmatched unmatched-list", "f duplicate"]);
    expect(set.items.find(({ id }) => id === "f")?.split).toBe("test");
    expect(() => refuseProblems(set.problems, "set")).toThrow(
      /val\.txt: none of its 2 lines is the name of an annotation/,
    );
  });
});

describe("COCO as tools write it", () => {
  const set = async (name: string, content: string | object, pictures = ["a.png"]): Promise<DetectionDataset> => {
    for (const picture of pictures) await put(`${name}/${picture}`, png());
    const text = typeof content === "string" ? content : JSON.stringify(content);
    return openDetection(await put(`${name}/annotations.json`, text));
  };
  const images = [{ id: 1, file_name: "a.png", width: 64, height: 48 }];
  const categories = [{ id: 1, name: "cat" }];
  const bbox = [1, 2, 10, 12];
  const one = { id: 3, image_id: 1, category_id: 1, bbox, area: 120, iscrowd: 0 };

  it("NaN is text inside a text, and no number elsewhere", async () => {
    const text = '{"note": "say \\"NaN, 3\\" [NaN]", "a": [NaN, -Infinity, 1]}';
    expect(parseJson(text, "f")).toEqual({ note: 'say "NaN, 3" [NaN]', a: ["NaN", "-Infinity", 1] });
    expect(() => parseJson('{"a": NaN', "f.json")).toThrow(/f\.json: not valid JSON/);
    const content = JSON.stringify({ images, categories, annotations: [{ ...one, note: "NaN, 3" }] });
    const found = await set("nan", content.replace('"area":120', '"area":NaN'));
    expect([boxesOf(found.items[0]), [...found.items[0].areas!]]).toEqual([[[1, 2, 11, 14]], [120]]);
    expect(rulesOf(found)).toEqual(["a computed-area"]);
  });

  it("numbers in quotes, ids as text, flags of every kind", async () => {
    const annotations = [
      { ...one, id: "5f3a", image_id: "1", category_id: "1", area: "120" },
      ...["0", "1", false, true, null, "true"].map((iscrowd) => ({ ...one, iscrowd })),
    ];
    const found = await set("strict", { images: [{ ...images[0], width: "64" }], categories, annotations });
    expect([...found.items[0].crowd]).toEqual([0, 0, 1, 0, 1, 0, 1]);
    expect(found.problems).toEqual([]);
  });

  it("boxes from outlines: polygons, runs, compressed runs", async () => {
    const square = [5, 5, 15, 5, 15, 15, 5, 15];
    const annotations = [
      { ...one, bbox: undefined, segmentation: [square] },
      { ...one, bbox: [], area: null, segmentation: [square, [20, 20, 24, 20, 24, 24]] },
      { ...one, bbox: null, segmentation: { size: [4, 5], counts: [5, 2, 2, 2, 9] } },
      { ...one, bbox: [1, 2], segmentation: [] },
    ];
    const found = await set("outlines", { images, categories, annotations });
    expect(boxesOf(found.items[0])).toEqual([
      [5, 5, 15, 15],
      [5, 5, 24, 24],
      [1, 1, 3, 3],
    ]);
    expect([...found.items[0].areas!]).toEqual([120, 108, 120]);
    expect(rulesOf(found)).toEqual(["a computed-box", "a computed-box", "a computed-box", "a not-finite"]);
    expect(found.problems[3].message).toMatch(/neither a bbox of four numbers nor an outline/);
    // A run over the edge of a column reaches from top to bottom.
    expect(cocoOutline({ size: [4, 5], counts: [6, 4] })).toEqual({ corners: [1, 0, 3, 4], area: 4 });
    // 5, 2, 2, 2, 9 as pycocotools packs them: from the fourth number on, less the last but one.
    expect(cocoOutline({ size: [4, 5], counts: "52207" })).toEqual({ corners: [1, 1, 3, 3], area: 4 });
    expect(cocoOutline("polygon")).toBeUndefined();
  });

  it("each picture is looked for on its own; Windows' separators", async () => {
    const names = ["gone.png", "sub\\a.png", "images\\b.png", "c.png"];
    const listed = names.map((file_name, id) => ({ id, file_name, width: 64, height: 48 }));
    const annotations = listed.map(({ id }) => ({ ...one, image_id: id }));
    const content = { images: listed, categories, annotations };
    const found = await set("places", content, ["sub/a.png", "images/b.png", "images/c.png"]);
    expect(found.items.map(({ id }) => id)).toEqual(["a", "b", "c"]);
    expect(rulesOf(found)).toEqual(["gone missing-file"]);
    expect([found.skipped, leftOutText(found)]).toEqual([1, "1 image and 1 box left out"]);
    // Scores of others' detections need no pixels.
    const file = join(root, "places/annotations.json");
    const without = await openDetection(file, { pictures: "ifThere" });
    expect([without.items.length, without.problems.length]).toEqual([4, 0]);
  });

  it("pictures that share a number are left out; a picture listed again counts once", async () => {
    const listed = ["a.png", "b.png", "c.png", "c.png"].map((file_name, i) => ({ id: [1, "1", 2, 2][i], file_name }));
    const annotations = [one, one, { ...one, image_id: 2, bbox: [3, 3, 9, 9] }];
    const found = await set("shared", { images: listed, categories, annotations }, ["a.png", "b.png", "c.png"]);
    expect(found.items.map((item) => [item.id, boxesOf(item)])).toEqual([["c", [[3, 3, 12, 12]]]]);
    expect(rulesOf(found)).toEqual(["a duplicate-id", "b duplicate-id", "c#2 duplicate"]);
    expect(found.problems[0].message).toContain("a.png and b.png share the number 1");
    expect(found.skipped).toBe(2);
    expect((await verifyDetection(found)).summary).toMatchObject({ broken: 2, errors: 2 });
  });

  it("categories of one name: the used one counts, two used ones are refused", async () => {
    const two = [
      { id: 0, name: "cat", supercategory: "none" },
      { id: 1, name: "cat" },
    ];
    const found = await set("twins", { images, categories: two, annotations: [one] });
    expect(found.classes).toEqual([{ id: 1, name: "cat" }]);
    const both = { images, categories: two, annotations: [one, { ...one, category_id: 0 }] };
    await expect(set("twins2", both)).rejects.toThrow('categories: 0 and 1 are both called "cat"');
  });

  it("a file among its pictures opens by its folder", async () => {
    await set("among", { images, categories, annotations: [one] });
    expect((await openDetection(join(root, "among"))).items[0].imageId).toBe(1);
  });

  it("longer than Node's longest text: its size and the limit", async () => {
    const file = await put("long.json", "{}");
    await truncate(file, 600_000_000);
    await expect(openDetection(file)).rejects.toThrow(
      /long\.json: has 600 MB, and the longest text that Node holds is 5\d\d MB/,
    );
  });
});

describe("YOLO as tools write it", () => {
  const yolo = async (name: string, yaml: string, parts = ["images/train", "images/val"]): Promise<string> => {
    await put(`${name}/data.yaml`, yaml);
    for (const [i, part] of parts.entries()) {
      await put(`${name}/${part}/p${i}.png`, png());
      await put(`${name}/${part.replace("images", "labels")}/p${i}.txt`, `${i} 0.5 0.5 0.25 0.25\n`);
    }
    return join(root, name);
  };
  const plain = "train: images/train\nval: images/val\n";

  it.each([
    [
      "the way up and no test part",
      "train: ../images/train\nval: ../images/val\ntest: ../images/test\nnames: [a, b]\n",
    ],
    ["its folder in front", "train: set1/images/train\nval: set1\\images\\val\nnames: [a, b]\n"],
    ["a path that ends in its folder", `path: ../datasets/set2\n${plain}names: [a, b]\n`],
    ["a path of another machine", `path: /content/set3\n${plain}names: {0: a, 1: b}\n`],
    ["a path that its folder no longer has", `path: ../datasets/old-name\n${plain}nc: 2\n`],
    ["places of another machine", "train: /content/set4/images/train\nval: C:\\x\\set4\\images\\val\nnames: [a, b]\n"],
    ["a list of pictures", "train: list.txt\nval: images/val\nnames: [a, b]\n"],
  ])("%s", async (what, yaml) => {
    const name = /set\d/.exec(yaml)?.[0] ?? what.replaceAll(" ", "-");
    const folder = await yolo(name, yaml);
    await put(`${name}/list.txt`, `./images/train/p0.png\n`);
    const set = await openDetection(folder);
    expect(set.items.map(({ id, split }) => [id, split])).toEqual([
      ["p0", "train"],
      ["p1", "validation"],
    ]);
    expect(boxesOf(set.items[0])).toEqual([[24, 18, 40, 30]]);
    expect(rulesOf(set)).toEqual(yaml.includes("test:") ? [`${name} missing-part`] : []);
  });

  it("classes by number where only nc is told; two of one name are refused", async () => {
    const set = await openDetection(await yolo("nonames", `${plain}nc: 2\n`));
    expect(set.classes).toEqual([
      { id: 0, name: "0" },
      { id: 1, name: "1" },
    ]);
    await expect(openDetection(await yolo("dup", `${plain}names: [cat, dog, cat]\n`))).rejects.toThrow(
      'names: 0 and 2 are both "cat"',
    );
    await put("duptxt/classes.txt", "cat\ncat\n");
    await put("duptxt/a.png", png());
    await expect(openDetection(join(root, "duptxt"))).rejects.toThrow('lines 1 and 2 are both "cat"');
  });

  it("keypoints stand behind a box where the set declares them, else the numbers are an outline", async () => {
    const line = "0 0.5 0.5 0.25 0.25 0.1 0.1 0.9 0.9\n";
    const folder = await yolo("pose", `${plain}names: [a, b]\nkpt_shape: [2, 2]\n`);
    await put("pose/labels/train/p0.txt", `${line}0 0.5 0.5 0.25 0.25 0.1 0.1\n`);
    const set = await openDetection(folder);
    expect(boxesOf(set.items[0])).toEqual([[24, 18, 40, 30]]);
    expect(set.problems[0].message).toMatch(/line 2 \(a\): 6 numbers .* box \(4\), a box with keypoints \(8\)/);
    const other = await yolo("outline", `${plain}names: [a, b]\n`);
    await put("outline/labels/train/p0.txt", line);
    expect(boxesOf((await openDetection(other)).items[0])).toEqual([[6.4, 4.8, 57.6, 43.2]]);
  });

  it("pictures of every kind are read or named; text files without a picture, too", async () => {
    const folder = await yolo("kinds", `${plain}names: [a, b]\n`);
    for (const name of ["b.bmp", "c.webp", "d.TIF", "e.jfif", "f.jpe", "g.gif", "._h.png"]) {
      await put(`kinds/images/train/${name}`, png());
      await put(`kinds/labels/train/${name[0]}.txt`, "0 0.5 0.5 0.1 0.1\n");
    }
    await put("kinds/labels/train/orphan.txt", "0 0.5 0.5 0.1 0.1\n1 0.5 0.5 0.1 0.1\n");
    await put("kinds/labels/train/readme.txt", "labelled by hand\n");
    await rm(join(root, "kinds/labels/train/..txt"));
    const set = await openDetection(folder);
    expect(set.items.map(({ id }) => id).sort()).toEqual(["b", "c", "d", "e", "f", "g", "p0", "p1"]);
    // What a name says is looked into: these are PNG by their bytes.
    expect(rulesOf(set)).toEqual(["orphan missing-file"]);
    for (const name of ["b.bmp", "c.webp", "d.TIF", "g.gif"])
      await put(`kinds/images/train/${name}`, "not a PNG at all");
    await put("kinds/images/train/p0.png", "GIF89a and so on");
    const now = await openDetection(folder);
    expect(now.problems.map(({ message }) => message.replaceAll("\\", "/"))).toEqual([
      "labels/train/orphan.txt: no picture of that name; left out with its 2 boxes",
      expect.stringMatching(/p0\.png cannot be used: not a picture that medvox reads: it is GIF/),
      "image images/train/b.bmp is BMP; JPEG and PNG are read; left out with its 1 box",
      "image images/train/c.webp is WebP; JPEG and PNG are read; left out with its 1 box",
      "image images/train/d.TIF is TIFF; JPEG and PNG are read; left out with its 1 box",
      "image images/train/g.gif is GIF; JPEG and PNG are read; left out with its 1 box",
    ]);
    expect([now.skipped, now.leftOut.images]).toEqual([7, 6]);
  });

  it("two pictures with the name of one text file are left out", async () => {
    const folder = await yolo("claimed", `${plain}nc: "2"\n`);
    await put("claimed/images/train/p0.jpg", png());
    await put("claimed/images/train/q.jpg", png());
    await put("claimed/images/train/q.png", png());
    const set = await openDetection(folder);
    // Without a text file neither has an object, and both are sound.
    expect(set.items.map(({ id }) => id).sort()).toEqual(["p1", "q", "q#2"]);
    expect(rulesOf(set)).toEqual(["p0 duplicate-id", "p0#2 duplicate-id"]);
    expect([set.skipped, set.problems[0].message.includes("has the name of p0.jpg and of p0.png")]).toEqual([1, true]);
  });

  it("a list without a picture stops; pictures in two parts are said", async () => {
    const folder = await yolo("nolist", "train: list.txt\nval: images/val\nnames: [a, b]\n");
    await put("nolist/list.txt", "/elsewhere/x.png\n/elsewhere/y.png\n");
    const set = await openDetection(folder);
    expect(rulesOf(set)).toEqual(["nolist unmatched-list"]);
    expect(() => refuseProblems(set.problems, "set")).toThrow(/list\.txt: none of its 2 lines is a picture/);
    const same = await openDetection(await yolo("same", "train: images/val\nval: images/val\nnames: [a, b]\n"));
    expect(same.problems.map(({ rule, message }) => `${rule} ${message}`)).toEqual([
      expect.stringMatching(/^duplicate picture images.val.p1\.png stands in more than one part/),
    ]);
  });
});

describe("classes that are asked for", () => {
  it("others are not wanted, which is noted; what does not exist is refused with the names there are", async () => {
    const folder = await voc("colours", {
      a: xml("a.png", 11, "red"),
      b: xml("b.png", 11, "blue"),
      c: xml("c.png", 1, "red"),
    });
    const set = await openDetection(folder, { classes: ["blue"], otherClasses: "unwanted" });
    expect([set.skipped, set.declared]).toEqual([0, ["blue", "red"]]);
    expect(set.problems.map(({ rule, severity, message }) => [rule, severity, message])).toEqual([
      ["unwanted-class", "warning", 'class "red" was not asked for: its 2 boxes are no objects here'],
    ]);
    expect(() => requireClasses(set, ["blue"])).not.toThrow();
    expect(() => requireClasses(set, ["red", "bleu"])).toThrow(ConfigError);
    expect(() => requireClasses(set, ["elephant"])).toThrow(/"elephant" is no class of .*; there are blue, red$/);
    expect(() => requireClasses(set, ["bleu"])).toThrow(/did you mean blue\?/);
    // Truth of a class that nobody knows makes a score wrong.
    const known = await openDetection(folder, { classes: ["blue"] });
    expect(() => refuseProblems(known.problems, "set")).toThrow(/class "red" is not known/);
    expect(known.skipped).toBe(2);
  });
});

describe("the system's reason", () => {
  // Root reads whatever it likes.
  it.skipIf(process.getuid?.() === 0)("EACCES is told, not taken for another kind of data", async () => {
    const folder = await voc("locked", { a: xml("a.png") });
    await chmod(folder, 0o000);
    await expect(isDetection(folder)).rejects.toThrow(/locked: cannot be read \(EACCES\)/);
    await chmod(folder, 0o755);
    await chmod(join(folder, "Annotations"), 0o000);
    await expect(openDetection(folder)).rejects.toThrow(/Annotations: cannot be read \(EACCES\)/);
    await chmod(join(folder, "Annotations"), 0o755);
  });

  it("a folder where a text is expected, a path that is none", async () => {
    await mkdir(join(root, "text.json"));
    await expect(readText(join(root, "text.json"))).rejects.toThrow(DataError);
    await expect(readText(join(root, "text.json"))).rejects.toThrow(/EISDIR/);
    expect(await isDetection(join(root, "nowhere"))).toBe(false);
  });
});
