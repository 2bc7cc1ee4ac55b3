import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { zipSync } from "fflate";
import { describe, expect, it } from "vitest";
import { DataError } from "../../errors.ts";
import { fileOf, readVolume, readVolumeHeader } from "../../files/index.ts";
import { listImages } from "../lists/list-images.ts";
import { fingerprintOf } from "../plan/fingerprint.ts";
import { verifyClassification } from "../plan/verify.ts";
import { readCaseSize, readImage } from "../prepare/read-case.ts";
import { temporaryFolder } from "../test/made-up.ts";
import { isClassification, openClassification } from "./classification.ts";

/** An array as NumPy writes it. */
function npy(descr: string, shape: readonly number[], values: Uint8Array, fortran = false): Uint8Array {
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const head = `{'descr': '${descr}', 'fortran_order': ${fortran ? "True" : "False"}, 'shape': (${sizes}), }`;
  const text = `${head.padEnd(117)}\n`;
  return Uint8Array.of(
    0x93,
    ...new TextEncoder().encode("NUMPY"),
    1,
    0,
    118,
    0,
    ...new TextEncoder().encode(text),
    ...values,
  );
}
const counting = (count: number, from = 0) => Uint8Array.from({ length: count }, (_, i) => (from + i) % 251);

function archive(arrays: Record<string, Uint8Array>, name = "set.npz", level: 0 | 6 = 6): string {
  const path = join(temporaryFolder(), name);
  const files = Object.fromEntries(Object.entries(arrays).map(([key, bytes]) => [`${key}.npy`, bytes]));
  writeFileSync(path, zipSync(files, { level }));
  return path;
}
/** Three cases to train on, two to watch, one to test, of 4 × 5 × 6 voxels. */
const whole = (level: 0 | 6 = 6) =>
  archive(
    {
      train_images: npy("|u1", [3, 4, 5, 6], counting(360)),
      train_labels: npy("|u1", [3, 1], Uint8Array.of(1, 0, 1)),
      val_images: npy("|u1", [2, 4, 5, 6], counting(240, 7)),
      val_labels: npy("|u1", [2, 1], Uint8Array.of(0, 1)),
      test_images: npy("|u1", [1, 4, 5, 6], counting(120, 9)),
      test_labels: npy("|u1", [1, 1], Uint8Array.of(0)),
    },
    "set.npz",
    level,
  );

