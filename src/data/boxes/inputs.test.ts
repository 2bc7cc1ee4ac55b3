/** Boxes in volumes as other programs write them, and what a detector is given to look at. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { encode } from "fast-png";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeVolume } from "../../files/index.ts";
import { affineFromSpacing } from "../../volume/affine.ts";
import type { Vec3 } from "../../volume/types.ts";
import { listPictures } from "../pictures.ts";
import { refuseProblems } from "../problem.ts";
import { openDetection } from "./detection.ts";
import { detectionInputs } from "./inputs.ts";
import type { DetectionDataset, DetectionItem } from "./types.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "medvox-volumes-"));
});
afterAll(() => rm(root, { recursive: true }));

async function put(path: string, content: string | Uint8Array): Promise<string> {
  const file = join(root, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
  return file;
}

const png = (): Uint8Array => encode({ width: 8, height: 8, data: new Uint8Array(192).fill(9), channels: 3, depth: 8 });
const xml = (name: string): string =>
  `<annotation><filename>${name}</filename><object><name>cat</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></object></annotation>`;

const boxesOf = ({ boxes }: DetectionItem): number[][] =>
  Array.from({ length: boxes.length / 6 }, (_, i) => [...boxes.subarray(6 * i, 6 * (i + 1))]);
const rulesOf = ({ problems }: DetectionDataset): string[] => problems.map((one) => `${one.case} ${one.rule}`);

describe("volumes", () => {
  const affine = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  const size: Vec3 = [20, 20, 20];
  const scan = (path: string, fill: (i: number) => number = (i) => i % 97): Promise<void> =>
    mkdir(dirname(join(root, path)), { recursive: true }).then(() =>
      writeVolume(join(root, path), {
        size,
        affine,
        channels: 1,
        data: Int16Array.from({ length: 8000 }, (_, i) => fill(i)),
      }),
    );
  /** Objects 1, 2, 3 of 3×3×3 voxels along the diagonal. */
  const objects = (i: number): number => {
    const at = [i % 20, Math.floor(i / 20) % 20, Math.floor(i / 400)];
    const object = [2, 8, 14].findIndex((from) => at.every((v) => v >= from && v < from + 3));
    return object + 1;
  };

  it("nnDetection's folders: instances have the classes of the lists beside them", async () => {
    for (const base of ["nnd/flat", "nnd/Task1/raw_splitted", "nnd/bare"]) {
      for (const id of ["c0", "c1"]) {
        await scan(`${base}/imagesTr/${id}_0000.nii.gz`);
        await scan(`${base}/labelsTr/${id}.nii.gz`, objects);
        await put(`${base}/labelsTr/${id}.json`, JSON.stringify({ instances: { 1: 0, 2: 0, 3: 1 } }));
      }
    }
    const description = JSON.stringify({
      task: "Task1",
      dim: 3,
      labels: { 0: "square", 1: "hole" },
      modalities: { 0: "CT" },
    });
    await put("nnd/flat/dataset.json", description);
    await put("nnd/Task1/dataset.json", description);
    for (const [path, names] of [
      ["nnd/flat", ["square", "hole"]],
      ["nnd/Task1", ["square", "hole"]],
      ["nnd/flat/dataset.json", ["square", "hole"]],
      ["nnd/bare", ["0", "1"]],
    ] as const) {
      const set = await openDetection(join(root, path));
      expect(set.classes.map(({ name }) => name)).toEqual(names);
      expect(set.items.map(({ id, labels }) => [id, [...labels]])).toEqual([
        ["c0", [0, 0, 1]],
        ["c1", [0, 0, 1]],
      ]);
      expect(boxesOf(set.items[0])[2]).toEqual([14, 14, 14, 17, 17, 17]);
      expect(set.problems).toEqual([]);
    }
    // Without its list, a label map's values are no classes.
    await rm(join(root, "nnd/flat/labelsTr/c1.json"));
    await put("nnd/flat/labelsTr/c0.json", JSON.stringify({ instances: { 1: 0, 2: 0 } }));
    const set = await openDetection(join(root, "nnd/flat"));
    expect(rulesOf(set)).toEqual(["c0 unknown-class", "c1 missing-annotation"]);
    expect(set.items.map(({ id, labels }) => [id, labels.length])).toEqual([["c0", 2]]);
    await put("nnd/bare/labelsTr/c1.json", JSON.stringify({ instances: { 1: 0, 2: "0", 3: 1, 4: 1 } }));
    expect((await openDetection(join(root, "nnd/bare"))).problems.map(({ message }) => message)).toEqual([
      "c1.json: lists 4 instances, 3 of them are in the label map",
    ]);
  });

  it("scans of one name in two folders are two scans", async () => {
    await scan("ct/p1/t1.nii.gz");
    await scan("ct/p2/t1.nii.gz");
    const rows = ["p1/t1.nii.gz,1,1,1,5,5,5", "p2/t1.nii.gz,2,2,2,6,6,6"];
    const set = await openDetection(await put("ct/boxes.csv", `image,x1,y1,z1,x2,y2,z2\n${rows.join("\n")}\n`));
    expect(set.items.map((item) => [item.id, boxesOf(item)[0][0]])).toEqual([
      ["p1_t1", 1.5],
      ["p2_t1", 2.5],
    ]);
  });

  it("a finding at the scan's edge keeps its centre and diameter, whatever its box loses", async () => {
    await scan("edge/images/s.nii.gz");
    const set = await openDetection(
      await put("edge/annotations.csv", "seriesuid,coordX,coordY,coordZ,diameter_mm\ns,-1,-10,10,6\n"),
    );
    // RAS 1, 10, 10 is voxel 1.5, 10.5, 10.5 between corners.
    expect(boxesOf(set.items[0])).toEqual([[0, 7.5, 7.5, 4.5, 13.5, 13.5]]);
    expect(set.items[0].findings).toEqual([{ centreMm: [1, 10, 10], diameterMm: 6 }]);
  });

  it("a missing scan, and a label map on another grid", async () => {
    await scan("seg/imagesTr/a.nii.gz");
    await scan("seg/labelsTr/a.nii.gz", (i) => (objects(i) > 0 ? 1 : 0));
    await scan("seg/labelsTr/b.nii.gz", (i) => (objects(i) > 0 ? 1 : 0));
    await writeVolume(
      join(root, "seg/imagesTr/a.nii.gz"),
      { size: [10, 20, 20], affine, channels: 1, data: new Int16Array(4000) },
      { force: true },
    );
    const set = await openDetection(join(root, "seg"));
    expect(rulesOf(set).sort()).toEqual(["a size-mismatch", "b missing-file"]);
    expect(() => refuseProblems(set.problems, "seg")).toThrow(/label map has 20×20×20 voxels, the image 10×20×20/);
  });
});

