/** Lists as Excel, Windows and other people's scripts write them. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DataError } from "../errors.ts";
import { parseCsv } from "./csv.ts";
import { isClassification, openClassification } from "./labels/classification.ts";
import { openDataset } from "./lists/dataset.ts";
import { temporaryFolder } from "./test/made-up.ts";
import { decodeText } from "./text.ts";

const text = "image,label\na.nii.gz,0\nb.nii.gz,1\n";
const utf16 = (s: string, bigEndian = false): Buffer => {
  const bytes = Buffer.from(s, "utf16le");
  return bigEndian ? bytes.swap16() : bytes;
};
function written(content: string | Buffer, name = "list.csv"): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, content);
  return path;
}

describe("a list", () => {
  it.each([
    ["UTF-8", Buffer.from(text)],
    ["UTF-8 with a mark", Buffer.from(`\uFEFF${text}`)],
    ["UTF-16LE", utf16(`\uFEFF${text}`)],
    ["UTF-16BE", utf16(`\uFEFF${text}`, true)],
    ["UTF-16LE without a mark", utf16(text)],
    ["UTF-16BE without a mark", utf16(text, true)],
    ["Excel's sep=;", Buffer.from(`sep=;\r\n${text.replaceAll(",", ";").replaceAll("\n", "\r\n")}`)],
    ["capitals", Buffer.from(text.replace("image,label", "Image,LABEL"))],
  ])("in %s is read, by classification and by segmentation", async (_, bytes) => {
    const path = written(bytes);
    const { classes, cases, problems } = await openClassification(path);
    expect(classes).toEqual(["0", "1"]);
    expect(cases.map(({ id, class: k }) => [id, k])).toEqual([
      ["a", 0],
      ["b", 1],
    ]);
    expect(problems).toEqual([]);
    expect(await isClassification(path)).toBe(true);
    const { cases: listed } = await openDataset(path, { lenient: true });
    expect(listed.map(({ id }) => id)).toEqual(["a", "b"]);
  });

  it("keeps its own line numbers behind sep=", () => {
    expect(parseCsv("sep=;\nimage;label\na;0\n", "l.csv").rows).toEqual([
      { line: 3, fields: { image: "a", label: "0" } },
    ]);
    expect(() => parseCsv("sep=;\nimage;label\na\n", "l.csv")).toThrow("l.csv: line 3: 1 fields, the header has 2");
  });

  it("in another encoding is refused by its line, with the way out", () => {
    const latin = Buffer.from("image,label\na,gut\nb,größer\n", "latin1");
    expect(() => decodeText(latin)).toThrow(DataError);
    expect(() => decodeText(latin)).toThrow("line 3 is not UTF-8, and no other encoding is declared; save it as UTF-8");
  });

  it("NA and its like are no class, and said; a class that is called so stays one", async () => {
    const path = written("image,label\na.nii.gz,0\nb.nii.gz,1\nc.nii.gz,NA\nd.nii.gz,\n");
    const { classes, cases, problems } = await openClassification(path);
    expect(classes).toEqual(["0", "1"]);
    expect(cases[2]).not.toHaveProperty("class");
    expect(problems).toMatchObject([
      { case: "c", rule: "missing-label", message: 'label is "NA", which is no label (line 4)' },
      { case: "d", rule: "missing-label", message: "has no label (line 5)" },
    ]);
    const rated = written("image,rating\na.nii.gz,1\nb.nii.gz,nan\nc.nii.gz,5\n");
    expect((await openClassification(rated)).problems).toMatchObject([{ case: "b" }]);
    expect((await openClassification(path, { classes: ["0", "1", "NA"] })).cases[2].class).toBe(2);
  });

  it("NA is no patient, no mask and no label map either", async () => {
    const path = written("image,label,mask,patient\na.nii.gz,x,NA,NA\nb.nii.gz,y,m.nii.gz,7\n");
    const { cases } = await openClassification(path);
    expect(cases.map(({ group, label }) => [group, label === undefined])).toEqual([
      [undefined, true],
      ["7", false],
    ]);
    const maps = written("image,label,group\na.nii.gz,l.nii.gz,n/a\nb.nii.gz,NA,1\n");
    const dataset = await openDataset(maps, { lenient: true });
    expect(dataset.cases.map(({ group, label }) => [group, label === undefined])).toEqual([
      [undefined, false],
      ["1", true],
    ]);
    expect(dataset.problems).toMatchObject([{ case: "b", rule: "missing-label" }]);
  });

  it("finds files whose names have another Unicode form", async () => {
    const root = temporaryFolder();
    const nfc = "뇌0".normalize("NFC");
    const nfd = nfc.normalize("NFD");
    mkdirSync(join(root, "bilder-ä".normalize("NFD")));
    writeFileSync(join(root, "bilder-ä".normalize("NFD"), `${nfd}.nii.gz`), "");
    writeFileSync(join(root, "list.csv"), `image,label\n${"bilder-ä".normalize("NFC")}/${nfc}.nii.gz,x\n`);
    const [item] = (await openClassification(join(root, "list.csv"))).cases;
    expect(item.id).toBe(nfc);
    expect(item.image).toBe(join(root, "bilder-ä".normalize("NFD"), `${nfd}.nii.gz`));
    const { cases } = await openDataset(join(root, "list.csv"), { lenient: true });
    expect(cases[0].image).toBe(item.image);
  });
});

describe("folders", () => {
  it("pair images and labels whose names have other Unicode forms", async () => {
    const root = temporaryFolder();
    for (const folder of ["imagesTr", "labelsTr"]) mkdirSync(join(root, folder));
    const nfc = "뇌0".normalize("NFC");
    writeFileSync(join(root, "imagesTr", `${nfc.normalize("NFD")}.nii.gz`), "");
    writeFileSync(join(root, "labelsTr", `${nfc}.nii.gz`), "");
    const { cases } = await openDataset(root, { lenient: true });
    expect(cases).toEqual([
      {
        id: nfc,
        image: join(root, "imagesTr", `${nfc.normalize("NFD")}.nii.gz`),
        label: join(root, "labelsTr", `${nfc}.nii.gz`),
      },
    ]);
  });
});
