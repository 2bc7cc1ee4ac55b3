/**
 * The readers against nibabel and SimpleITK on made-up files of every type, byte order and oddity
 * (oracle/nibabel_volumes.py).
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { DataError, GeometryError } from "../errors.ts";
import { decodeMetaImage } from "./formats/metaimage.ts";
import { decodeNifti } from "./formats/nifti.ts";
import { splitDims } from "./formats/nifti-header.ts";
import { decodeNrrd } from "./formats/nrrd.ts";
import type { VoxelArray } from "./types.ts";
import type { VoxelType } from "./voxels.ts";
import { decodeVoxels } from "./voxels.ts";

interface Case {
  name: string;
  files: Record<string, string>;
  error?: string;
  shape: number[];
  size: number[];
  components: number;
  dtype: VoxelType;
  data: string;
  affine: number[];
}

function golden(file: string): Case[] {
  return JSON.parse(readFileSync(new URL(`../../test/fixtures/volume/golden/${file}`, import.meta.url), "utf8"));
}

function bytesOf(base64: string): Uint8Array {
  return new Uint8Array(Buffer.from(base64, "base64"));
}

/** Every value equal, with NaN equal to NaN and −0 to 0 (0 × −2 is −0 in double precision). */
function expectSameValues(actual: VoxelArray, want: VoxelArray): void {
  expect(actual.length).toBe(want.length);
  for (let i = 0; i < want.length; i++) {
    const [a, b] = [actual[i], want[i]];
    if (a !== b && !(Number.isNaN(a) && Number.isNaN(b))) expect.fail(`voxel ${i} is ${a}, must be ${b}`);
  }
}

function wanted(test: Case): VoxelArray {
  const type = test.dtype;
  const raw = bytesOf(test.data);
  return decodeVoxels(raw, type, raw.length / (Number(type.replace(/\D/g, "")) / 8), true, test.name);
}

describe("NIfTI as nibabel reads it", () => {
  it.each(golden("nifti.json").map((test) => [test.name, test] as const))("%s", (_, test) => {
    const files = Object.values(test.files).map(bytesOf);
    const decode = () => decodeNifti(files[0], { image: files[1] });
    if (test.error !== undefined) {
      expect(decode).toThrow(/./);
      try {
        decode();
      } catch (error) {
        expect(error instanceof DataError || error instanceof GeometryError).toBe(true);
      }
      return;
    }
    const volume = decode();
    expect({ size: volume.size, channels: volume.channels }).toEqual(splitDims(test.shape));
    expectSameValues(volume.data, wanted(test));
    if (volume.header.nifti?.affineSource !== "qform") expect(volume.affine).toEqual(test.affine);
    else {
      // nibabel turns quaternions in 80-bit floats.
      volume.affine.forEach((value, i) => {
        expect(Math.abs(value - test.affine[i])).toBeLessThanOrEqual(1e-12 * Math.max(1, Math.abs(test.affine[i])));
      });
    }
  });
});

describe("NRRD and MetaImage as SimpleITK reads them", () => {
  it.each(golden("itk.json").map((test) => [`${Object.keys(test.files)[0]}: ${test.name}`, test] as const))(
    "%s",
    (_, test) => {
      const files = Object.values(test.files).map(bytesOf);
      const decode = Object.keys(test.files)[0].includes(".m") ? decodeMetaImage : decodeNrrd;
      const volume = decode(files[0], { data: files[1] });
      expect([...volume.size]).toEqual([...test.size, 1].slice(0, 3));
      expect(volume.channels).toBe(test.components);
      expectSameValues(volume.data, wanted(test));
      // SimpleITK splits the matrix into direction and spacing and back.
      volume.affine.forEach((value, i) => {
        expect(Math.abs(value - test.affine[i])).toBeLessThanOrEqual(1e-12 * Math.max(1, Math.abs(test.affine[i])));
      });
    },
  );
});
