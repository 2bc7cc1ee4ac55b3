import { readFileSync } from "node:fs";
import { inflateSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { DataError } from "../errors.ts";
import { decodeImage } from "./decode.ts";
import {
  fittedSize,
  imageNetStatistics,
  normalizePlanar,
  paddedLength,
  placeInBatch,
  resizeBilinear,
  toPlanar,
} from "./resize.ts";
import { imageSize } from "./size.ts";

interface Picture {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly bits: number;
  readonly file: string;
  readonly samples: string;
}
const golden = JSON.parse(
  readFileSync(new URL("../../test/fixtures/images/golden/pillow.json", import.meta.url), "utf8"),
) as {
  pictures: Picture[];
  resized: {
    scene: string;
    width: number;
    height: number;
    to: { width: number; height: number; sum: number; some: number[] }[];
  };
};
const ofInks = JSON.parse(
  readFileSync(new URL("../../test/fixtures/images/golden/pillow-cmyk.json", import.meta.url), "utf8"),
) as { pictures: Picture[] };
const pictures = [...golden.pictures, ...ofInks.pictures];
const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "base64"));
const samplesOf = ({ samples, bits }: Pick<Picture, "samples" | "bits">): ArrayLike<number> => {
  const raw = Uint8Array.from(inflateSync(bytesOf(samples)));
  return bits === 16 ? new Uint16Array(raw.buffer) : raw;
};

describe("as Pillow decodes", () => {
  it.each(pictures)("$name", (picture) => {
    const image = decodeImage(bytesOf(picture.file), { name: picture.name });
    const want = samplesOf(picture);
    expect([image.width, image.height]).toEqual([picture.width, picture.height]);
    expect(image.data.length).toBe(want.length);
    expect(image.data instanceof Uint16Array).toBe(picture.bits === 16);
    let worst = 0;
    for (let i = 0; i < want.length; i++) worst = Math.max(worst, Math.abs(image.data[i] - want[i]));
    expect(worst).toBe(0);
  });
});

describe("sizes from the first bytes", () => {
  it.each(pictures)("$name", ({ file, width, height }) => {
    expect(imageSize(bytesOf(file))).toEqual({ width, height });
  });
});

describe("what cannot be read", () => {
  const rgb = golden.pictures.find(({ name }) => name === "png rgb")!;
  const jpeg = golden.pictures.find(({ name }) => name === "jpeg 420 45x37")!;

  it.each([
    ["empty", new Uint8Array(0), "the file is empty"],
    ["text", new TextEncoder().encode("GIF89a and so on"), "not a picture"],
    ["half a PNG", bytesOf(rgb.file).subarray(0, 300), "truncated"],
    ["half a header", bytesOf(jpeg.file).subarray(0, 30), "truncated"],
  ])("%s is a DataError with the name", (_, bytes, reason) => {
    expect(() => decodeImage(bytes, { name: "x/y.png" })).toThrow(DataError);
    expect(() => decodeImage(bytes, { name: "x/y.png" })).toThrow(/x\/y\.png/);
    expect(() => decodeImage(bytes, { name: "x/y.png" })).toThrow(reason);
  });

  it("a changed byte of a PNG is noticed", () => {
    const bytes = bytesOf(rgb.file);
    bytes[bytes.length - 30] ^= 1;
    expect(() => decodeImage(bytes)).toThrow(DataError);
  });

  it("bytes between segments are passed over, as libjpeg does", () => {
    const bytes = bytesOf(jpeg.file);
    const loose = Uint8Array.from([...bytes.subarray(0, 20), 0, 7, 0xff, 0x01, 0xff, ...bytes.subarray(20)]);
    expect(decodeImage(loose)).toEqual(decodeImage(bytes));
    expect(imageSize(loose)).toEqual({ width: 45, height: 37 });
  });

  it("half a JPEG is refused, not filled with gray", () => {
    const bytes = bytesOf(jpeg.file);
    expect(() => decodeImage(bytes.subarray(0, bytes.length - 200))).toThrow(/truncated|damaged/);
  });

  it("a small file that claims to be huge is refused before anything is allocated", () => {
    const png = bytesOf(rgb.file);
    new DataView(png.buffer).setUint32(16, 9000);
    new DataView(png.buffer).setUint32(20, 9000);
    expect(() => decodeImage(png)).toThrow(/cannot hold|fewer pixels/);
    const bytes = bytesOf(jpeg.file);
    const frame = bytes.findIndex((b, i) => b === 0xff && bytes[i + 1] === 0xc0);
    new DataView(bytes.buffer).setUint16(frame + 5, 9000);
    new DataView(bytes.buffer).setUint16(frame + 7, 9000);
    expect(() => decodeImage(bytes)).toThrow("cannot hold 9000×9000");
    expect(() => decodeImage(bytesOf(jpeg.file), { maxPixels: 1000 })).toThrow("45×37 pixels, at most 1,000");
  });
});

describe("as networks want them", () => {
  const { scene, width, height, to } = golden.resized;
  const image = { width, height, channels: 3 as const, data: Uint8Array.from(inflateSync(bytesOf(scene))) };

  it.each(to)("resized to $width×$height as torch does", ({ width: w, height: h, sum, some }) => {
    const out = resizeBilinear(toPlanar(image), w, h);
    expect([out.width, out.height, out.data.length]).toEqual([w, h, 3 * w * h]);
    const step = Math.max(1, Math.floor(out.data.length / 60));
    for (const [i, value] of some.entries()) expect(out.data[i * step]).toBeCloseTo(value, 6);
    expect(out.data.reduce((a, b) => a + b, 0)).toBeCloseTo(sum, 2);
  });

  it("fits sides as torchvision: 640×480 to 1066×800, a strip by its long side", () => {
    expect(fittedSize(640, 480, 800, 1333)).toEqual({ width: 1066, height: 800 });
    expect(fittedSize(2000, 400, 800, 1333)).toEqual({ width: 1333, height: 266 });
    expect(fittedSize(640, 480, 240)).toEqual({ width: 320, height: 240 });
    expect(() => fittedSize(10, 10, 0)).toThrow("above 0");
  });

  it("repeats gray, weighs colours, normalises, pads and places", () => {
    const gray = { width: 2, height: 1, channels: 1 as const, data: Uint8Array.of(0, 255) };
    expect([...toPlanar(gray).data]).toEqual([0, 1, 0, 1, 0, 1]);
    const red = { width: 1, height: 1, channels: 3 as const, data: Uint16Array.of(65535, 0, 0) };
    expect(toPlanar(red, 1).data[0]).toBeCloseTo(0.299, 6);
    const white = { width: 1, height: 1, channels: 3, data: Float32Array.of(1, 1, 1) };
    normalizePlanar(white, imageNetStatistics);
    expect(white.data[2]).toBeCloseTo((1 - 0.406) / 0.225, 5);
    expect([paddedLength(33), paddedLength(32), paddedLength(5, 4)]).toEqual([64, 32, 8]);
    const batch = new Float32Array(2 * 1 * 2 * 3);
    placeInBatch({ width: 2, height: 1, channels: 1, data: Float32Array.of(7, 8) }, batch, 1, 3, 2);
    expect([...batch]).toEqual([0, 0, 0, 0, 0, 0, 7, 8, 0, 0, 0, 0]);
  });
});
