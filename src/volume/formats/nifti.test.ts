import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DataError, GeometryError } from "../../errors.ts";
import { affineFromSpacing, identityAffine, orientationCode, spacingOf } from "../affine.ts";
import type { Affine, Volume, VoxelArray } from "../types.ts";
import { voxelTypeOf } from "../voxels.ts";
import { gzip } from "./gzip.ts";
import { decodeNifti, encodeNifti, encodeNiftiPair, isNifti } from "./nifti.ts";
import { decodeNrrd, encodeNrrdParts } from "./nrrd.ts";

const oblique: Affine = [0.8, 0.06, -0.5, 10, -0.1, 0.9, 0.25, -20, 0.2, 0.1, 2, 30.5, 0, 0, 0, 1];

function volume(data: VoxelArray, channels = 1, affine: Affine = identityAffine): Volume {
  return { data, size: [2, 3, data.length / 6 / channels], channels, affine, name: "case_1" };
}

const small = volume(Int16Array.of(1, -2, 3, -4, 5, 600));
const arrays: VoxelArray[] = [
  Int8Array.of(1, -128, 127, 0, 5, 6),
  Uint8Array.of(1, 255, 3, 0, 5, 6),
  Int16Array.of(1, -32768, 32767, 0, 5, 6),
  Uint16Array.of(1, 65535, 3, 0, 5, 6),
  Int32Array.of(1, -(2 ** 31), 2 ** 31 - 1, 0, 5, 6),
  Uint32Array.of(1, 2 ** 32 - 1, 3, 0, 5, 6),
  BigInt64Array.of(1n, -(2n ** 63n), 2n ** 63n - 1n, 0n, 5n, 6n),
  BigUint64Array.of(1n, 2n ** 64n - 1n, 3n, 0n, 5n, 6n),
  Float32Array.of(1.5, Number.NaN, -0, 1e38, Number.NEGATIVE_INFINITY, 6),
  Float64Array.of(1.5, Number.NaN, -0, 1e308, Number.NEGATIVE_INFINITY, 6),
];

/** A NIfTI-1 file of `small` with some header bytes changed. */
function changed(change: (view: DataView, bytes: Uint8Array) => void): Uint8Array {
  const bytes = encodeNifti(small);
  change(new DataView(bytes.buffer), bytes);
  return bytes;
}

