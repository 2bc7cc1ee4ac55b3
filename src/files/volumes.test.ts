import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateSync, gunzipSync, gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { countOpens, type OpenCount } from "../data/test/count-opens.ts";
import { ConfigError, DataError, GeometryError } from "../errors.ts";
import type { Volume } from "../volume/index.ts";
import { convertVoxels, decodeMetaImage, decodeNifti, decodeNrrd, encodeNifti, voxelTypes } from "../volume/index.ts";
import { caseName, readVolume, readVolumeHeader, volumeExtension, writeVolume } from "./volumes.ts";

let folder: string;
// Outside of what is counted, and there as long as anything is opened.
let counting: string;
let counts: OpenCount;
beforeAll(async () => {
  counting = await mkdtemp(join(tmpdir(), "medvox-counts-"));
  counts = await countOpens(counting);
});
afterAll(() => rm(counting, { recursive: true, force: true }));
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "medvox-volumes-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const volume: Volume<Int16Array> = {
  data: Int16Array.from({ length: 24 }, (_, i) => 100 * i - 7),
  size: [2, 3, 4],
  channels: 1,
  affine: [0, -2, 0, 5, 1.5, 0, 0, 6, 0, 0, 4, 7, 0, 0, 0, 1],
};

function golden(file: string): { name: string; error?: string; files: Record<string, string> }[] {
  return JSON.parse(readFileSync(new URL(`../../test/fixtures/volume/golden/${file}`, import.meta.url), "utf8"));
}

describe("names", () => {
  it("have an ending and a case", () => {
    expect(volumeExtension("a/b.c/IMG.NII.GZ")).toBe(".nii.gz");
    expect(volumeExtension("x.nrrd")).toBe(".nrrd");
    expect(volumeExtension("x.gz")).toBeUndefined();
    expect(caseName("/data/imagesTr/hippocampus_001.nii.gz")).toBe("hippocampus_001");
    expect(caseName("scan.v2.mha")).toBe("scan.v2");
    expect(caseName("notes.txt")).toBe("notes.txt");
  });
});

describe("writing and reading", () => {
  it.each([".nii", ".nii.gz", ".hdr", ".img", ".nrrd"])("%s comes back the same", async (ending) => {
    const path = join(folder, `a${ending}`);
    await writeVolume(path, volume);
    const back = await readVolume(path);
    expect(back.data).toEqual(volume.data);
    expect(back.affine).toEqual(volume.affine);
    expect(back.size).toEqual(volume.size);
    expect(back.name).toBe(path);
    const { nifti, ...header } = await readVolumeHeader(path);
    expect(header).toMatchObject({ size: [2, 3, 4], channels: 1, voxelType: "int16", affine: volume.affine });
  });

  it("channels survive NRRD and NIfTI", async () => {
    for (const ending of [".nii.gz", ".nrrd"]) {
      const two = { ...volume, size: [2, 3, 2] as const, channels: 2 };
      await writeVolume(join(folder, `two${ending}`), two);
      const back = await readVolume(join(folder, `two${ending}`));
      expect(back).toMatchObject({ channels: 2, size: [2, 3, 2] });
      expect(back.data).toEqual(volume.data);
    }
  });

  it("NRRD holds every element type", async () => {
    for (const type of voxelTypes) {
      const data = convertVoxels(
        Uint8Array.from({ length: 24 }, (_, i) => i),
        type,
      );
      await writeVolume(join(folder, `${type}.nrrd`), { ...volume, data });
      expect((await readVolume(join(folder, `${type}.nrrd`))).data).toEqual(data);
    }
  });

  it("the same volume gives the same bytes", async () => {
    await writeVolume(join(folder, "a.nii.gz"), volume);
    await writeVolume(join(folder, "b.nii.gz"), volume);
    const [a, b] = await Promise.all(["a", "b"].map((n) => readFile(join(folder, `${n}.nii.gz`))));
    expect(a.equals(b)).toBe(true);
    expect(gunzipSync(a).equals(encodeNifti(volume))).toBe(true);
  });

  it("refuses to replace, other endings and missing folders; leaves nothing behind", async () => {
    const path = join(folder, "a.nii.gz");
    await writeVolume(path, volume);
    await expect(writeVolume(path, volume)).rejects.toThrow(ConfigError);
    await writeVolume(path, { ...volume, data: volume.data.map((v) => -v) }, { force: true });
    expect((await readVolume(path)).data[1]).toBe(-93);
    await expect(writeVolume(join(folder, "a.mha"), volume)).rejects.toThrow(/cannot write a volume of this kind/);
    await expect(writeVolume(join(folder, "no", "a.nii"), volume)).rejects.toThrow(/does not exist/);
    await expect(writeVolume(join(folder, "b.nii"), volume, { dtype: "uint8" })).rejects.toThrow(/does not fit/);
    expect(await readdir(folder)).toEqual(["a.nii.gz"]);
  });

  it("like another grid only on that grid", async () => {
    const { header } = decodeNifti(encodeNifti(volume));
    const moved = { ...volume, affine: volume.affine.with(3, 50) };
    for (const file of ["a.nii", "a.nrrd"]) {
      await expect(writeVolume(join(folder, file), moved, { like: header })).rejects.toThrow(GeometryError);
    }
  });
});

