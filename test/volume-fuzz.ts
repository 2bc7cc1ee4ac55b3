/**
 * Damages volume files at random and reads them: whatever comes in, only `DataError` and `GeometryError` may come out,
 * or a volume whose array fits its size. Used by test/fuzz-volumes.test.ts and bench/fuzz-volumes.ts.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateSync, gzipSync } from "node:zlib";
import { DataError, GeometryError } from "../src/errors.ts";
import { readVolume } from "../src/files/index.ts";
import type { Random } from "../src/random.ts";
import { random } from "../src/random.ts";
import type { LoadedVolume, Volume } from "../src/volume/index.ts";
import {
  decodeMetaImage,
  decodeMgh,
  decodeNifti,
  decodeNrrd,
  encodeNifti,
  encodeNiftiPair,
} from "../src/volume/index.ts";

export interface FuzzReport {
  count: number;
  seed: number;
  /** How many mutants of each kind of file were read, and how they ended. */
  kinds: Record<string, { read: number; DataError: number; GeometryError: number }>;
  /** Of these, read from disk through zlib (the rest from memory through fflate). */
  fromDisk: number;
  slowestMs: number;
  peakMegabytes: number;
  seconds: number;
  /** Failures: what was thrown that is neither error class, or a volume that does not fit its size. */
  failures: string[];
}

interface Kind {
  name: string;
  ending: string;
  seeds: Uint8Array[];
  /** Bytes of each seed that mutations prefer: its header. */
  header: number;
  decode: (bytes: Uint8Array) => LoadedVolume;
  /** What is done to a mutant before it is read, so that damage gets past the first check. */
  finish?: (bytes: Uint8Array, rng: Random) => Uint8Array;
}

