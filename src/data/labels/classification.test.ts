/** Lists of cases with a class or a rating: every layout, the rules, and what is refused. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it, test } from "vitest";
import { ConfigError, DataError } from "../../errors.ts";
import { temporaryFolder } from "../test/made-up.ts";
import { openClassification } from "./classification.ts";
import { positiveShare, ratingScale, ruleFor } from "./rating.ts";

const root = temporaryFolder();
afterAll(() => rmSync(root, { recursive: true, force: true }));

let files = 0;
function list(text: string, extension = "csv"): string {
  const path = join(root, `list_${files++}.${extension}`);
  writeFileSync(path, text);
  return path;
}

describe("a list", () => {
  it("names images, masks, classes, patients and parts", async () => {
    const path = list("image,mask,label,case,group,split\na.nii,am.nii,cyst,A,p1,train\nb.nii,,tumour,B,p1,test\n");
    const { classes, ratings, cases, test: kept } = await openClassification(path);
    expect([classes, ratings]).toEqual([["cyst", "tumour"], undefined]);
    const [image, label] = [join(root, "a.nii"), join(root, "am.nii")];
    expect(cases).toEqual([{ id: "A", image, label, split: "train", group: "p1", class: 0 }]);
    expect(kept).toEqual([{ id: "B", image: join(root, "b.nii"), split: "test", group: "p1", class: 1 }]);
  });

  it("orders numbers by value, keeps cases without a label", async () => {
    const { classes, cases } = await openClassification(list("image,label\na.nii,10\nb.nii,9\nc.nii,\n"));
    expect(classes).toEqual(["9", "10"]);
    expect(cases.map((item) => item.class)).toEqual([1, 0, undefined]);
  });

  it("takes any column for the label and the patient", async () => {
    const path = list("image,stage,who\na.nii,II,x\nb.nii,I,y\n");
    const { classes, cases } = await openClassification(path, { labelColumn: "stage", groupColumn: "who" });
    expect(classes).toEqual(["I", "II"]);
    expect(cases.map(({ group }) => group)).toEqual(["x", "y"]);
    await expect(openClassification(path, { labelColumn: "grade" })).rejects.toThrow(
      new ConfigError(`--label grade: ${path} has no such column; it has image, stage, who`),
    );
  });

  it("beside folders of images and masks needs neither column", async () => {
    const folder = join(root, "beside");
    for (const name of ["images", "masks"]) mkdirSync(join(folder, name), { recursive: true });
    for (const name of ["images/n1.nii.gz", "masks/n1.nii.gz", "images/n2.nrrd"]) writeFileSync(join(folder, name), "");
    writeFileSync(join(folder, "labels.csv"), "case,malignancy\nn1,5\nn2,3\n");
    const { name, classes, ratings, cases } = await openClassification(folder);
    expect([name, classes]).toEqual(["beside", ["benign", "malignant"]]);
    expect(ratings).toEqual({ scale: [3, 4, 5], rule: { negative: [1, 2, 3], positive: [4, 5] } });
    expect(cases).toEqual([
      {
        id: "n1",
        image: join(folder, "images/n1.nii.gz"),
        label: join(folder, "masks/n1.nii.gz"),
        rating: 5,
        class: 1,
      },
      { id: "n2", image: join(folder, "images/n2.nrrd"), rating: 3, class: 0 },
    ]);
    writeFileSync(join(folder, "labels.csv"), "case,malignancy\nn3,5\n");
    await expect(openClassification(folder)).rejects.toThrow(/line 2: image: no volume images\/n3 beside the list$/);
    // A name with its ending is the same case.
    writeFileSync(join(folder, "labels.csv"), "case , malignancy\n n1.nii.gz ,5\nn2.nrrd,3\n");
    const named = await openClassification(folder);
    expect(named.cases.map(({ image, label }) => [image, label])).toEqual([
      [join(folder, "images/n1.nii.gz"), join(folder, "masks/n1.nii.gz")],
      [join(folder, "images/n2.nrrd"), undefined],
    ]);
  });

  it("as JSON: rows, or a dataset.json with classes for labels", async () => {
    const rows = list('[{ "image": "a.nii", "rating": 1 }, { "image": "b.nii", "rating": 4 }]', "json");
    expect((await openClassification(rows)).cases.map((item) => item.class)).toEqual([0, 1]);
    const document = {
      name: "Stages",
      modality: { "0": "CT" },
      labels: { "0": "early", "1": "late" },
      training: [
        { image: "a.nii", label: 1 },
        { image: "b.nii", label: "0" },
      ],
      test: ["c.nii"],
    };
    const opened = await openClassification(list(JSON.stringify(document), "json"));
    expect([opened.name, opened.modality, opened.classes]).toEqual(["Stages", ["CT"], ["early", "late"]]);
    expect(opened.cases.map((item) => [item.class, item.split])).toEqual([
      [1, "train"],
      [0, "train"],
    ]);
    expect(opened.test.map(({ id, class: index }) => [id, index])).toEqual([["c", undefined]]);
  });

  it("gives numbers of further columns, where there are any", async () => {
    const path = list("image,label,mm,margin\na.nii,x,4.5,\nb.nii,y,,2\n");
    const { cases } = await openClassification(path, { auxiliary: ["mm", "margin"] });
    expect(cases.map(({ auxiliary }) => auxiliary)).toEqual([{ mm: 4.5 }, { margin: 2 }]);
    expect((await openClassification(path)).cases[0].auxiliary).toBe(undefined);
    await expect(openClassification(path, { auxiliary: ["edge"] })).rejects.toThrow(
      new ConfigError(`--auxiliary edge: ${path} has no such column; it has image, label, mm, margin`),
    );
    await expect(openClassification(path, { auxiliary: ["label"] })).rejects.toThrow(
      new DataError(`${path}: line 2: label: expected a number as an auxiliary target, found "x"`),
    );
  });

  it("by a rule leaves ratings out", async () => {
    const path = list("image,score\na.nii,1\nb.nii,3\nc.nii,5\n");
    const options = { labelColumn: "score", positive: [4, 5], negative: [1, 2] };
    const { cases } = await openClassification(path, options);
    expect(cases.map((item) => [item.rating, item.class])).toEqual([
      [1, 0],
      [3, undefined],
      [5, 1],
    ]);
  });

  it("for predicting is not asked for its labels", async () => {
    const { cases } = await openClassification(list("image,label\na.nii,whatever\n"), {
      unlabelled: true,
      classes: [],
    });
    expect(cases.map((item) => item.class)).toEqual([undefined]);
  });

  test.each([
    ["image,malignancy\na.nii,bad\n", /line 2: malignancy: expected a whole number as a rating, found "bad"$/],
    ["image,rating\na.nii,2.5\n", /found "2\.5"$/],
    ["image,label\n", /no cases in it$/],
    ["label\nx\n", /line 2: image: expected a path under image, or the name of a case$/],
    ["image,label\na.nii,x\na.nii,y\n", /two cases are called a; ids must be unique$/],
    ["image,label,split\na.nii,x,holdout\n", /line 2: split: expected train, validation or test, found "holdout"$/],
    ["image,label\na.nii,labelsTr/a.nii.gz\n", /"labelsTr\/a\.nii\.gz" is a file; classification needs a class or a/],
    ["image,rating\na.nii,\n", /no case has a rating$/],
  ])("%j is refused", async (text, message) => {
    const refused = openClassification(list(text));
    await expect(refused).rejects.toThrow(DataError);
    await expect(refused).rejects.toThrow(message);
  });

  test("a label that a run does not know, and a path that is no list", async () => {
    const path = list("image,label\na.nii,new\n");
    await expect(openClassification(path, { classes: ["old", "older"] })).rejects.toThrow(
      new DataError(`${path}: line 2: label: "new" is none of the classes old, older`),
    );
    await expect(openClassification(join(root, "none.csv"))).rejects.toThrow(ConfigError);
    await expect(openClassification(root)).rejects.toThrow(/no classification data set; expected labels\.csv/);
  });
});

describe("rules", () => {
  it("the other side is the rest of the scale", () => {
    expect(ratingScale([5, 2, 3])).toEqual([2, 3, 4, 5]);
    expect(ruleFor([1, 2, 3], { positive: [3] })).toEqual({ positive: [3], negative: [1, 2] });
    expect(ruleFor([1, 2, 3], { negative: [1] })).toEqual({ negative: [1], positive: [2, 3] });
  });

  it("that contradict themselves or name nothing are refused", () => {
    expect(() => ruleFor([1, 2], { positive: [2], negative: [1, 2] })).toThrow(/rating 2 is negative, too/);
    expect(() => ruleFor([1, 2], { positive: [9] })).toThrow(
      new ConfigError("positive: 9; must name at least one of the ratings 1, 2"),
    );
    expect(() => ruleFor([0, 9], {})).toThrow(/^positive: is missing; say which of the ratings 0, 9 are positive/);
  });

  it("weigh the ratings they know", () => {
    const scale = [1, 2, 3, 4, 5];
    const shares = [0.1, 0.1, 0.4, 0.3, 0.1];
    expect(positiveShare(shares, scale, { positive: [4, 5], negative: [1, 2, 3] })).toBeCloseTo(0.4, 12);
    expect(positiveShare(shares, scale, { positive: [4, 5], negative: [1, 2] })).toBeCloseTo(2 / 3, 12);
    expect(positiveShare([0, 0, 1, 0, 0], scale, { positive: [4, 5], negative: [1, 2] })).toBe(0.5);
  });
});

const nodules = new URL("../../../../shared/data/lidc-nodules", import.meta.url).pathname;
const present = existsSync(nodules);

describe.skipIf(!present)(`lidc-nodules${present ? "" : " (skipped: ../shared/data is not here)"}`, () => {
  test("101 cases with masks; 50 against 51 by the paper's rule, 50 against 20 without the undecided", async () => {
    const count = (cases: readonly { class?: number }[], k: number) => cases.filter((item) => item.class === k).length;
    const { cases, ratings } = await openClassification(nodules);
    expect([cases.length, count(cases, 1), count(cases, 0)]).toEqual([101, 50, 51]);
    expect(cases.every(({ label }) => label !== undefined)).toBe(true);
    expect(ratings!.scale).toEqual([1, 2, 3, 4, 5]);
    const strict = (await openClassification(nodules, { positive: [4, 5], negative: [1, 2] })).cases;
    expect([count(strict, 1), count(strict, 0)]).toEqual([50, 20]);
  });
});
