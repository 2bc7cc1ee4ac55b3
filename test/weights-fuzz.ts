/**
 * Damaged PyTorch checkpoints: files that PyTorch wrote (`test/fixtures/weights`), with bytes flipped, cut, doubled, overwritten by
 * instructions of a pickle or by huge lengths. Each must be read or refused by a `WeightsError`, at once.
 */
import { readFileSync } from "node:fs";
import { WeightsError } from "../src/errors.ts";
import { type Random, random } from "../src/random.ts";
import { decodeTorch } from "../src/weights/index.ts";

export interface WeightsFuzzReport {
  readonly mutants: number;
  readonly read: number;
  readonly refused: number;
  /** Of every other outcome, the first ones: mutant, error. */
  readonly failures: readonly string[];
  readonly slowestMs: number;
  readonly peakMegabytes: number;
}

const folder = new URL("./fixtures/weights/", import.meta.url);
const names = ["wrapped-zip.pth", "wrapped-legacy.pth", "bare-zip.pth", "bare-legacy.pth"] as const;

/** Bytes that mean something to a pickle. */
const instructions = [
  ...new TextEncoder().encode("(.0122cQRbudestaq}])NJKMXUGh"),
  0x80,
  0x81,
  0x85,
  0x86,
  0x87,
  0x8a,
  0x8b,
  0x93,
  0x94,
  0x95,
];

export function fuzzWeights({ count, seed }: { count: number; seed: number }): WeightsFuzzReport {
  const originals = names.map((name) => new Uint8Array(readFileSync(new URL(name, folder))));
  const failures: string[] = [];
  let [read, refused, slowestMs, peak] = [0, 0, 0, 0];
  for (let i = 0; i < count; i++) {
    const stream = random(seed, `mutant/${i}`);
    const bytes = mutant(originals[i % originals.length], stream);
    const began = performance.now();
    try {
      decodeTorch(bytes, "mutant.pth");
      read++;
    } catch (error) {
      if (error instanceof WeightsError) refused++;
      else if (failures.length < 10) failures.push(`${names[i % names.length]} ${i}: ${String(error)}`);
      else break;
    }
    slowestMs = Math.max(slowestMs, performance.now() - began);
    if (i % 100 === 0) peak = Math.max(peak, process.memoryUsage().rss);
  }
  return { mutants: count, read, refused, failures, slowestMs, peakMegabytes: peak / 2 ** 20 };
}

function mutant(original: Uint8Array, stream: Random): Uint8Array {
  let bytes = original.slice();
  const changes = 1 + stream.integer(4);
  for (let k = 0; k < changes; k++) {
    const at = stream.integer(bytes.length);
    switch (stream.integer(7)) {
      case 0:
        bytes[at] ^= 1 << stream.integer(8);
        break;
      case 1:
        bytes[at] = stream.integer(256);
        break;
      case 2:
        bytes[at] = instructions[stream.integer(instructions.length)];
        break;
      case 3:
        bytes = bytes.slice(0, Math.max(1, at));
        break;
      case 4: {
        // A length or a count that nothing has.
        const huge = [0xff, 0xff, 0xff, stream.integer(2) === 0 ? 0x7f : 0xff];
        bytes.set(huge.slice(0, Math.min(4, bytes.length - at)), at);
        break;
      }
      case 5: {
        const length = Math.min(1 + stream.integer(32), bytes.length - at);
        bytes.copyWithin(stream.integer(bytes.length - length + 1), at, at + length);
        break;
      }
      default: {
        const piece = bytes.slice(at, at + 1 + stream.integer(32));
        const longer = new Uint8Array(bytes.length + piece.length);
        longer.set(bytes.subarray(0, at));
        longer.set(piece, at);
        longer.set(bytes.subarray(at), at + piece.length);
        bytes = longer;
      }
    }
  }
  return bytes;
}
