/** Names that are the same text written in another way: composed and decomposed letters, and classes by name where YOLO has numbers. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { encode } from "fast-png";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeVolume } from "../../files/index.ts";
import type { Volume } from "../../volume/index.ts";
import { openDetection } from "./detection.ts";
import type { DetectionDataset } from "./types.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "medvox-names-"));
});
afterAll(() => rm(root, { recursive: true }));

async function put(path: string, content: string | Uint8Array): Promise<string> {
  const file = join(root, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
  return file;
}
const png = (value: number): Uint8Array =>
  encode({ width: 20, height: 10, data: new Uint8Array(600).map((_, i) => (i + value) % 251), channels: 3, depth: 8 });
const shown = ({ items, problems }: DetectionDataset) => [
  items.map(({ id, split, boxes, labels }) => [id, split, [...boxes].map(Math.round), [...labels]]),
  problems.map(({ rule }) => rule),
];

const composed = "뇌 é".normalize("NFC");
const decomposed = composed.normalize("NFD");

describe.each([
  ["composed on disk", composed, decomposed],
  ["decomposed on disk", decomposed, composed],
])("names that are %s and otherwise in their lists", (_, onDisk, listed) => {
  const at = (name: string): string => `${onDisk === composed ? "nfc" : "nfd"}/${name}`;

  it("Pascal VOC: picture, annotation and list", async () => {
    const xml =
      "<annotation><object><name>x</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>3</xmax><ymax>3</ymax></bndbox></object></annotation>";
    await put(at(`voc/JPEGImages/${onDisk}.png`), png(1));
    await put(at(`voc/Annotations/${listed}.xml`), xml);
    await put(at("voc/ImageSets/Main/test.txt"), `${onDisk}\n`);
    expect(shown(await openDetection(join(root, at("voc"))))).toEqual([[[composed, "test", [0, 0, 3, 3], [0]]], []]);
  });

  it("COCO: file_name", async () => {
    const document = {
      images: [{ id: 1, file_name: `${listed}.png`, width: 20, height: 10 }],
      annotations: [{ id: 1, image_id: 1, category_id: 1, bbox: [1, 2, 3, 4] }],
      categories: [{ id: 1, name: "x" }],
    };
    await put(at(`coco/images/${onDisk}.png`), png(2));
    const set = await openDetection(await put(at("coco/a.json"), JSON.stringify(document)));
    expect([set.items.map(({ boxes }) => [...boxes]), set.problems]).toEqual([[[1, 2, 4, 6]], []]);
  });

  it("YOLO: text files and lists of pictures", async () => {
    await put(at(`yolo/images/${onDisk}.png`), png(3));
    await put(at(`yolo/labels/${listed}.txt`), "0 0.5 0.5 0.2 0.4\n");
    await put(at("yolo/val.txt"), `./images/${listed}.png\n`);
    await put(at("yolo/data.yaml"), "val: val.txt\nnames: [x]\n");
    const set = await openDetection(join(root, at("yolo")));
    expect([set.items.map(({ boxes }) => [...boxes].map(Math.round)), set.problems]).toEqual([[[8, 3, 12, 7]], []]);
  });

  it("findings: the scan's name", async () => {
    const volume: Volume = {
      data: Uint8Array.from({ length: 1000 }, (_, i) => i % 7),
      size: [10, 10, 10],
      channels: 1,
      affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
    };
    await mkdir(join(root, at("csv/images")), { recursive: true });
    await writeVolume(join(root, at(`csv/images/${onDisk}.nii.gz`)), volume);
    const set = await openDetection(await put(at("csv/f.csv"), `image,x1,y1,z1,x2,y2,z2\n${listed},1,1,1,3,3,3\n`));
    expect([set.items.map(({ id, labels }) => [id, labels.length]), set.problems]).toEqual([[[composed, 1]], []]);
  });
});

it("a class's name where YOLO has its number is that class; another word is told as it stands", async () => {
  await put("words/classes.txt", "cat\n7\n");
  await put("words/images/a.png", png(4));
  await put("words/labels/a.txt", "cat 0.5 0.5 0.2 0.4\n1 0.5 0.5 0.2 0.4\n7 0.5 0.5 0.2 0.4\ndog 0.5 0.5 0.2 0.4\n");
  const set = await openDetection(join(root, "words"));
  expect([...set.items[0].labels]).toEqual([0, 1]);
  expect(set.problems.map(({ rule, message }) => `${rule} ${message}`)).toEqual([
    'unknown-class labels/a.txt: line 3 (7): class "7" is not known; left out',
    'unknown-class labels/a.txt: line 4 (dog): class "dog" is not known; left out',
  ]);
});

it("a COCO category without a name is refused in words", async () => {
  const document = { images: [], annotations: [], categories: [{ id: 1 }] };
  const file = await put("nameless.json", JSON.stringify(document));
  await expect(openDetection(file)).rejects.toThrow(/categories\[0\]\.name: (?!.*nonoptional)/);
});