describe("writing NIfTI", () => {
  it.each(arrays.map((data) => [voxelTypeOf(data), data] as const))("%s comes back the same", (_, data) => {
    for (const version of [1, 2] as const) {
      const back = decodeNifti(encodeNifti(volume(data), { version }));
      expect(back.data).toEqual(data);
      expect(back.size).toEqual([2, 3, 1]);
      const pair = encodeNiftiPair(volume(data), { version });
      expect(decodeNifti(pair.header, { image: pair.image }).data).toEqual(data);
    }
  });

  it("puts every field where the standard has it", () => {
    const bytes = encodeNifti(volume(small.data, 1, affineFromSpacing([1.5, 2, 3], [4, 5, 6])));
    const view = new DataView(bytes.buffer);
    const shorts = (at: number, count: number) =>
      Array.from({ length: count }, (_, i) => view.getInt16(at + 2 * i, true));
    const floats = (at: number, count: number) =>
      Array.from({ length: count }, (_, i) => view.getFloat32(at + 4 * i, true));
    expect(view.getInt32(0, true)).toBe(348);
    expect(shorts(40, 8)).toEqual([3, 2, 3, 1, 1, 1, 1, 1]);
    expect(shorts(70, 2)).toEqual([4, 16]);
    expect(floats(76, 4)).toEqual([1, 1.5, 2, 3]);
    expect(floats(108, 3)).toEqual([352, 1, 0]);
    expect(bytes[123]).toBe(2);
    expect(new TextDecoder().decode(bytes.subarray(148, 155))).toBe("medvox\0");
    expect(shorts(252, 2)).toEqual([2, 2]);
    expect(floats(280, 12)).toEqual([1.5, 0, 0, 4, 0, 2, 0, 5, 0, 0, 3, 6]);
    expect(new TextDecoder().decode(bytes.subarray(344, 348))).toBe("n+1\0");
  });

  it("keeps 64-bit affines in NIfTI-2 and rounds them to 32 bits in NIfTI-1", () => {
    const v = volume(small.data, 1, oblique);
    expect(decodeNifti(encodeNifti(v, { version: 2 })).affine).toEqual([...oblique]);
    expect(decodeNifti(encodeNifti(v)).affine).toEqual(oblique.map(Math.fround));
  });

  it("writes a qform beside the sform where the axes have no shear", () => {
    const cosine = Math.cos(0.4);
    const sine = Math.sin(0.4);
    for (const qfac of [1, -1]) {
      const affine: Affine = [2 * cosine, -sine, 0, 7, 2 * sine, cosine, 0, 8, 0, 0, 3 * qfac, 9, 0, 0, 0, 1];
      const bytes = encodeNifti(volume(small.data, 1, affine), { version: 2 });
      // Without the sform, the qform must say the same.
      new DataView(bytes.buffer).setInt32(348, 0, true);
      const back = decodeNifti(bytes);
      expect(back.header.nifti?.affineSource).toBe("qform");
      back.affine.forEach((value, i) => {
        expect(value).toBeCloseTo(affine[i], 12);
      });
    }
    const sheared = decodeNifti(encodeNifti(volume(small.data, 1, oblique)));
    expect(new DataView(sheared.header.nifti!.bytes.buffer).getInt16(252, true)).toBe(0);
  });

  it("qforms agree with sforms for every rotation", () => {
    const angle = fc.double({ min: -4, max: 4, noNaN: true });
    fc.assert(
      fc.property(angle, angle, angle, fc.constantFrom(1, -1), (a, b, c, flip) => {
        const [ca, sa, cb, sb, cc, sc] = [a, b, c].flatMap((x) => [Math.cos(x), Math.sin(x)]);
        const affine: Affine = [
          ...[ca * cb, ca * sb * sc - sa * cc, flip * (ca * sb * cc + sa * sc), 1],
          ...[sa * cb, sa * sb * sc + ca * cc, flip * (sa * sb * cc - ca * sc), 2],
          ...[-sb, cb * sc, flip * cb * cc, 3],
          ...[0, 0, 0, 1],
        ];
        const bytes = encodeNifti(volume(small.data, 1, affine), { version: 2 });
        new DataView(bytes.buffer).setInt32(348, 0, true);
        decodeNifti(bytes).affine.forEach((value, i) => {
          expect(Math.abs(value - affine[i])).toBeLessThan(1e-7);
        });
      }),
    );
  });

  it("stores channels as the fourth axis", () => {
    const two = volume(
      Float32Array.from({ length: 12 }, (_, i) => i),
      2,
    );
    const back = decodeNifti(encodeNifti(two));
    expect(back.header.nifti?.dims).toEqual([2, 3, 1, 2]);
    expect(back.channels).toBe(2);
    expect(back.data).toEqual(two.data);
  });

  it("gzips deterministically", () => {
    const once = encodeNifti(small, { gzip: true });
    expect(once).toEqual(encodeNifti(small, { gzip: true }));
    expect(decodeNifti(once).data).toEqual(small.data);
  });

  it("converts element types only where every value fits", () => {
    expect(decodeNifti(encodeNifti(small, { dtype: "float32" })).data).toEqual(
      Float32Array.from(small.data as Int16Array),
    );
    expect(() => encodeNifti(small, { dtype: "uint8" })).toThrow("case_1: value -2 does not fit uint8");
    const nan = volume(Float32Array.of(Number.NaN, 0, 0, 0, 0, 0));
    expect(() => encodeNifti(nan, { dtype: "int16" })).toThrow(DataError);
    expect(() => encodeNifti(nan, { dtype: "int64" })).toThrow(DataError);
    const whole = volume(Float32Array.of(1.4, 1.5, 2.5, -0.4, 5, 6));
    expect([...decodeNifti(encodeNifti(whole, { dtype: "uint8" })).data]).toEqual([1, 2, 3, 0, 5, 6]);
  });

  it("refuses volumes that are none", () => {
    expect(() => encodeNifti({ ...small, size: [2, 3, 2] })).toThrow(DataError);
    expect(() => encodeNifti({ ...small, affine: new Array(16).fill(0) })).toThrow(GeometryError);
    const long = { ...small, data: new Uint8Array(40000), size: [40000, 1, 1] as const };
    expect(() => encodeNifti(long, { version: 1 })).toThrow(/NIfTI-2/);
    expect(decodeNifti(encodeNifti(long)).header.format).toBe("nifti2");
  });
});

