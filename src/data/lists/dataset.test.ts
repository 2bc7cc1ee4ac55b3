import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ConfigError, DataError } from "../../errors.ts";
import { writeVolume } from "../../files/index.ts";
import { parseCsv } from "../csv.ts";
import { readImage } from "../prepare/read-case.ts";
import { imageOf, labelOf, soundCases, temporaryFolder, writeDecathlon } from "../test/made-up.ts";
import { openDataset } from "./dataset.ts";

function folderWith(files: Record<string, string>): string {
  const root = temporaryFolder();
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(root, name, ".."), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return root;
}

describe("a Decathlon folder", () => {
  it("gives names, labels, modality, cases and test cases with absolute paths", async () => {
    const root = await writeDecathlon(soundCases(2), { test: ["./imagesTs/case_90.nii.gz"] });
    const dataset = await openDataset(root);
    expect(dataset).toEqual({
      name: "MadeUp",
      root,
      source: join(root, "dataset.json"),
      labels: [
        { index: 0, name: "background" },
        { index: 1, name: "left" },
        { index: 2, name: "right" },
      ],
      labelsFrom: "declared",
      modality: ["MRI"],
      cases: ["case_00", "case_01"].map((id) => ({
        id,
        image: join(root, "imagesTr", `${id}.nii.gz`),
        label: join(root, "labelsTr", `${id}.nii.gz`),
      })),
      test: [{ id: "case_90", image: join(root, "imagesTs/case_90.nii.gz"), split: "test" }],
      problems: [],
    });
    expect(await openDataset(join(root, "dataset.json"))).toEqual(dataset);
  });

  it.each([
    ["{ broken", "dataset.json: not valid JSON"],
    ["[]", "dataset.json: expected object, found []"],
    [
      '{ "labels": { "0": "background" } }',
      "dataset.json: training: expected a list of { image, label }, it is missing",
    ],
    ['{ "training": [{ "image": "a.nii" }] }', "dataset.json: training[0].label: expected string, it is missing"],
    ['{ "training": [{ "image": 7, "label": "b" }] }', "dataset.json: training[0].image: expected string, found 7"],
    ['{ "training": [], "labels": { "1": "x" } }', "labels: the value 0 (background) is missing"],
    ['{ "training": [], "labels": { "0": "x", "1": "x" } }', 'labels: two values are called "x"'],
    ['{ "training": [], "labels": { "b": 0, "x": 1, "y": 1 } }', 'labels: "x" and "y" share the value 1'],
    [
      '{ "training": [], "labels": { "background": 0, "whole": [1, 2], "core": [2] } }',
      'labels.core: the value 2 belongs to "whole" already; regions that overlap',
    ],
    [
      '{ "training": [], "labels": { "background": 0, "whole": [1, 2] }, "regions_class_order": [1, 2] }',
      "regions_class_order: 1, 2; expected one value above 0 for each of whole, all different",
    ],
    ['{ "training": [], "file_ending": ".png" }', 'file_ending: ".png" is not read; medvox reads volumes'],
    [
      '{ "training": [], "overwrite_image_reader_writer": "Tiff3DIO" }',
      "overwrite_image_reader_writer: Tiff3DIO is not known; expected one of SimpleITKIO",
    ],
    [
      '{ "dataset": { "a": { "images": ["$RAW/a.nii.gz"], "label": "a.nii.gz" } } }',
      "dataset.a.images[0]: $RAW/a.nii.gz: variables in paths are not replaced",
    ],
    ['{ "training": [], "modality": { "0": "T1", "2": "T2" } }', "modality: channel 1 is missing"],
  ])("says what is wrong with %s", async (text, message) => {
    const root = folderWith({ "dataset.json": text });
    await expect(openDataset(root)).rejects.toThrow(DataError);
    await expect(openDataset(root)).rejects.toThrow(message);
  });

  it("refuses two cases of one name", async () => {
    const twice = { image: "a/x.nii.gz", label: "a/x.nii.gz" };
    const root = folderWith({ "dataset.json": JSON.stringify({ labels: { 0: "b" }, training: [twice, twice] }) });
    await expect(openDataset(root)).rejects.toThrow(/two cases are called x \(.*a\/x\.nii\.gz twice\)/);
  });
});

