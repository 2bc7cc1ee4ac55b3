/** Both readers of gzip (fflate's and Node's) against the rule of gzip itself, for files below and above their pieces. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DataError } from "../../errors.ts";
import { random } from "../../random.ts";
import { decodeNifti, encodeNifti, type Volume } from "../../volume/index.ts";
import { readVolume } from "../volumes.ts";
import { gunzipMembers } from "./gunzip.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "medvox-gunzip-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A file of `side`³ voxels that do not compress well, so that its stream is about as long as they are. */
function noise(side: number): { volume: Volume; bytes: Uint8Array } {
  const stream = random(5, "gunzip");
  const data = Uint8Array.from({ length: side ** 3 }, () => stream.integer(256));
  const volume = {
    data,
    size: [side, side, side] as const,
    channels: 1,
    affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
  };
  return { volume, bytes: encodeNifti(volume) };
}

/** Compared as bytes: `toEqual` takes seconds for half a million numbers. */
const isSame = (a: Volume, b: Volume) => Buffer.compare(a.data as Uint8Array, b.data as Uint8Array) === 0;
const zeros = (count: number) => new Uint8Array(count);
const text = (words: string) => new TextEncoder().encode(words);

/** A stream with a name, a comment and an extra field in its header, as tools other than zlib write. */
function withHeader(bytes: Uint8Array): Uint8Array {
  const plain = gzipSync(bytes);
  const head = Uint8Array.of(0x1f, 0x8b, 8, 4 | 8 | 16, 0, 0, 0, 0, 0, 3, 2, 0, 65, 66);
  return Buffer.concat([head, text("scan.nii\0"), text("made up\0"), plain.subarray(10)]);
}

describe.each([6, 30, 80])("a file of %i³ voxels", (side) => {
  const { volume, bytes } = noise(side);
  const packed = gzipSync(bytes);
  const half = Math.floor(bytes.length / 2);
  const twoMembers = Buffer.concat([gzipSync(bytes.subarray(0, half)), gzipSync(bytes.subarray(half))]);
  it.each<[string, Uint8Array]>([
    ["nothing more", packed],
    ["512 zeros", Buffer.concat([packed, zeros(512)])],
    ["70,000 zeros", Buffer.concat([packed, zeros(70_000)])],
    ["one zero", Buffer.concat([packed, zeros(1)])],
    ["other bytes", Buffer.concat([packed, text("padding that is no zeros")])],
    ["zeros, then other bytes", Buffer.concat([packed, zeros(300), text("rest of a block")])],
    ["the first byte of a member", Buffer.concat([packed, Uint8Array.of(0x1f)])],
    ["two members", twoMembers],
    ["two members and zeros", Buffer.concat([twoMembers, zeros(512)])],
    ["an empty member in front", Buffer.concat([gzipSync(zeros(0)), packed])],
    ["a header of every field", withHeader(bytes)],
    ["16 KB that end with the member", Buffer.concat([packed, zeros((16384 - (packed.length % 16384)) % 16384)])],
  ])("followed by or made of: %s", async (name, stream) => {
    expect(isSame(decodeNifti(stream), volume)).toBe(true);
    const path = join(folder, `${side} ${name.replace(/\W/g, " ")}.nii.gz`);
    await writeFile(path, stream);
    expect(isSame(await readVolume(path), volume)).toBe(true);
  });

  it("in pieces of every odd size", async () => {
    for (const piece of [1, 7, 1000, 65_537].filter((count) => packed.length / count < 4000)) {
      const stream = Buffer.concat([twoMembers, zeros(40)]);
      const pieces = Array.from({ length: Math.ceil(stream.length / piece) }, (_, i) =>
        stream.subarray(i * piece, (i + 1) * piece),
      );
      const parts: Uint8Array[] = [];
      for await (const part of gunzipMembers(pieces, 2 ** 16)) parts.push(part);
      expect(Buffer.concat(parts).equals(bytes)).toBe(true);
    }
  });

  it.each<[string, Uint8Array, RegExp]>([
    ["a stream that is cut", packed.subarray(0, -3), /unexpected end of file/],
    ["data that is cut", packed.subarray(0, -20), /unexpected end of file/],
    ["another checksum", packed.with(-8, packed[packed.length - 8] ^ 1), /incorrect data check/],
    ["another length", packed.with(-4, packed[packed.length - 4] ^ 1), /incorrect length check/],
    ["a further member that is cut", Buffer.concat([packed, packed.subarray(0, 12)]), /unexpected (end of file|EOF)/],
  ])("%s is an error", async (name, stream, message) => {
    const path = join(folder, `${side} ${name}.nii.gz`);
    await writeFile(path, stream);
    await expect(readVolume(path)).rejects.toThrow(DataError);
    await expect(readVolume(path)).rejects.toThrow(message);
  });
});