describe("files in metres and micrometres", () => {
  const affine: Affine = [0.0005, 0, 0, -0.01, 0, 0.0006, 0, 0.02, 0, 0, 0.003, 0.03, 0, 0, 0, 1];

  /** The affine that a file's fields say without its unit, with the unit set. */
  function withUnit(units: number, version: 1 | 2): Uint8Array {
    const bytes = encodeNifti(volume(small.data, 1, affine), { version });
    const view = new DataView(bytes.buffer);
    if (version === 1) view.setUint8(123, units);
    else view.setInt32(500, units, true);
    return bytes;
  }

  it.each([
    [1, 1000, "m"],
    [2, 1, "mm"],
    [3, 0.001, "µm"],
    [9, 1000, "m"],
    [19, 0.001, "µm"],
    [0, 1, "unknown"],
    [5, 1, "unknown"],
  ] as const)("unit code %i: every number of the affine × %f", (code, mm, units) => {
    for (const version of [1, 2] as const) {
      for (const geometry of ["sform", "qform", "pixdim"]) {
        const bytes = withUnit(code, version);
        const view = new DataView(bytes.buffer);
        const setCode = (at: number, value: number) =>
          version === 1 ? view.setInt16(at, value, true) : view.setInt32(at, value, true);
        if (geometry !== "sform") setCode(version === 1 ? 254 : 348, 0);
        if (geometry === "pixdim") setCode(version === 1 ? 252 : 344, 0);
        const back = decodeNifti(bytes);
        expect(back.header.nifti).toMatchObject({ units, affineSource: geometry });
        const spacing = spacingOf(back.affine);
        for (const [axis, wanted] of [0.0005, 0.0006, 0.003].entries())
          expect(spacing[axis] / (wanted * mm)).toBeCloseTo(1, 6);
        const origin = geometry === "pixdim" ? 0.0005 / 2 : -0.01;
        expect(back.affine[3] / (origin * mm)).toBeCloseTo(1, 6);
        expect(back.affine[15]).toBe(1);
      }
    }
  });

  it("a mask written like one has its unit and its bits, and the same millimetres", () => {
    for (const version of [1, 2] as const) {
      const image = decodeNifti(withUnit(3, version));
      const back = decodeNifti(encodeNifti({ ...image, data: new Uint8Array(6) }, { like: image.header }));
      expect(back.header.nifti?.units).toBe("µm");
      expect(back.affine).toEqual(image.affine);
      const alone = decodeNifti(encodeNifti({ ...image, data: new Uint8Array(6) }, { version: 2 }));
      expect(alone.header.nifti?.units).toBe("mm");
      expect(alone.affine).toEqual([...image.affine]);
    }
  });
});