describe("an nnU-Net folder", () => {
  it("finds cases and channels by name", async () => {
    const root = folderWith({
      "dataset.json": JSON.stringify({
        channel_names: { 0: "T1", 1: "T2" },
        labels: { background: 0, tumour: 1 },
        numTraining: 2,
        file_ending: ".nii.gz",
      }),
      "imagesTr/b_0000.nii.gz": "",
      "imagesTr/b_0001.nii.gz": "",
      "imagesTr/a_0000.nii.gz": "",
      "imagesTr/a_0001.nii.gz": "",
      "labelsTr/a.nii.gz": "",
      "labelsTr/b.nii.gz": "",
      "imagesTs/c_0000.nii.gz": "",
      "imagesTs/c_0001.nii.gz": "",
    });
    const dataset = await openDataset(root);
    expect(dataset.modality).toEqual(["T1", "T2"]);
    expect(dataset.labels.map((l) => l.name)).toEqual(["background", "tumour"]);
    expect(dataset.cases[0]).toEqual({
      id: "a",
      image: join(root, "imagesTr/a_0000.nii.gz"),
      moreChannels: [join(root, "imagesTr/a_0001.nii.gz")],
      label: join(root, "labelsTr/a.nii.gz"),
    });
    expect(dataset.test.map((c) => c.id)).toEqual(["c"]);
  });

  it("stacks the channels of a case, and says which channel is missing", async () => {
    const root = temporaryFolder();
    mkdirSync(join(root, "imagesTr"));
    const [first, second] = [imageOf([4, 3, 2], 1), imageOf([4, 3, 2], 2)];
    await writeVolume(join(root, "imagesTr/a_0000.nii.gz"), first);
    await writeVolume(join(root, "imagesTr/a_0001.nii.gz"), second);
    const { cases } = await openDataset(root, { labels: { 0: "background" } });
    const image = await readImage(cases[0]);
    expect(image.channels).toBe(2);
    expect([...image.data]).toEqual([...first.data, ...second.data]);
    await writeVolume(join(root, "imagesTr/b_0001.nii.gz"), second);
    await expect(openDataset(root)).rejects.toThrow("b: channel 0 is missing");
  });
});

describe("folders without a description", () => {
  it("pairs images and labels by name and finds out the labels; hidden files do not count", async () => {
    const root = await writeDecathlon(soundCases(2));
    const bare = temporaryFolder();
    for (const folder of ["imagesTr", "labelsTr"]) mkdirSync(join(bare, folder));
    await writeVolume(join(bare, "imagesTr/p2.nii.gz"), imageOf([4, 4, 4], 1));
    await writeVolume(join(bare, "imagesTr/p1.nii.gz"), imageOf([4, 4, 4], 2));
    const label = labelOf([4, 4, 4], 0);
    label.data[0] = 7;
    await writeVolume(join(bare, "labelsTr/p1.nii.gz"), label);
    writeFileSync(join(bare, "imagesTr/._p1.nii.gz"), "");
    const dataset = await openDataset(bare);
    expect(dataset.labelsFrom).toBe("discovered");
    expect(dataset.labels).toEqual([
      { index: 0, name: "background" },
      { index: 1, name: "label 1" },
      { index: 2, name: "label 2" },
      { index: 7, name: "label 7" },
    ]);
    expect(dataset.cases.map((c) => [c.id, c.label !== undefined])).toEqual([
      ["p1", true],
      ["p2", false],
    ]);
    expect((await openDataset(bare, { lenient: true })).labels).toEqual([]);
    expect((await openDataset(bare, { labels: { 0: "bg", 1: "organ" } })).labels[1]).toEqual({
      index: 1,
      name: "organ",
    });
    expect((await openDataset(root)).labelsFrom).toBe("declared");
    await writeVolume(join(bare, "labelsTr/p0.nii.gz"), label);
    const alone = (await openDataset(bare)).cases.find((c) => c.id === "p0");
    expect(alone?.image).toBe(join(bare, "imagesTr/p0.nii.gz"));
  });

  it("may as well be called images and labels", async () => {
    const root = temporaryFolder();
    for (const folder of ["images", "labels"]) mkdirSync(join(root, folder));
    await writeVolume(join(root, "images/a.nii.gz"), imageOf([4, 4, 4], 1));
    await writeVolume(join(root, "labels/a.nii.gz"), labelOf([4, 4, 4], 0));
    const { cases } = await openDataset(root);
    expect(cases).toEqual([{ id: "a", image: join(root, "images/a.nii.gz"), label: join(root, "labels/a.nii.gz") }]);
  });

  it("says what it looked for", async () => {
    await expect(openDataset(temporaryFolder())).rejects.toThrow("no dataset.json and no imagesTr or images folder");
    await expect(openDataset("/no/such/place")).rejects.toThrow(ConfigError);
    await expect(openDataset("/no/such/place")).rejects.toThrow("/no/such/place: no such file or folder");
    const root = folderWith({ "list.txt": "" });
    await expect(openDataset(join(root, "list.txt"))).rejects.toThrow("not a data set; expected a folder");
  });

  it("refuses to discover labels in files that are no label maps", async () => {
    const root = temporaryFolder();
    for (const folder of ["imagesTr", "labelsTr"]) mkdirSync(join(root, folder));
    await writeVolume(join(root, "imagesTr/a.nii.gz"), imageOf([4, 4, 4], 1));
    await writeVolume(join(root, "labelsTr/a.nii.gz"), imageOf([4, 4, 4], 1));
    await expect(openDataset(root)).rejects.toThrow(/^a: label has the value \d+\.\d+; labels are whole numbers/);
  });
});