describe("a MedMNIST file", () => {
  it("is a classification set whose parts are kept", async () => {
    const path = whole();
    expect(await isClassification(path)).toBe(true);
    const { name, classes, cases, test, problems } = await openClassification(path);
    expect({ name, classes, problems }).toEqual({ name: "set", classes: ["0", "1"], problems: [] });
    expect(cases.map(({ id, split, class: k }) => [id, split, k])).toEqual([
      ["train_0", "train", 1],
      ["train_1", "train", 0],
      ["train_2", "train", 1],
      ["val_0", "validation", 0],
      ["val_1", "validation", 1],
    ]);
    expect(test.map(({ id, class: k }) => [id, k])).toEqual([["test_0", 0]]);
    expect(cases[1].image).toBe(`${path}#train_images/1`);
  });

  it.each([0, 6] as const)("has slices as volumes, x fastest (compression %d)", async (level) => {
    const path = whole(level);
    const image = await readVolume(`${path}#train_images/1`);
    expect(image).toMatchObject({ size: [6, 5, 4], channels: 1, header: { format: "npz", voxelType: "uint8" } });
    expect([...image.data]).toEqual([...counting(360).subarray(120, 240)]);
    expect(image.data.buffer.byteLength).toBe(120);
    expect(await readVolumeHeader(`${path}#train_images/1`)).toEqual(image.header);
    expect(fileOf(`${path}#train_images/1`)).toBe(path);
    await expect(readVolume(`${path}#train_images/3`)).rejects.toThrow(
      "train_images has 3 volumes, there is no 3 (from 0)",
    );
    await expect(readVolume(`${path}#other/0`)).rejects.toThrow("has no array other; it has train_images.npy");
  });

  it("goes through fingerprint, sizes, verification and listing like files do", async () => {
    const path = whole();
    const dataset = await openClassification(path);
    const fingerprint = await fingerprintOf(dataset);
    expect(fingerprint.cases.map(({ size }) => size)).toEqual(new Array(5).fill([6, 5, 4]));
    expect(await readCaseSize(dataset.cases[0])).toMatchObject({ size: [6, 5, 4], channels: 1, bytesPerVoxel: 1 });
    expect((await readImage(dataset.cases[0])).name).toBe("train_0");
    const { summary, findings } = await verifyClassification(dataset);
    expect(findings).toEqual([]);
    expect(summary).toMatchObject({ cases: 6, errors: 0, medianSize: [6, 5, 4] });
    expect((await listImages(path)).cases.map(({ id }) => id)).toEqual(["test_0"]);
  });

  it("may lack parts, and have numbers of other kinds", async () => {
    const images = new Uint8Array(Float32Array.from({ length: 2 * 125 }, (_, i) => i / 2).buffer);
    const labels = new Uint8Array(BigInt64Array.of(2n, 0n).buffer);
    const path = archive({ train_images: npy("<f4", [2, 5, 5, 5], images), train_labels: npy("<i8", [2], labels) });
    const { classes, cases, test } = await openClassification(path);
    expect(classes).toEqual(["0", "2"]);
    expect(test).toEqual([]);
    expect((await readImage(cases[1])).data[0]).toBe(62.5);
    const bigEndian = archive({
      train_images: npy(
        ">u2",
        [1, 5, 5, 5],
        Uint8Array.from({ length: 250 }, (_, i) => i % 2),
      ),
    });
    expect((await readVolume(`${bigEndian}#train_images/0`)).data[0]).toBe(1);
  });

  it.each([
    ["pictures", { train_images: npy("|u1", [2, 5, 5], counting(50)) }, "2D sets are not supported"],
    ["colour", { train_images: npy("|u1", [2, 5, 5, 3], counting(150)) }, "2D sets are not supported"],
    ["other arrays", { x: npy("|u1", [2], counting(2)) }, "expected arrays train_images and train_labels"],
    [
      "labels of another number",
      { train_images: npy("|u1", [1, 5, 5, 5], counting(125)), train_labels: npy("|u1", [2, 1], counting(2)) },
      "train_labels: has 2 rows, train_images has 1",
    ],
    [
      "several labels a case",
      { train_images: npy("|u1", [1, 5, 5, 5], counting(125)), train_labels: npy("|u1", [1, 3], counting(3)) },
      "has 3 labels a case",
    ],
    ["Fortran's order", { train_images: npy("|u1", [1, 5, 5, 5], counting(125), true) }, "lies in Fortran's order"],
  ])("with %s is refused by name", async (_, arrays, message) => {
    const path = archive(arrays as unknown as Record<string, Uint8Array>);
    await expect(openClassification(path)).rejects.toThrow(DataError);
    await expect(openClassification(path)).rejects.toThrow(message);
  });

  it("that is damaged, cut off or something else is told", async () => {
    const path = whole(0);
    const bytes = readFileSync(path);
    const at = bytes.indexOf("train_images") + 300;
    bytes[at] ^= 1;
    writeFileSync(path, bytes);
    await expect(readVolume(`${path}#train_images/0`)).rejects.toThrow(
      "train_images.npy: damaged, its checksum is wrong",
    );
    writeFileSync(path, bytes.subarray(0, bytes.length - 30));
    await expect(openClassification(path)).rejects.toThrow("is no zip archive, or is cut off");
    writeFileSync(path, "<html>");
    await expect(openClassification(path)).rejects.toThrow("is no zip archive");
    await expect(readVolume("/nowhere/x.npz#a/0")).rejects.toThrow("/nowhere/x.npz: cannot read: no such file");
  });
});

const adrenal = "../shared/data/adrenalmnist3d/adrenalmnist3d.npz";
describe.skipIf(!existsSync(adrenal))("AdrenalMNIST3D", () => {
  it("has 1,188 cases to train on and 98 to watch, 22 % of class 1", async () => {
    const { cases, classes } = await openClassification(adrenal);
    expect(classes).toEqual(["0", "1"]);
    const train = cases.filter(({ split }) => split === "train");
    expect([train.length, cases.length - train.length]).toEqual([1188, 98]);
    expect(train.filter((item) => item.class === 1).length / train.length).toBeCloseTo(0.22, 2);
    expect((await readImage(cases[1187])).size).toEqual([28, 28, 28]);
  });
});
