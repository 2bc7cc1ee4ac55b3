/**
 * Damaged pictures: the files of `fixtures/images` with bytes flipped, cut, doubled, or overwritten by markers and huge
 * sizes; checksums of half the PNGs made right again, so that what lies behind them is reached. Each must be read or
 * refused by a `DataError`, at once and in little memory.
 */
import { readFileSync } from "node:fs";
import { crc32 } from "node:zlib";
import { expect, test } from "vitest";
import { DataError } from "../src/errors.ts";
import { decodeImage } from "../src/images/index.ts";
import { type Random, random } from "../src/random.ts";
import { count } from "./nightly.ts";

const { pictures } = JSON.parse(
  readFileSync(new URL("fixtures/images/golden/pillow.json", import.meta.url), "utf8"),
) as {
  pictures: { name: string; file: string }[];
};

const mutants = count(10_000);

test(`${mutants} damaged pictures are read or refused below 1 GB`, () => {
  const counts = { read: 0, refused: 0 };
  let [peak, slowest] = [0, 0];
  for (let i = 0; i < mutants; i++) {
    const picture = pictures[i % pictures.length];
    const stream = random(1, `picture/${i}`);
    const bytes = mutant(Uint8Array.from(Buffer.from(picture.file, "base64")), stream);
    if (picture.name.startsWith("png") && i % 2 === 0) mendChecksums(bytes);
    const began = performance.now();
    try {
      const { width, height, channels, data } = decodeImage(bytes, { name: "mutant" });
      expect(data.length).toBe(width * height * channels);
      counts.read++;
    } catch (error) {
      if (!(error instanceof DataError)) throw new Error(`${picture.name}, mutant ${i}`, { cause: error });
      expect(error.message).toMatch(/^mutant: /);
      counts.refused++;
    }
    slowest = Math.max(slowest, performance.now() - began);
    if (i % 100 === 0) peak = Math.max(peak, process.memoryUsage().rss);
  }
  expect(peak / 2 ** 20).toBeLessThan(1024);
  // The mutator is of use only if it neither breaks everything nor nothing.
  expect(counts.read).toBeGreaterThan(mutants / 20);
  expect(counts.refused).toBeGreaterThan(mutants / 5);
});

function mutant(original: Uint8Array, stream: Random): Uint8Array {
  let bytes = original.slice();
  for (let edits = 1 + stream.integer(3); edits > 0; edits--) {
    const at = stream.integer(bytes.length);
    const kind = stream.integer(6);
    if (kind === 0) bytes[at] ^= 1 << stream.integer(8);
    else if (kind === 1) bytes[at] = stream.integer(256);
    else if (kind === 2) bytes = bytes.slice(0, Math.max(2, at));
    else if (kind === 3) bytes.set([0xff, 0xc0 + stream.integer(0x30)].slice(0, bytes.length - at), at);
    else if (kind === 4) bytes.set([0xff, 0xff, 0xff, 0xff].slice(0, Math.min(4, bytes.length - at)), at);
    else {
      const part = bytes.slice(at, at + 1 + stream.integer(40));
      bytes = Uint8Array.from([...bytes.subarray(0, at), ...part, ...bytes.subarray(at)]);
    }
  }
  return bytes;
}

function mendChecksums(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer);
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    if (at + 12 + length > bytes.length) return;
    view.setUint32(at + 8 + length, crc32(bytes.subarray(at + 4, at + 8 + length)));
    at += 12 + length;
  }
}