describe("a plain list", () => {
  const csv = 'image,label,case,split,group\nscans/a.nii.gz,masks/a.nii.gz,A,train,p1\n"scans/b, old.nii.gz",,,test,\n';

  it("reads CSV: quotes, empty fields, splits and groups", async () => {
    const root = folderWith({ "nodules.csv": csv });
    const dataset = await openDataset(join(root, "nodules.csv"), { labels: { 0: "background", 1: "nodule" } });
    expect(dataset.name).toBe("nodules");
    expect(dataset.cases).toEqual([
      {
        id: "A",
        image: join(root, "scans/a.nii.gz"),
        label: join(root, "masks/a.nii.gz"),
        split: "train",
        group: "p1",
      },
    ]);
    expect(dataset.test).toEqual([{ id: "b, old", image: join(root, "scans/b, old.nii.gz"), split: "test" }]);
  });

  it.each([
    [";", "\r\n"],
    ["\t", "\n"],
  ])("reads other separators and line ends: %j", async (separator, lineEnd) => {
    const text = `\uFEFF${[["image", "label"], ["a.nii", "b.nii"], [""]].map((r) => r.join(separator)).join(lineEnd)}`;
    const root = folderWith({ "list.csv": text });
    const { cases } = await openDataset(join(root, "list.csv"), { lenient: true });
    expect(cases).toEqual([{ id: "a", image: join(root, "a.nii"), label: join(root, "b.nii") }]);
  });

  it("names cases by folder where file names repeat", async () => {
    const root = folderWith({ "list.csv": "image\np1/t1.nii\np2/t1.nii\n" });
    const { cases } = await openDataset(join(root, "list.csv"), { lenient: true });
    expect(cases.map((c) => c.id)).toEqual(["p1_t1", "p2_t1"]);
  });

  it("reads JSON, as an array or with labels", async () => {
    const root = folderWith({
      "a.json": JSON.stringify([{ image: "x.nii", label: "y.nii", case: 5 }]),
      "b.json": JSON.stringify({
        name: "B",
        labels: { 0: "bg", 1: "liver" },
        modality: ["CT"],
        cases: [{ image: "x.nii" }],
      }),
    });
    const a = await openDataset(join(root, "a.json"), { lenient: true });
    expect(a.cases[0].id).toBe("5");
    const b = await openDataset(join(root, "b.json"));
    expect([b.name, b.modality, b.labels[1].name]).toEqual(["B", ["CT"], "liver"]);
  });

  it.each([
    ["l.csv", "picture\na.nii\n", 'line 1: no column "image"; found "picture"'],
    ["l.csv", "image,label\na.nii\n", "line 2: 1 fields, the header has 2"],
    ["l.csv", "image,label\n,b.nii\n", "line 2: image: expected a path, it is empty"],
    ["l.csv", 'image\n"a.nii\n', "line 2: a quote is never closed"],
    ["l.csv", "image,image\na,b\n", 'line 1: column "image" stands twice'],
    ["l.csv", "", "empty; expected a header line"],
    ["l.csv", "image\n", "no cases in it"],
    ["l.csv", "image,split\na.nii,sometimes\n", 'line 2: split: expected train, validation or test, found "sometimes"'],
    ["l.json", '{ "cases": [{ "label": "x" }] }', "l.json: cases[0].image: expected string, it is missing"],
    ["l.json", '{ "cases": 3 }', "l.json: cases: expected array, found 3"],
    ["l.json", '[{ "image": "" }]', "l.json: [0].image: expected a path"],
    ["l.json", '{ "labels": { "liver": "1" }, "cases": [{ "image": "x" }] }', "l.json: labels.liver"],
  ])("says what is wrong with %s: %j", async (name, text, message) => {
    const root = folderWith({ [name]: text });
    await expect(openDataset(join(root, name))).rejects.toThrow(DataError);
    await expect(openDataset(join(root, name))).rejects.toThrow(message);
  });

  it("counts lines across quoted line breaks", () => {
    const { rows } = parseCsv('a,b\n"1\n2",3\n4,"x""y"\n', "t.csv");
    expect(rows).toEqual([
      { line: 2, fields: { a: "1\n2", b: "3" } },
      { line: 4, fields: { a: "4", b: 'x"y' } },
    ]);
  });
});

const hippocampus = new URL("../../../../shared/data/Task04_Hippocampus", import.meta.url).pathname;
describe.skipIf(!existsSync(hippocampus))("Task04_Hippocampus (skipped where ../shared is absent)", () => {
  it("opens", async () => {
    const dataset = await openDataset(hippocampus);
    expect(dataset.name).toBe("Hippocampus");
    expect(dataset.cases).toHaveLength(200);
    expect(dataset.labels.map((l) => l.name)).toEqual(["background", "Anterior", "Posterior"]);
    expect(dataset.modality).toEqual(["MRI"]);
  });
});
