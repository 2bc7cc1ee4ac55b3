import { describe, expect, it } from "vitest";
import { DataError } from "../errors.ts";
import { identityAffine } from "./affine.ts";
import { cropOrPad } from "./crop.ts";
import { decodeNrrd } from "./formats/nrrd.ts";
import { argmaxOnGrid, restoreToGrid } from "./resample/resample.ts";
import type { Volume, VoxelArray } from "./types.ts";
import {
  asFloat32,
  checkedVoxelCount,
  checkVolume,
  convertVoxels,
  decodeText,
  decodeVoxels,
  encodeVoxels,
  moveChannelsLast,
  scaleVoxels,
  voxelTypeOf,
  voxelTypes,
} from "./voxels.ts";

const text = (s: string) => new TextEncoder().encode(s);

describe("bytes and voxels", () => {
  it("in both byte orders, from any offset", () => {
    const bytes = Uint8Array.of(99, 1, 2, 3, 4);
    expect([...decodeVoxels(bytes.subarray(1), "uint16", 2, true, "t")]).toEqual([0x0201, 0x0403]);
    expect([...decodeVoxels(bytes.subarray(1), "uint16", 2, false, "t")]).toEqual([0x0102, 0x0304]);
    expect([...decodeVoxels(bytes.subarray(1), "int32", 1, false, "t")]).toEqual([0x01020304]);
    expect([...encodeVoxels(Int16Array.of(1), false)]).toEqual([0, 1]);
    expect([...encodeVoxels(Int16Array.of(1), true)]).toEqual([1, 0]);
    expect(() => decodeVoxels(bytes, "float64", 1, true, "t")).toThrow(
      "t: holds 5 bytes of voxels, its header asks for 8",
    );
  });
  it("every type is told by its array", () => {
    for (const type of voxelTypes) expect(voxelTypeOf(decodeVoxels(new Uint8Array(8), type, 1, true, "t"))).toBe(type);
    expect(() => voxelTypeOf(new Uint8ClampedArray(1) as unknown as VoxelArray)).toThrow(DataError);
  });
  it("sizes are checked before anything is allocated", () => {
    expect(checkedVoxelCount([2, 3, 4], "int16", 48, "t")).toBe(24);
    expect(() => checkedVoxelCount([2, 3, 4], "int16", 47, "t")).toThrow(/limit of 47 bytes/);
    for (const bad of [0, -1, 1.5, Number.NaN, 2 ** 60]) {
      expect(() => checkedVoxelCount([2, bad], "uint8", 2 ** 32, "t")).toThrow(DataError);
    }
    // 2³² × 2³² overflows doubles' whole numbers on the way.
    expect(() => checkedVoxelCount([2 ** 32, 2 ** 32, 2 ** 32], "uint8", 2 ** 53, "t")).toThrow(/limit/);
  });
  it("text", () => {
    expect([...decodeText(text("1 -2\n3.5\t nan"), "float32", 4, "t")]).toEqual([1, -2, 3.5, Number.NaN]);
    expect([...decodeText(text("9007199254740993 -1"), "int64", 2, "t")]).toEqual([9007199254740993n, -1n]);
    expect(() => decodeText(text("1 x"), "uint8", 2, "t")).toThrow('t: voxel 1 is "x"');
    expect(() => decodeText(text("1 2"), "uint8", 3, "t")).toThrow(/cannot hold 3 voxels/);
    expect(() => decodeText(text("1 300"), "uint8", 2, "t")).toThrow(/300 does not fit uint8/);
    expect(() => decodeText(text("99999999999999999999"), "int64", 1, "t")).toThrow(/does not fit int64/);
    expect(() => decodeText(text("1.5"), "uint64", 1, "t")).toThrow(DataError);
  });
});

describe("values", () => {
  it("scaled as nibabel scales them, in 32 bits only where that is exact", () => {
    expect(scaleVoxels(Int16Array.of(-1000, 5), 1, -24)).toEqual(Float32Array.of(-1024, -19));
    expect(scaleVoxels(Uint8Array.of(3), 0.1, 0)).toEqual(Float64Array.of(3 * 0.1));
    expect(scaleVoxels(Int32Array.of(3), 2, 0)).toBeInstanceOf(Float64Array);
    expect(scaleVoxels(Int16Array.of(3), 1000, 0)).toBeInstanceOf(Float64Array);
    expect(scaleVoxels(Float32Array.of(0.1), 2, 0)).toEqual(Float64Array.of(2 * Math.fround(0.1)));
  });
  it("converted only where they fit", () => {
    expect(convertVoxels(Float32Array.of(1.6, -3), "int8")).toEqual(Int8Array.of(2, -3));
    expect(convertVoxels(BigInt64Array.of(-1n), "float32")).toEqual(Float32Array.of(-1));
    expect(convertVoxels(Uint8Array.of(7), "int64")).toEqual(BigInt64Array.of(7n));
    const same = Uint8Array.of(1);
    expect(convertVoxels(same, "uint8")).toBe(same);
    expect(() => convertVoxels(Int16Array.of(256), "uint8", "mask")).toThrow("mask: value 256 does not fit uint8");
    expect(() => convertVoxels(Float32Array.of(Number.NaN), "uint8")).toThrow(DataError);
    expect(() => convertVoxels(BigInt64Array.of(-1n), "uint64")).toThrow(DataError);
  });
  it("interleaved channels come apart", () => {
    expect([...moveChannelsLast(Uint8Array.of(1, 11, 2, 12, 3, 13), 1, 2, 3)]).toEqual([1, 2, 3, 11, 12, 13]);
    // Axes 2 × 2 channels × 2: the channel axis stands in the middle.
    expect([...moveChannelsLast(Uint8Array.of(1, 2, 11, 12, 3, 4, 13, 14), 2, 2, 2)]).toEqual([
      1, 2, 3, 4, 11, 12, 13, 14,
    ]);
  });
  it("asFloat32 copies only what is not", () => {
    const base = { size: [2, 1, 1], channels: 1, affine: identityAffine } as const;
    const float: Volume = { ...base, data: Float32Array.of(1, 2) };
    expect(asFloat32(float)).toBe(float);
    expect(asFloat32({ ...base, data: BigUint64Array.of(1n, 2n) }).data).toEqual(Float32Array.of(1, 2));
    expect(() => checkVolume({ ...base, name: "c", data: new Uint8Array(3) })).toThrow(/^c: array holds 3 values/);
  });
});