describe("writing like another file", () => {
  const source = decodeNifti(
    changed((view) => {
      view.setInt16(252, 1, true); // qform_code
      view.setInt16(254, 4, true); // sform_code
      view.setUint8(123, 10); // mm, s
      view.setFloat32(112, 2, true); // scl_slope
      view.setFloat32(124, 99, true); // cal_max
      view.setFloat32(80, 1.25, true); // pixdim[1], at odds with the sform
      view.setInt16(68, 1002, true); // intent
      view.setUint8(39, 57); // dim_info
    }),
  );
  const mask = { ...small, data: Uint8Array.of(0, 1, 2, 0, 1, 2) };

  it("keeps grid fields bit for bit and resets what concerns values", () => {
    const back = decodeNifti(encodeNifti(mask, { like: source.header }));
    expect(back.data).toEqual(mask.data);
    const [a, b] = [back.header.nifti!.bytes, source.header.nifti!.bytes];
    for (const [from, to] of [
      [39, 56],
      [76, 108],
      [123, 124],
      [252, 328],
    ]) {
      expect(a.slice(from, to)).toEqual(b.slice(from, to));
    }
    const view = new DataView(a.buffer);
    expect([view.getFloat32(112, true), view.getFloat32(124, true), view.getInt16(68, true)]).toEqual([1, 0, 0]);
  });

  it("keeps version and byte order", () => {
    const golden = new URL("../../../test/fixtures/volume/golden/nifti.json", import.meta.url);
    const files = JSON.parse(readFileSync(golden, "utf8")) as { name: string; files: Record<string, string> }[];
    for (const [version, endian] of [
      [1, "<"],
      [1, ">"],
      [2, "<"],
      [2, ">"],
    ] as const) {
      const file = files.find(({ name }) => name === `int32 ${endian} NIfTI-${version}`);
      const image = decodeNifti(new Uint8Array(Buffer.from(file?.files[".nii"] ?? "", "base64")));
      const data = Int16Array.from({ length: 24 }, (_, i) => 1000 * i - 5);
      const back = decodeNifti(encodeNifti({ ...image, data }, { like: image.header }));
      expect(back.header.nifti).toMatchObject({ version, littleEndian: endian === "<" });
      expect(back.data).toEqual(data);
      expect(back.affine).toEqual(image.affine);
    }
  });

  it("lets a mask have fewer channels than its image", () => {
    const image = decodeNifti(encodeNifti(volume(new Float32Array(24), 4)));
    const back = decodeNifti(encodeNifti(mask, { like: image.header }));
    expect(back.header.nifti?.dims).toEqual([2, 3, 1]);
    const scores = volume(new Float32Array(18), 3);
    expect(decodeNifti(encodeNifti(scores, { like: image.header })).channels).toBe(3);
  });

  it("refuses another grid", () => {
    const moved = { ...mask, affine: affineFromSpacing([1, 1, 1], [5, 0, 0]) };
    expect(() => encodeNifti(moved, { like: source.header })).toThrow(
      /^case_1: not on the grid .* differ by up to 5 mm/,
    );
    const wide = { ...mask, size: [3, 2, 1] as const };
    expect(() => encodeNifti(wide, { like: source.header })).toThrow(GeometryError);
  });

  it("takes a NRRD header too", () => {
    const parts = encodeNrrdParts(volume(small.data, 1, oblique));
    const nrrd = decodeNrrd(Buffer.concat([parts.header, parts.voxels]));
    expect(nrrd.affine).toEqual([...oblique]);
    const back = decodeNifti(encodeNifti({ ...mask, affine: oblique }, { like: nrrd.header, version: 2 }));
    expect(back.affine).toEqual([...oblique]);
    expect(orientationCode(back.affine)).toBe(orientationCode(oblique));
  });
});