describe("what a detector is given to look at", () => {
  it("pictures of a folder by one rule: hidden files are none, other kinds are named", async () => {
    for (const name of ["a.png", "z.JPG", "._a.png", ".hidden.png", "n.txt", "w.webp", "deep/b.png", ".git/c.png"]) {
      await put(`look/${name}`, png());
    }
    await put("look/w.webp", "RIFF1234WEBP");
    const names = async (deep: boolean): Promise<string[]> =>
      (await listPictures(join(root, "look"), deep)).pictures.map((path) =>
        path.slice(root.length + 6).replaceAll("\\", "/"),
      );
    expect(await names(false)).toEqual(["a.png", "z.JPG"]);
    expect(await names(true)).toEqual(["a.png", "deep/b.png", "z.JPG"]);
    const { items, problems } = await detectionInputs(join(root, "look"));
    expect(items.map(({ id }) => id)).toEqual(["a", "z"]);
    expect(problems.map(({ rule, message }) => `${rule} ${message}`)).toEqual([
      "unsupported w.webp is WebP; JPEG and PNG are read; left out",
    ]);
    await put("empty/w.webp", "x");
    await expect(detectionInputs(join(root, "empty"))).rejects.toThrow(/holds no image medvox reads: w\.webp is WebP/);
    await expect(detectionInputs(join(root, "nowhere"))).rejects.toThrow(/does not exist/);
  });

  it("the images of a data set of volumes with label maps", async () => {
    const size: Vec3 = [2, 2, 2];
    const volume = { data: new Uint8Array(8), size, channels: 1, affine: affineFromSpacing([1, 1, 1]) };
    for (const name of ["images/a.nii.gz", "labels/a.nii.gz"]) {
      await mkdir(dirname(join(root, "maps", name)), { recursive: true });
      await writeVolume(join(root, "maps", name), volume);
    }
    const { items, problems } = await detectionInputs(join(root, "maps"));
    expect([items, problems]).toEqual([[{ id: "a", image: join(root, "maps/images/a.nii.gz") }], []]);
  });

  it("all pictures of a folder, whichever have annotations beside; a data set's problems with images only", async () => {
    await put("beside/a.xml", xml("a.png"));
    for (const name of ["a", "b"]) await put(`beside/${name}.png`, png());
    expect((await detectionInputs(join(root, "beside"))).items.map(({ id }) => id)).toEqual(["a", "b"]);
    for (const name of ["a", "b"]) await put(`predicted/Annotations/${name}.xml`, xml(`${name}.png`));
    await put("predicted/JPEGImages/a.png", png());
    const { items, problems } = await detectionInputs(join(root, "predicted"));
    expect([items.map(({ id }) => id), problems.map(({ rule }) => rule)]).toEqual([["a"], ["missing-file"]]);
  });
});