/** Reads `count` mutants; one in 40 is written to disk and read from there. */
export async function fuzzVolumes({ count, seed }: { count: number; seed: number }): Promise<FuzzReport> {
  const kinds = fuzzKinds();
  const rng = random(seed, "fuzz volumes");
  const report: FuzzReport = {
    count,
    seed,
    kinds: Object.fromEntries(kinds.map((k) => [k.name, { read: 0, DataError: 0, GeometryError: 0 }])),
    fromDisk: 0,
    slowestMs: 0,
    peakMegabytes: 0,
    seconds: 0,
    failures: [],
  };
  const folder = await mkdtemp(join(tmpdir(), "medvox-fuzz-"));
  const start = performance.now();
  try {
    for (let i = 0; i < count; i++) {
      const kind = kinds[i % kinds.length];
      const mutated = mutate(kind.seeds[rng.integer(kind.seeds.length)], kind, rng);
      const mutant = kind.finish?.(mutated, rng) ?? mutated;
      const tally = report.kinds[kind.name];
      const began = performance.now();
      try {
        let volume: LoadedVolume;
        if (rng.integer(40) === 0) {
          report.fromDisk++;
          const path = join(folder, `mutant${kind.ending}`);
          await writeFile(path, mutant);
          volume = await readVolume(path);
        } else {
          volume = kind.decode(mutant);
        }
        const values = volume.size[0] * volume.size[1] * volume.size[2] * volume.channels;
        if (volume.data.length !== values || !volume.affine.every(Number.isFinite)) {
          report.failures.push(`${kind.name} mutant ${i}: ${volume.data.length} values for ${volume.size.join("×")}`);
        }
        tally.read++;
      } catch (error) {
        if (error instanceof DataError) tally.DataError++;
        else if (error instanceof GeometryError) tally.GeometryError++;
        else report.failures.push(`${kind.name} mutant ${i}: ${error instanceof Error ? error.stack : error}`);
      }
      report.slowestMs = Math.max(report.slowestMs, performance.now() - began);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  report.seconds = (performance.now() - start) / 1000;
  report.peakMegabytes = process.resourceUsage().maxRSS / 1024;
  return report;
}

function fuzzKinds(): Kind[] {
  const volume: Volume = {
    data: Int16Array.from({ length: 60 }, (_, i) => 37 * i - 900),
    size: [3, 4, 5],
    channels: 1,
    affine: [0, -2, 0.1, 5, 1.5, 0, 0, 6, 0, 0.2, 4, 7, 0, 0, 0, 1],
  };
  const floats: Volume = {
    ...volume,
    data: Float64Array.from(volume.data as Int16Array),
    size: [3, 4, 1],
    channels: 5,
  };
  const nifti1 = [encodeNifti(volume), encodeNifti(floats)];
  const nifti2 = [encodeNifti(volume, { version: 2 }), encodeNifti(floats, { version: 2 })];
  const large = encodeNifti({ ...volume, data: new Uint8Array(32 ** 3), size: [32, 32, 32] });
  const pair = encodeNiftiPair(volume);
  const raw = Buffer.from((volume.data as Int16Array).buffer);
  const text = Buffer.from([...(volume.data as Int16Array)].join(" "));
  const nrrd = (encoding: string, body: Uint8Array, more = "") =>
    Buffer.concat([
      Buffer.from(
        `NRRD0005\n# made up\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 3 4 5\n` +
          `space directions: (0,0.5,0.1) (0.75,0,0) (0,-0.5,2.5)\nkinds: domain domain domain\nendian: little\n` +
          `encoding: ${encoding}\nspace origin: (10.5,-20.25,30)\n${more}key:=value\n\n`,
      ),
      body,
    ]);
  const meta = (more: string, body: Uint8Array) =>
    Buffer.concat([
      Buffer.from(
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n" +
          "TransformMatrix = 0 1 0 0.8 0 -0.6 0.6 0 0.8\nOffset = 10.5 -20.25 30\nElementSpacing = 0.5 0.75 2.5\n" +
          `DimSize = 3 4 5\nElementType = MET_SHORT\n${more}ElementDataFile = LOCAL\n`,
      ),
      body,
    ]);
  const mgh = Buffer.alloc(284 + 120);
  for (const [i, value] of [1, 3, 4, 5, 1, 4].entries()) mgh.writeInt32BE(value, 4 * i);
  mgh.writeInt16BE(1, 28);
  for (const [i, value] of [1, 2, 3, -1, 0, 0, 0, 0, -1, 0, 1, 0, 5, 6, 7].entries())
    mgh.writeFloatBE(value, 30 + 4 * i);
  const four = Buffer.from(
    "NRRD0004\ntype: double\ndimension: 4\nsizes: 2 3 1 2\nspacings: nan 1 2 3\nendian: big\nencoding: raw\n\n",
  );
  const mendMagic = (at: number, magic: string) => (bytes: Uint8Array, rng: Random) => {
    if (bytes.length >= at + 4 && rng.integer(4) > 0) bytes.set(Buffer.from(magic), at);
    return bytes;
  };
  const decodePair = (bytes: Uint8Array) => decodeNifti(bytes, { image: pair.image });
  return [
    {
      name: "NIfTI-1",
      ending: ".nii",
      seeds: nifti1,
      header: 352,
      decode: decodeNifti,
      finish: mendMagic(344, "n+1\0"),
    },
    { name: "NIfTI-2", ending: ".nii", seeds: nifti2, header: 544, decode: decodeNifti, finish: mendMagic(4, "n+2\0") },
    {
      name: "NIfTI pair header",
      ending: ".nii",
      seeds: [pair.header],
      header: 352,
      decode: decodePair,
      finish: mendMagic(344, "ni1\0"),
    },
    {
      name: "NIfTI-1 inside gzip",
      ending: ".nii.gz",
      seeds: nifti1,
      header: 352,
      decode: decodeNifti,
      finish: (bytes, rng) => gzipSync(mendMagic(344, "n+1\0")(bytes, rng)),
    },
    {
      name: "NIfTI gzip stream",
      ending: ".nii.gz",
      seeds: [...nifti1, ...nifti2, large].map((bytes) => gzipSync(bytes)),
      header: 0,
      decode: decodeNifti,
    },
    {
      name: "NRRD",
      ending: ".nrrd",
      seeds: [
        nrrd("raw", raw),
        nrrd("ascii", text),
        nrrd("hex", Buffer.from(raw.toString("hex"))),
        nrrd("raw", raw, "byte skip: -1\nline skip: 0\n"),
        Buffer.concat([four, Buffer.alloc(96)]),
      ],
      header: 330,
      decode: decodeNrrd,
    },
    { name: "NRRD gzip stream", ending: ".nrrd", seeds: [nrrd("gzip", gzipSync(raw))], header: 0, decode: decodeNrrd },
    {
      name: "MetaImage",
      ending: ".mha",
      seeds: [
        meta("", raw),
        meta("CompressedData = True\n", deflateSync(raw)),
        meta("BinaryData = False\n", text),
        meta("ElementNumberOfChannels = 2\n", Buffer.concat([raw, raw])),
      ],
      header: 330,
      decode: decodeMetaImage,
    },
    { name: "MGH", ending: ".mgh", seeds: [mgh], header: 90, decode: decodeMgh },
    { name: "MGH gzip stream", ending: ".mgz", seeds: [gzipSync(mgh)], header: 0, decode: decodeMgh },
  ];
}

const oddNumbers = ["0", "-1", "1e9", "99999999999999999999", "NaN", "inf", "1e-300", "0.5", "", "4294967296", "65536"];
const oddBytes = [0, 1, 0x7f, 0x80, 0xff, 0x0a, 0x1f];

/** One to four random changes: bits, bytes, fields, numbers in text, pieces cut, doubled, moved or dropped. */
function mutate(seed: Uint8Array, kind: Kind, rng: Random): Uint8Array {
  let bytes: Uint8Array<ArrayBuffer> = Uint8Array.from(seed);
  for (let change = rng.integer(4); change >= 0; change--) {
    if (bytes.length === 0) return bytes;
    const preferred = kind.header > 0 && rng.integer(4) > 0 ? Math.min(kind.header, bytes.length) : bytes.length;
    const at = rng.integer(preferred);
    const length = 1 + rng.integer(rng.integer(2) ? 8 : 64);
    switch (rng.integer(9)) {
      case 0:
        bytes[at] ^= 1 << rng.integer(8);
        break;
      case 1:
        bytes[at] = rng.integer(256);
        break;
      case 2:
        // A whole field with a value from the edge of its range.
        bytes.fill(oddBytes[rng.integer(oddBytes.length)], at, at + 2 ** rng.integer(4));
        break;
      case 3: {
        const view = new DataView(bytes.buffer);
        const little = rng.integer(2) === 0;
        if (at + 8 > bytes.length) break;
        const value = [0, -1, 1, 32767, 1e9, Number.NaN, Number.POSITIVE_INFINITY, 1e-30, 0.5][rng.integer(9)];
        if (rng.integer(2)) view.setFloat32(at & ~3, value, little);
        else view.setFloat64(at & ~3, value, little);
        break;
      }
      case 4:
        // Truncation.
        bytes = bytes.slice(0, rng.integer(2) ? at : bytes.length - Math.min(length, bytes.length));
        break;
      case 5:
        bytes = joined(bytes.subarray(0, at), bytes.subarray(Math.min(at + length, bytes.length)));
        break;
      case 6:
        bytes = joined(bytes.subarray(0, at + length), bytes.subarray(at));
        break;
      case 7: {
        const noise = Uint8Array.from({ length }, () => rng.integer(256));
        bytes = joined(bytes.subarray(0, at), noise, bytes.subarray(at));
        break;
      }
      default:
        bytes = replaceNumber(bytes, at, rng);
    }
  }
  return bytes;
}

/** Another number instead of the next one in the text from `at` on; binary bytes are hardly ever touched. */
function replaceNumber(bytes: Uint8Array, at: number, rng: Random): Uint8Array<ArrayBuffer> {
  const isDigit = (byte: number) => (byte >= 48 && byte <= 57) || byte === 45 || byte === 46;
  let from = at;
  while (from < bytes.length && !isDigit(bytes[from])) from++;
  let to = from;
  while (to < bytes.length && isDigit(bytes[to])) to++;
  const number = new TextEncoder().encode(oddNumbers[rng.integer(oddNumbers.length)]);
  return joined(bytes.subarray(0, from), number, bytes.subarray(to));
}

function joined(...pieces: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}