describe("damaged and foreign NIfTI files", () => {
  const cases: [string, Uint8Array, RegExp][] = [
    ["nothing", new Uint8Array(0), /not a NIfTI file/],
    ["text", new TextEncoder().encode("hello, this is no volume at all"), /not a NIfTI file/],
    ["half a header", encodeNifti(small).slice(0, 200), /truncated/],
    ["half the voxels", encodeNifti(small).slice(0, 358), /holds 6 bytes of voxels, its header asks for 12/],
    ["no magic", changed((_, b) => b.fill(0, 344, 348)), /Analyze/],
    ["complex64", changed((v) => v.setInt16(70, 32, true)), /complex64/],
    ["float128", changed((v) => v.setInt16(70, 1536, true)), /float128/],
    ["RGB", changed((v) => v.setInt16(70, 128, true)), /RGB24/],
    ["datatype 3", changed((v) => v.setInt16(70, 3, true)), /datatype 3 is not read/],
    ["a zero axis", changed((v) => v.setInt16(42, 0, true)), /positive whole numbers/],
    ["a negative axis", changed((v) => v.setInt16(42, -5, true)), /positive whole numbers/],
    ["no axes", changed((v) => v.setInt16(40, 0, true)), /1 to 7 axes/],
    ["eight axes", changed((v) => v.setInt16(40, 8, true)), /1 to 7 axes/],
    ["a FreeSurfer surface", changed((v) => v.setInt16(42, -1, true) ?? v.setInt16(44, 1, true)), /FreeSurfer/],
    ["two axes beyond space", changed((v) => [5, 2, 3, 1, 2, 2].map((n, i) => v.setInt16(40 + 2 * i, n, true))), /one/],
    ["huge axes", changed((v) => [1, 2, 3].map((i) => v.setInt16(40 + 2 * i, 32767, true))), /above the limit/],
    ["large axes", changed((v) => [1, 2, 3].map((i) => v.setInt16(40 + 2 * i, 1000, true))), /truncated/],
    ["voxels inside the header", changed((v) => v.setFloat32(108, 100, true)), /352 or later/],
    ["voxels nowhere", changed((v) => v.setFloat32(108, Number.NaN, true)), /352 or later/],
    ["voxels beyond the end", changed((v) => v.setFloat32(108, 1e6, true)), /truncated/],
    ["an infinite intercept", changed((v) => v.setFloat32(116, Number.POSITIVE_INFINITY, true)), /scl_inter/],
    ["a singular sform", changed((_, b) => b.fill(0, 280, 328)), /sform: affine is singular/],
    ["a NaN sform", changed((v) => v.setFloat32(284, Number.NaN, true)), /sform: affine has numbers/],
    ["a cut gzip stream", encodeNifti(small, { gzip: true }).slice(0, 40), /./],
    ["gzip of nothing", gzip(new Uint8Array(0)), /not a NIfTI file/],
    ["gzip magic and rubbish", Uint8Array.of(0x1f, 0x8b, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), /gzip|NIfTI/],
  ];
  it.each(cases)("%s", (_, bytes, message) => {
    const decode = () => decodeNifti(bytes, { name: "a.nii" });
    expect(decode).toThrow(message);
    expect(decode).toThrow(/^a\.nii/);
    try {
      decode();
    } catch (error) {
      expect(error instanceof DataError || error instanceof GeometryError).toBe(true);
    }
  });

  it("a gzip bomb is refused by its size alone", () => {
    const claims = changed((v) => [1, 2, 3].map((i) => v.setInt16(40 + 2 * i, 1000, true)));
    expect(() => decodeNifti(gzip(claims))).toThrow(/cannot hold the 2000000352 bytes/);
    const bomb = gzip(new Uint8Array(2 ** 24));
    const padded = new Uint8Array(gzip(encodeNifti(small)).length + bomb.length);
    padded.set(gzip(encodeNifti(small)));
    padded.set(bomb, gzip(encodeNifti(small)).length);
    expect(decodeNifti(padded).data).toEqual(small.data);
  });

  it("a header alone asks for its image", () => {
    const { header } = encodeNiftiPair(small);
    expect(() => decodeNifti(header)).toThrow(/\.img/);
    expect(() => decodeNifti(header, { image: new Uint8Array(3) })).toThrow(/truncated/);
  });

  it("respects the caller's limit", () => {
    expect(() => decodeNifti(encodeNifti(small), { maxBytes: 11 })).toThrow(/limit of 11 bytes/);
    expect(decodeNifti(encodeNifti(small), { maxBytes: 12 }).size).toEqual([2, 3, 1]);
  });

  it("isNifti tells them apart", () => {
    expect(isNifti(encodeNifti(small))).toBe(true);
    expect(isNifti(encodeNifti(small, { gzip: true, version: 2 }))).toBe(true);
    expect(isNifti(new TextEncoder().encode("NRRD0004"))).toBe(false);
    expect(isNifti(new Uint8Array(2))).toBe(false);
  });
});

it("reading never hands out the caller's memory", () => {
  const bytes = encodeNifti(small);
  const back = decodeNifti(bytes);
  bytes.fill(0);
  expect(back.data).toEqual(small.data);
  expect(back.data.byteLength).toBe(back.data.buffer.byteLength);
});