describe("NRRD beyond what SimpleITK reads", () => {
  const head = "NRRD0004\ntype: uchar\nencoding: raw\n";
  it("a channel axis may stand anywhere", () => {
    const first = `${head}dimension: 4\nsizes: 2 3 1 1\nspace: RAS\nspace directions: none (1,0,0) (0,1,0) (0,0,1)\n\n`;
    const volume = decodeNrrd(Uint8Array.from([...text(first), 1, 11, 2, 12, 3, 13]));
    expect(volume).toMatchObject({ size: [3, 1, 1], channels: 2 });
    expect([...volume.data]).toEqual([1, 2, 3, 11, 12, 13]);
    const kinds = `${head}dimension: 4\nsizes: 1 2 3 1\nkinds: domain vector domain domain\n\n`;
    expect(decodeNrrd(Uint8Array.from([...text(kinds), 1, 2, 3, 4, 5, 6]))).toMatchObject({
      size: [1, 3, 1],
      channels: 2,
    });
    const spacings = `${head}dimension: 4\nsizes: 1 1 3 2\nspacings: 1 2 3 nan\n\n`;
    const last = decodeNrrd(Uint8Array.from([...text(spacings), 1, 2, 3, 4, 5, 6]));
    expect(last).toMatchObject({ size: [1, 1, 3], channels: 2 });
    expect(last.affine).toEqual([-1, 0, 0, 0, 0, -2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1]);
  });
  it("a plane in space gets a third axis at right angles", () => {
    const plane = `${head}dimension: 2\nsizes: 2 1\nspace: RAS\nspace directions: (0,2,0) (0,0,3)\nspace origin: (1,2,3)\n\n`;
    const volume = decodeNrrd(Uint8Array.from([...text(plane), 1, 2]));
    expect(volume.size).toEqual([2, 1, 1]);
    expect(volume.affine).toEqual([0, 0, 1, 1, 2, 0, 0, 2, 0, 3, 0, 3, 0, 0, 0, 1]);
  });
  it("lines may end in CR LF", () => {
    const crlf = `${head}dimension: 1\nsizes: 2\n\n`.replaceAll("\n", "\r\n");
    expect([...decodeNrrd(Uint8Array.from([...text(crlf), 8, 9])).data]).toEqual([8, 9]);
  });
});

describe("nothing is narrowed without a look", () => {
  it("whole numbers that floats do not hold are refused, those that they hold are the same", () => {
    expect(convertVoxels(Int32Array.of(2 ** 24, -5), "float32")).toEqual(Float32Array.of(2 ** 24, -5));
    expect(() => convertVoxels(Int32Array.of(2 ** 24 + 1), "float32", "mask")).toThrow(
      "mask: value 16777217 does not fit float32",
    );
    expect(() => convertVoxels(BigInt64Array.of(2n ** 53n + 1n), "float64")).toThrow(DataError);
    expect(convertVoxels(BigInt64Array.of(2n ** 53n), "float64")).toEqual(Float64Array.of(2 ** 53));
  });

  it("an image for a network is rounded", () => {
    const affine = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
    const volume = { data: BigInt64Array.of(2n ** 53n + 1n), size: [1, 1, 1] as const, channels: 1, affine };
    expect(asFloat32(volume).data).toEqual(Float32Array.of(2 ** 53));
  });

  it("what fills the space outside fits, too", () => {
    const affine = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
    const volume = { data: Uint8Array.of(7), size: [1, 1, 1] as const, channels: 1, affine, name: "mask" };
    const wider = { size: [2, 1, 1] as const, affine };
    expect(() => cropOrPad(volume, { start: [0, 0, 0], end: [2, 1, 1] }, 300)).toThrow(/mask: value 300 .* uint8/);
    expect(() => restoreToGrid(volume, wider, { background: 300 })).toThrow(/300 outside .* uint8/);
    expect(() => restoreToGrid(volume, wider, { mode: "nearest", background: -1 })).toThrow(DataError);
    expect([...restoreToGrid(volume, wider, { background: 255 }).data]).toEqual([7, 255]);
    const scores = { ...volume, data: new Float32Array(1) };
    expect(() => argmaxOnGrid(scores, wider, { background: 256 })).toThrow(DataError);
  });
});
