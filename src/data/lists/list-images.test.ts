import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DataError } from "../../errors.ts";
import { temporaryFolder } from "../test/made-up.ts";
import { listImages } from "./list-images.ts";

function folderOf(...names: string[]): string {
  const root = temporaryFolder();
  for (const name of names) {
    mkdirSync(join(root, name, ".."), { recursive: true });
    writeFileSync(join(root, name), "");
  }
  return root;
}
const ids = async (root: string, channels?: number) => (await listImages(root, { channels })).cases.map(({ id }) => id);

describe("images to predict", () => {
  it("of a folder: no hidden files, a header for its voxels, other images said", async () => {
    const root = folderOf("._scan.nii.gz", "scan.nii.gz", ".DS_Store", "a.hdr", "a.img", "b.png", "notes.txt");
    const { cases, problems } = await listImages(root);
    expect(cases).toEqual([
      { id: "a", image: join(root, "a.hdr") },
      { id: "scan", image: join(root, "scan.nii.gz") },
    ]);
    expect(problems).toMatchObject([{ case: "b.png", rule: "unsupported" }]);
  });

  it("of a folder with channels: one case for all channels of an image", async () => {
    const root = folderOf("c1_0000.nii.gz", "c1_0001.nii.gz", "c2_0000.nii.gz", "c2_0001.nii.gz");
    expect((await listImages(root)).cases).toEqual([
      { id: "c1", image: join(root, "c1_0000.nii.gz"), moreChannels: [join(root, "c1_0001.nii.gz")] },
      { id: "c2", image: join(root, "c2_0000.nii.gz"), moreChannels: [join(root, "c2_0001.nii.gz")] },
    ]);
    expect(await ids(root, 1)).toEqual(["c1_0000", "c1_0001", "c2_0000", "c2_0001"]);
  });

  it("numbers of cases are no channels", async () => {
    expect(await ids(folderOf("scan_0001.nii.gz", "scan_0002.nii.gz"))).toEqual(["scan_0001", "scan_0002"]);
    const fromZero = folderOf("scan_0000.nii.gz", "scan_0001.nii.gz");
    expect(await ids(fromZero)).toEqual(["scan"]);
    expect(await ids(fromZero, 1)).toEqual(["scan_0000", "scan_0001"]);
    expect(await ids(folderOf("a_0000.nii.gz", "b_0000.nii.gz"), 1)).toEqual(["a", "b"]);
    await expect(listImages(folderOf("a_0000.nii.gz", "b_0001.nii.gz"))).rejects.toThrow("b: channel 0 is missing");
  });

  it("names have one form, whichever the folder has", async () => {
    const name = "Müller";
    expect(await ids(folderOf(`${name.normalize("NFD")}.nii.gz`))).toEqual([name.normalize("NFC")]);
  });

  it("of a data set: its test cases, or all; of a file: itself", async () => {
    const root = folderOf("imagesTr/a.nii.gz", "labelsTr/a.nii.gz", "imagesTs/b.nii.gz");
    expect(await ids(root)).toEqual(["b"]);
    expect(await ids(folderOf("imagesTr/a.nii.gz"))).toEqual(["a"]);
    expect(await ids(join(root, "imagesTs/b.nii.gz"))).toEqual(["b"]);
  });

  it("that are not there are told", async () => {
    await expect(listImages("/nowhere/x.nii.gz")).rejects.toThrow(DataError);
    await expect(listImages(folderOf("a.dcm"))).rejects.toThrow("holds no image medvox reads");
  });
});
