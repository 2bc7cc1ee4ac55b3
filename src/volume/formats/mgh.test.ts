/** FreeSurfer's files: bytes made by hand, and nibabel's reading of its own and of others (oracle/nibabel_mgh.py). */
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DataError, GeometryError } from "../../errors.ts";
import { caseName, readVolume, readVolumeHeader } from "../../files/index.ts";
import { orientationCode } from "../affine.ts";
import type { VoxelType } from "../voxels.ts";
import { decodeVoxels } from "../voxels.ts";
import { gzip } from "./gzip.ts";
import { decodeMgh, isMgh } from "./mgh.ts";

interface Case {
  name: string;
  ending: string;
  file: string;
  shape: number[];
  dtype: VoxelType;
  data: string;
  affine: number[];
}

const golden = JSON.parse(
  readFileSync(new URL("../../../test/fixtures/volume/golden/mgh.json", import.meta.url), "utf8"),
) as Case[];
const bytesOf = (base64: string) => new Uint8Array(Buffer.from(base64, "base64"));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "medvox-mgh-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("as nibabel reads them", () => {
  it.each(golden.map((test) => [test.name, test] as const))("%s", async (_, test) => {
    const path = join(folder, `${test.name.replace(/\W/g, "-")}${test.ending}`);
    await writeFile(path, bytesOf(test.file));
    const raw = bytesOf(test.data);
    const wanted = decodeVoxels(
      raw,
      test.dtype,
      test.shape.reduce((a, b) => a * b),
      true,
      test.name,
    );
    for (const volume of [decodeMgh(bytesOf(test.file)), await readVolume(path)]) {
      expect([...volume.size, volume.channels]).toEqual([...test.shape, 1].slice(0, 4));
      expect(volume.data).toEqual(wanted);
      // nibabel reckons in the 32-bit floats of the header.
      volume.affine.forEach((value, i) => {
        expect(Math.abs(value - test.affine[i])).toBeLessThanOrEqual(2e-6 * Math.max(1, Math.abs(test.affine[i])));
      });
    }
    expect((await readVolumeHeader(path)).format).toBe("mgh");
    expect(caseName(path)).toBe(test.name.replace(/\W/g, "-"));
  });
});

/** Two voxels of `type` side by side, 2 mm apart, the centre at (10, 20, 30). */
function made(type: number, voxels: readonly number[], change: (view: DataView) => void = () => {}): Uint8Array {
  const bytes = new Uint8Array(284 + voxels.length);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of [1, 2, 1, 1, 1, type].entries()) view.setInt32(4 * i, value);
  view.setInt16(28, 1);
  for (const [i, value] of [2, 3, 4, 1, 0, 0, 0, 1, 0, 0, 0, 1, 10, 20, 30].entries())
    view.setFloat32(30 + 4 * i, value);
  bytes.set(voxels, 284);
  change(view);
  return bytes;
}

describe("bytes made by hand", () => {
  it.each([
    [0, [7, 255], Uint8Array.of(7, 255)],
    [1, [0xff, 0xff, 0xff, 0xfe, 0x7f, 0xff, 0xff, 0xff], Int32Array.of(-2, 2 ** 31 - 1)],
    [3, [0x3f, 0xc0, 0, 0, 0xc0, 0x20, 0, 0], Float32Array.of(1.5, -2.5)],
    [4, [0xff, 0xfe, 0x01, 0x00], Int16Array.of(-2, 256)],
    [10, [0xff, 0xfe, 0x01, 0x00], Uint16Array.of(65534, 256)],
  ] as const)("type %i", (type, voxels, wanted) => {
    for (const bytes of [made(type, voxels), gzip(made(type, voxels))]) {
      const volume = decodeMgh(bytes);
      expect(volume.data).toEqual(wanted);
      // The centre lies between the voxels along x, and half a voxel from the only one along y and z.
      expect(volume.affine).toEqual([2, 0, 0, 8, 0, 3, 0, 18.5, 0, 0, 4, 28, 0, 0, 0, 1]);
    }
  });

  it("without a good position it lies as FreeSurfer's conformed volumes do", () => {
    const volume = decodeMgh(made(0, [1, 2], (view) => view.setInt16(28, 0)));
    expect(volume.affine).toEqual([-1, 0, 0, 1, 0, 0, 1, -0.5, 0, -1, 0, 0.5, 0, 0, 0, 1]);
    expect(orientationCode(volume.affine)).toBe("LIA");
  });

  it.each<[string, Uint8Array, RegExp]>([
    ["another version", made(0, [1, 2], (v) => v.setInt32(0, 2)), /its version is 2, must be 1/],
    ["RGB", made(9, [1, 2]), /MGH type 9 \(RGB\) is not read/],
    ["an unknown type", made(77, [1, 2]), /MGH type 77 is not read/],
    ["no size", made(0, [1, 2], (v) => v.setInt32(8, 0)), /positive whole numbers/],
    ["a huge size", made(1, [1, 2], (v) => v.setInt32(8, 2 ** 31 - 1)), /above the limit/],
    ["too few voxels", made(4, [1, 2]), /holds 2 bytes of voxels, its header asks for 4/],
    ["half a header", made(0, [1, 2]).subarray(0, 50), /truncated/],
    ["axes that are one", made(0, [1, 2], (v) => v.setFloat32(54, 1) ?? v.setFloat32(58, 0)), /singular/],
    ["no numbers", made(0, [1, 2], (v) => v.setFloat32(30, Number.NaN)), /not finite/],
  ])("%s is refused", (_, bytes, message) => {
    const decode = () => decodeMgh(bytes, { name: "brain.mgz" });
    expect(decode).toThrow(message);
    expect(decode).toThrow(/^brain\.mgz/);
    try {
      decode();
    } catch (error) {
      expect(error instanceof DataError || error instanceof GeometryError).toBe(true);
    }
  });

  it("is told from other files by its content", async () => {
    expect(isMgh(made(0, [1, 2]))).toBe(true);
    expect(isMgh(new Uint8Array(400))).toBe(false);
    await writeFile(join(folder, "brain"), gzip(made(0, [1, 2])));
    expect((await readVolume(join(folder, "brain"))).data).toEqual(Uint8Array.of(1, 2));
  });
});