describe("the file system's door", () => {
  it("a file is opened once, however large, and closed", async () => {
    const large: Volume<Int16Array> = {
      ...volume,
      data: Int16Array.from({ length: 2 ** 18 }, (_, i) => (i * 2654435761) % 32749),
      size: [64, 64, 64],
    };
    const names = ["a.nii.gz", "a.nii", "a.nrrd", "a.hdr"];
    for (const name of names) await writeVolume(join(folder, name), large);
    counts.opened(folder);
    const openBefore = (await readdir("/proc/self/fd").catch(() => [])).length;
    for (const name of names) {
      const { data } = await readVolume(join(folder, name));
      expect(Buffer.compare(Buffer.from(data.buffer), Buffer.from(large.data.buffer))).toBe(0);
      const opened = counts.opened(folder);
      expect([...opened.values()], name).toEqual(name === "a.hdr" ? [1, 1] : [1]);
    }
    for (const name of names) {
      await readVolumeHeader(join(folder, name));
      expect([...counts.opened(folder).values()], name).toEqual([1]);
    }
    expect((await readdir("/proc/self/fd").catch(() => [])).length).toBe(openBefore);
  });
});

describe("golden files from disk", () => {
  it("NIfTI as the browser-safe reader gives it", async () => {
    for (const [i, test] of golden("nifti.json").entries()) {
      const paths: string[] = [];
      for (const [ending, content] of Object.entries(test.files)) {
        paths.push(join(folder, `${i}${ending}`));
        await writeFile(paths[paths.length - 1], content, "base64");
      }
      if (test.error !== undefined) {
        await expect(readVolume(paths[0])).rejects.toThrow(/^\//);
        continue;
      }
      const [first, second] = Object.values(test.files).map((b) => new Uint8Array(Buffer.from(b, "base64")));
      const wanted = decodeNifti(first, { image: second });
      for (const path of paths) {
        const got = await readVolume(path);
        expect(got.data, test.name).toEqual(wanted.data);
        expect(got.affine).toEqual(wanted.affine);
      }
    }
  });

  it("NRRD and MetaImage as the browser-safe readers give them", async () => {
    for (const [i, test] of golden("itk.json").entries()) {
      const home = join(folder, `${i}`);
      await mkdir(home);
      for (const [file, content] of Object.entries(test.files)) await writeFile(join(home, file), content, "base64");
      const [file] = Object.keys(test.files);
      const [first, data] = Object.values(test.files).map((b) => new Uint8Array(Buffer.from(b, "base64")));
      const wanted = file.includes(".m") ? decodeMetaImage(first, { data }) : decodeNrrd(first, { data });
      const got = await readVolume(join(home, file));
      expect(got.data, test.name).toEqual(wanted.data);
      expect(got.affine).toEqual(wanted.affine);
      expect(await readVolumeHeader(join(home, file))).toEqual(wanted.header);
    }
  });
});

describe("headers as their writers write them", () => {
  const voxels = Int16Array.from({ length: 24 }, (_, i) => 100 * i - 7);
  const raw = new Uint8Array(voxels.buffer);
  const nrrd = (lines: string) =>
    `NRRD0004\ntype: short\ndimension: 3\nsizes: 2 3 4\nendian: little\nspace: LPS\nspace directions: (1,0,0) (0,2,0) (0,0,3)\n${lines}`;
  const meta = (lines: string) => `ObjectType = Image\nNDims = 3\nDimSize = 2 3 4\nElementType = MET_SHORT\n${lines}`;

  /** What is read of a header beside files of these names and contents. */
  async function readBeside(header: string, text: string | Uint8Array, files: Record<string, Uint8Array>) {
    await writeFile(join(folder, header), text);
    for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
    return readVolume(join(folder, header));
  }
  const slices = (change: (slice: Uint8Array) => Uint8Array, name: (i: number) => string) =>
    Object.fromEntries([0, 1, 2, 3].map((i) => [name(i), change(raw.subarray(12 * i, 12 * (i + 1)))]));

  it.each(["x50%.raw", "100 % sure.raw", "%d.raw", "a%03d.raw"])("a %% in a name is a %%: %s", async (name) => {
    const found = await readBeside("a.nhdr", nrrd(`encoding: raw\ndata file: ${name}\n\n`), { [name]: raw });
    expect(found.data).toEqual(voxels);
    expect((await readBeside("a.mhd", meta(`ElementDataFile = ${name}\n`), { [name]: raw })).data).toEqual(voxels);
  });

  it.each(["é.raw", "뇌 MRI.raw", "Ärzte/ü.raw", "脑.raw"])("names outside ASCII: %s", async (name) => {
    if (name.includes("/")) await mkdir(join(folder, "Ärzte"));
    const found = await readBeside("a.nhdr", nrrd(`encoding: raw\ndata file: ${name}\n\n`), { [name]: raw });
    expect(found.data).toEqual(voxels);
    expect((await readBeside("a.mhd", meta(`ElementDataFile = ${name}\n`), { [name]: raw })).data).toEqual(voxels);
    // The header from one system, the file from another: the same letters, composed and decomposed.
    const other = await readBeside("b.mhd", meta(`ElementDataFile = ${name.normalize("NFD")}\n`), {});
    expect(other.data).toEqual(voxels);
  });

  it("a header in Latin-1", async () => {
    const text = Buffer.from(meta("ElementDataFile = é.raw\n"), "latin1");
    expect((await readBeside("a.mhd", text, { "é.raw": raw })).data).toEqual(voxels);
  });

  it("NRRD in several files: listed, and by a pattern", async () => {
    const names = "one.raw\ntwo.raw\nthree.raw\nfour.raw";
    const name = (i: number) => names.split("\n")[i];
    for (const end of ["", "\n", "\n\n"]) {
      const files = slices((slice) => slice, name);
      const found = await readBeside("a.nhdr", nrrd(`encoding: raw\ndata file: LIST\n${names}${end}`), files);
      expect(found.data).toEqual(voxels);
    }
    const packed = slices((slice) => gzipSync(slice), name);
    expect((await readBeside("a.nhdr", nrrd(`encoding: gzip\ndata file: LIST 2\n${names}`), packed)).data).toEqual(
      voxels,
    );
    const skipped = slices((slice) => Buffer.concat([Buffer.from("a line\n??"), slice]), name);
    const skips = "encoding: raw\nline skip: 1\nbyte skip: 2\n";
    expect((await readBeside("a.nhdr", nrrd(`${skips}data file: LIST\n${names}`), skipped)).data).toEqual(voxels);
    const last = "encoding: raw\nbyte skip: -1\n";
    expect((await readBeside("a.nhdr", nrrd(`${last}data file: LIST\n${names}`), skipped)).data).toEqual(voxels);
    const texts = slices((slice) => Buffer.from(new Int16Array(slice.slice().buffer).join(" ")), name);
    expect((await readBeside("a.nhdr", nrrd(`encoding: ascii\ndata file: LIST\n${names}`), texts)).data).toEqual(
      voxels,
    );
    const numbered = slices(
      (slice) => slice,
      (i) => `s${String(2 * i + 8).padStart(3, "0")}.raw`,
    );
    const found = await readBeside("a.nhdr", nrrd("encoding: raw\ndata file: s%03d.raw 8 14 2\n\n"), numbered);
    expect(found.data).toEqual(voxels);
    await writeFile(join(folder, "s010.raw"), raw.subarray(0, 5));
    await expect(readVolume(join(folder, "a.nhdr"))).rejects.toThrow(/file 2 of 4 holds 5 bytes.* 12 in each/);
  });

  it("MetaImage in several files: listed, and by a pattern", async () => {
    const files = slices(
      (slice) => slice,
      (i) => `s${i}.raw`,
    );
    const listed = await readBeside("a.mhd", meta("ElementDataFile = LIST\ns0.raw\ns1.raw\ns2.raw\ns3.raw\n"), files);
    expect(listed.data).toEqual(voxels);
    const back = await readBeside("a.mhd", meta("ElementDataFile = s%d.raw 0 3 1\n"), files);
    expect(back.data).toEqual(voxels);
    const turned = await readBeside("a.mhd", meta("ElementDataFile = s%d.raw 3 0 -1\n"), files);
    expect([...turned.data.slice(18)]).toEqual([...voxels.slice(0, 6)]);
    const packed = slices(
      (slice) => deflateSync(slice),
      (i) => `s${i}.raw`,
    );
    const zlib = await readBeside("a.mhd", meta("CompressedData = True\nElementDataFile = s%d.raw 0 3 1\n"), packed);
    expect(zlib.data).toEqual(voxels);
  });
});

describe("what cannot be read", () => {
  const text = (s: string) => new TextEncoder().encode(s);
  const meta = (more: string) =>
    text(`ObjectType = Image\nNDims = 3\nDimSize = 2 2 1\nElementType = MET_UCHAR\n${more}`);
  const nrrd = (more: string, body = "abcd") =>
    text(`NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 2 1\nencoding: raw\n${more}\n${body}`);
  const whole = encodeNifti(volume);
  const cases: [string, string, Uint8Array, RegExp][] = [
    ["an empty file", "a.nii", new Uint8Array(0), /the file is empty/],
    ["a text file", "a.txt", text("hello"), /not a volume that medvox reads/],
    ["a text file named .nii.gz", "a.nii.gz", text("hello"), /not a NIfTI file/],
    ["a cut gzip stream", "a.nii.gz", gzipSync(whole).subarray(0, 120), /damaged gzip stream|truncated|cannot hold/],
    ["a gzip stream without its end", "a.nii.gz", gzipSync(whole).subarray(0, -6), /damaged gzip stream/],
    ["a wrong checksum", "a.nii.gz", gzipSync(whole).with(-7, 1), /damaged gzip stream: incorrect data check/],
    ["too few voxels", "a.nii", whole.subarray(0, -1), /holds 47 bytes of voxels, its header asks for 48/],
    ["a header without voxels", "a.hdr", text("x"), /not a NIfTI file/],
    ["NRRD without an end", "a.nrrd", text("NRRD0004\ntype: uchar\n"), /no end/],
    [
      "NRRD without sizes",
      "a.nrrd",
      text("NRRD0004\ntype: uchar\nencoding: raw\ndimension: 3\n\n"),
      /sizes is missing/,
    ],
    ["NRRD of blocks", "a.nrrd", text("NRRD0004\ntype: block\n\n"), /type "block" is not read/],
    ["NRRD type constructor", "a.nrrd", text("NRRD0004\ntype: constructor\n\n"), /is not read/],
    ["NRRD bzip2", "a.nrrd", text("NRRD0004\ntype: uchar\nencoding: bzip2\n\n"), /bzip2.*gzip, ascii and hex/],
    [
      "NRRD of five axes",
      "a.nrrd",
      nrrd("").map((b, i, all) => (b === 51 && all[i - 1] === 32 ? 53 : b)),
      /1 to 4 axes/,
    ],
    ["NRRD with too little data", "a.nrrd", nrrd("", "abc"), /holds 3 bytes/],
    ["NRRD without endianness", "a.nrrd", text(new TextDecoder().decode(nrrd("")).replace("uchar", "short")), /endian/],
    [
      "NRRD with a singular space",
      "a.nrrd",
      nrrd("space: RAS\nspace directions: (1,0,0) (1,0,0) (0,0,1)\n"),
      /singular/,
    ],
    [
      "NRRD with broken directions",
      "a.nrrd",
      nrrd("space: RAS\nspace directions: (1,0,0) (x,1,0) (0,0,1)\n"),
      /numbers/,
    ],
    ["NRRD with too few directions", "a.nrrd", nrrd("space directions: (1,0,0) (0,1,0)\n"), /must have 3 entries/],
    ["NRRD with voxels elsewhere", "a.nhdr", nrrd("data file: ../a.raw\n"), /not in the folder of its header/],
    ["NRRD with voxels at the root", "a.nhdr", nrrd("data file: /etc/passwd\n"), /not in the folder of its header/],
    ["NRRD with a missing data file", "a.nhdr", nrrd("data file: none.raw\n"), /none\.raw: cannot read: no such file/],
    ["NRRD that lists nothing", "a.nhdr", nrrd("data file: LIST\n", ""), /LIST, but no files follow/],
    ["NRRD that lists what is not there", "a.nhdr", nrrd("data file: LIST\n"), /abcd: cannot read: no such file/],
    [
      "NRRD that lists another folder",
      "a.nhdr",
      nrrd("data file: LIST\n", "a\n../b"),
      /not in the folder of its header/,
    ],
    [
      "NRRD in three files of four voxels",
      "a.nhdr",
      nrrd("data file: LIST\n", "a\nb\nc"),
      /4 bytes .* evenly into the 3/,
    ],
    ["NRRD patterns that count nothing", "a.nhdr", nrrd("data file: a%d.raw 1 9 0\n"), /stands for no files/],
    ["MetaImage without an end", "a.mha", meta(""), /ElementDataFile/],
    ["MetaImage that is none", "a.mha", text("hello world\n"), /"Field = value"/],
    ["MetaImage with too little data", "a.mha", meta("ElementDataFile = LOCAL\nabc"), /holds 3 bytes/],
    ["MetaImage lists of nothing", "a.mhd", meta("ElementDataFile = LIST\n"), /LIST, but no files follow/],
    [
      "MetaImage patterns",
      "a.mhd",
      meta("ElementDataFile = a%03d.raw 1 2 1\n"),
      /a001\.raw: cannot read: no such file/,
    ],
    ["MetaImage voxels elsewhere", "a.mhd", meta("ElementDataFile = a/../../b.raw\n"), /not in the folder/],
    ["MetaImage broken zlib", "a.mha", meta("CompressedData = True\nElementDataFile = LOCAL\nabcdef"), /zlib/],
    ["MetaImage of meshes", "a.mha", text("ObjectType = Mesh\nElementDataFile = LOCAL\n"), /not an Image/],
    ["MetaImage type", "a.mha", meta("ElementType = toString\nElementDataFile = LOCAL\nabcd"), /ElementType/],
  ];
  it.each(cases)("%s", async (_, file, bytes, message) => {
    const path = join(folder, file);
    await writeFile(path, bytes);
    const failure = await readVolume(path).catch((error: unknown) => error);
    expect(failure instanceof DataError || failure instanceof GeometryError).toBe(true);
    expect((failure as Error).message).toMatch(message);
    expect((failure as Error).message.startsWith(folder)).toBe(true);
  });

  it("missing files, folders and partners", async () => {
    await expect(readVolume(join(folder, "none.nii.gz"))).rejects.toThrow(/none\.nii\.gz: cannot read: no such file/);
    await mkdir(join(folder, "dir.nii"));
    await expect(readVolume(join(folder, "dir.nii"))).rejects.toThrow(/is a folder/);
    await writeVolume(join(folder, "a.hdr"), volume);
    await rename(join(folder, "a.img"), join(folder, "b.img"));
    await expect(readVolume(join(folder, "a.hdr"))).rejects.toThrow(/its partner a\.img is missing/);
    await expect(readVolume(join(folder, "b.img"))).rejects.toThrow(/its partner b\.hdr is missing/);
    await expect(readVolume(join(folder, "a.hdr"), { maxBytes: 10 })).rejects.toThrow(/limit of 10 bytes/);
  });
});
