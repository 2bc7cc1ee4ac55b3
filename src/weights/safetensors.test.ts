import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WeightsError } from "../errors.ts";
import { decodeHeader, decodeSafetensors, encodeSafetensors, type WeightTensor } from "./safetensors.ts";

/** A file from a header in JSON and the bytes behind it. */
function file(header: string, data: readonly number[] = []): Uint8Array {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.byteLength + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.byteLength), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.byteLength);
  return bytes;
}

const tensor = (dtype: string, shape: unknown, from: unknown, to: unknown): string =>
  JSON.stringify({ dtype, shape, data_offsets: [from, to] });

const floats = (shape: number[], ...values: number[]): WeightTensor => ({
  dtype: "F32",
  shape,
  data: Float32Array.from(values),
});

describe("decodeSafetensors", () => {
  it("reads a file written by hand", () => {
    const bytes = file(
      `{"__metadata__":{"epoch":"3"},"w":${tensor("F32", [1, 2], 0, 8)},"n":${tensor("U8", [], 8, 9)}}`,
      [0, 0, 128, 63, 0, 0, 0, 192, 7],
    );
    const { tensors, metadata } = decodeSafetensors(bytes);
    expect(metadata).toEqual({ epoch: "3" });
    expect(tensors.get("w")).toEqual({ dtype: "F32", shape: [1, 2], data: Float32Array.of(1, -2) });
    expect(tensors.get("n")).toEqual({ dtype: "U8", shape: [], data: Uint8Array.of(7) });
  });

  it("reads at any alignment", () => {
    for (let shift = 0; shift < 8; shift++) {
      const whole = new Uint8Array(200);
      const bytes = encodeSafetensors(new Map([["w", { dtype: "F64", shape: [1], data: Float64Array.of(Math.PI) }]]));
      whole.set(bytes, shift);
      const read = decodeSafetensors(whole.subarray(shift, shift + bytes.byteLength));
      expect(read.tensors.get("w")?.data).toEqual(Float64Array.of(Math.PI));
    }
  });

  it("takes an empty file of no tensors", () => {
    expect(decodeSafetensors(file("{}"))).toEqual({ tensors: new Map(), metadata: {}, unreadable: new Map() });
  });

  it("keeps names that objects treat in their own way", () => {
    const names = ["__proto__", "constructor", "1", "0"];
    const tensors = new Map(names.map((name, i) => [name, floats([1], i)]));
    const read = decodeSafetensors(encodeSafetensors(tensors, { toString: "x" }));
    expect([...read.tensors.keys()].sort()).toEqual([...names].sort());
    expect(read.tensors.get("__proto__")?.data).toEqual(Float32Array.of(0));
    expect(read.metadata).toEqual({ toString: "x" });
  });
});

describe("a file that breaks a rule is refused with the tensor and the rule", () => {
  const w = tensor("F32", [2], 0, 8);
  const eight = [0, 0, 0, 0, 0, 0, 0, 0];
  it.each<[string, Uint8Array, RegExp]>([
    ["shorter than its length field", Uint8Array.of(1, 2, 3), /3 bytes long; a safetensors file has at least 8/],
    ["header over 100 MB", new Uint8Array(16).fill(255), /the format allows 100000000/],
    ["cut off in the header", file(`{"w":${w}}`, eight).subarray(0, 20), /does not fit into the file of 20 bytes/],
    ["cut off in the data", file(`{"w":${w}}`, eight.slice(1)), /take 8 bytes, the file has 7/],
    ["bytes behind the end", file(`{"w":${w}}`, [...eight, 0]), /take 8 bytes, the file has 9/],
    ["not JSON", file("{w}"), /header is not JSON in UTF-8/],
    ["a list", file("[]"), /does not begin with '\{'/],
    ["leading space", file(" {}"), /does not begin with '\{'/],
    ["no header", new Uint8Array(8), /does not begin with '\{'/],
    ["not UTF-8", file(`{"w":${w}}`, eight).with(10, 255), /header is not JSON in UTF-8/],
    ["name twice", file(`{"w":${w},"w":${w}}`, eight), /: w: stands twice/],
    [
      "overlap",
      file(`{"w":${w},"v":${tensor("F32", [2], 4, 12)}}`, [...eight, 0, 0, 0, 0]),
      /v: begins at byte 4 and overlaps/,
    ],
    [
      "hole",
      file(`{"w":${w},"v":${tensor("U8", [1], 9, 10)}}`, [...eight, 0, 0]),
      /v: begins at byte 9 and leaves a hole/,
    ],
    ["hole at the start", file(`{"w":${tensor("U8", [1], 1, 2)}}`, [0, 0]), /w: begins at byte 1 and leaves a hole/],
    ["unknown dtype", file(`{"w":${tensor("F9", [8], 0, 8)}}`, eight), /w: dtype "F9" is none of U64/],
    ["too few bytes of a dtype that is not read", file(`{"w":${tensor("C64", [2], 0, 8)}}`, eight), /needs 16/],
    ["inherited dtype", file(`{"w":${tensor("toString", [8], 0, 8)}}`, eight), /w: dtype "toString" is none of/],
    [
      "shape and bytes differ",
      file(`{"w":${tensor("F32", [3], 0, 8)}}`, eight),
      /w: data_offsets span 8 bytes; F32 of shape \[3\] needs 12/,
    ],
    ["negative size", file(`{"w":${tensor("F32", [-2, -1], 0, 8)}}`, eight), /w: shape must be/],
    ["fraction", file(`{"w":${tensor("F32", [0.5, 4], 0, 8)}}`, eight), /w: shape must be/],
    ["uncountable", file(`{"w":${tensor("F32", [2 ** 30, 2 ** 30, 0], 0, 0)}}`), /w: shape must be/],
    ["no shape", file(`{"w":${tensor("F32", null, 0, 8)}}`, eight), /w: shape must be/],
    ["offsets reversed", file(`{"w":${tensor("F32", [2], 8, 0)}}`, eight), /w: data_offsets must be/],
    ["offsets out of range", file(`{"w":${tensor("F32", [2], 0, 1e300)}}`, eight), /w: data_offsets must be/],
    ["one offset", file(`{"w":{"dtype":"F32","shape":[2],"data_offsets":[0]}}`, eight), /w: data_offsets must be/],
    ["entry not an object", file(`{"w":[]}`), /w: is not described by an object/],
    ["metadata not strings", file(`{"__metadata__":{"epoch":3}}`), /__metadata__: epoch is not a string/],
    ["metadata not an object", file(`{"__metadata__":"x"}`), /__metadata__ is not an object/],
  ])("%s", (_, bytes, message) => {
    expect(() => decodeSafetensors(bytes, "a.safetensors")).toThrow(WeightsError);
    expect(() => decodeSafetensors(bytes, "a.safetensors")).toThrow(message);
    expect(() => decodeSafetensors(bytes, "a.safetensors")).toThrow(/^a\.safetensors: /);
  });

  it("tensors of dtypes that are not read are stepped over and told, not the reason to refuse the others", () => {
    const c64 = tensor("C64", [2], 8, 24);
    const text = `{"w":${w},"c":${c64},"q":${tensor("F8_E4M3", [3], 24, 27)},"h":${tensor("F4", [3], 27, 29)}}`;
    const { tensors, unreadable } = decodeSafetensors(file(text, new Array(29).fill(0)), "a.safetensors");
    expect([[...tensors.keys()], Object.fromEntries(unreadable)]).toEqual([["w"], { c: "C64", q: "F8_E4M3", h: "F4" }]);
  });

  it("knows the header alone from the whole file's length", () => {
    const bytes = file(`{"w":${w}}`, eight);
    const head = bytes.subarray(0, bytes.byteLength - 8);
    expect(decodeHeader(head, bytes.byteLength).entries).toEqual([
      { name: "w", dtype: "F32", shape: [2], from: 0, to: 8 },
    ]);
  });
});

describe("encodeSafetensors", () => {
  it("gives the same bytes whatever the order of tensors and metadata, data aligned to 8", () => {
    const a = floats([2], 1, 2);
    const b: WeightTensor = { dtype: "I64", shape: [1], data: BigInt64Array.of(-1n) };
    const one = encodeSafetensors(
      new Map([
        ["a", a],
        ["b", b],
      ]),
      { x: "1", y: "2" },
    );
    const other = encodeSafetensors(
      new Map([
        ["b", b],
        ["a", a],
      ]),
      { y: "2", x: "1" },
    );
    expect(other).toEqual(one);
    const { dataStart, entries } = decodeHeader(one, one.byteLength);
    expect(dataStart % 8).toBe(0);
    expect(entries.map(({ name }) => name)).toEqual(["b", "a"]);
  });

  it.each<[string, string, WeightTensor, RegExp]>([
    ["too few values", "w", floats([3], 1, 2), /w: 2 values do not fill shape \[3\]/],
    [
      "a wrong array",
      "w",
      { dtype: "F32", shape: [1], data: Float64Array.of(1) },
      /w: dtype F32 needs a Float32Array, not a Float64Array/,
    ],
    ["a fractional shape", "w", floats([0.5, 2], 1), /w: shape \[0.5,2\] must be whole numbers/],
    ["a reserved name", "__metadata__", floats([1], 1), /no tensor may be named __metadata__/],
  ])("refuses %s", (_, name, broken, message) => {
    expect(() => encodeSafetensors(new Map([[name, broken]]))).toThrow(message);
  });

  const arbitraryTensor = fc
    .array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 })
    .chain((shape): fc.Arbitrary<WeightTensor> => {
      const length = shape.reduce((a, b) => a * b, 1);
      const of = { minLength: length, maxLength: length };
      return fc.oneof(
        fc.float32Array(of).map((data) => ({ dtype: "F32" as const, shape, data })),
        fc.float64Array(of).map((data) => ({ dtype: "F64" as const, shape, data })),
        fc.uint8Array(of).map((data) => ({ dtype: "U8" as const, shape, data })),
        fc.int16Array(of).map((data) => ({ dtype: "I16" as const, shape, data })),
        fc.bigInt64Array(of).map((data) => ({ dtype: "I64" as const, shape, data })),
      );
    });
  const name = fc.string({ unit: "binary" }).filter((text) => text !== "__metadata__");

  it("comes back whole from decodeSafetensors", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(name, arbitraryTensor)), fc.dictionary(name, fc.string()), (list, metadata) => {
        const tensors = new Map(list);
        const read = decodeSafetensors(encodeSafetensors(tensors, metadata));
        expect(new Map([...read.tensors].sort())).toEqual(new Map([...tensors].sort()));
        expect(Object.entries(read.metadata).sort()).toEqual(Object.entries(metadata).sort());
      }),
    );
  });
});

describe("against the reference implementation (oracle/safetensors_golden.py)", () => {
  const golden = (name: string): Buffer => readFileSync(new URL(`../../test/golden/weights/${name}`, import.meta.url));
  const bytes = golden("all-dtypes.safetensors");
  const values: Record<string, { shape: number[]; values: string[] }> = JSON.parse(
    golden("all-dtypes.json").toString(),
  );
  const python: Record<string, string> = { inf: "Infinity", "-inf": "-Infinity", True: "1", False: "0" };

  it("reads every dtype to the same values", () => {
    const { tensors, metadata } = decodeSafetensors(bytes);
    expect(metadata).toEqual({ format: "pt" });
    expect([...tensors.keys()].sort()).toEqual(Object.keys(values).sort());
    for (const [key, { shape, values: texts }] of Object.entries(values)) {
      const read = tensors.get(key)!;
      expect(read.shape, key).toEqual(shape);
      const big = read.data instanceof BigInt64Array || read.data instanceof BigUint64Array;
      const wanted = texts.map((text) => (big ? BigInt(text) : Number(python[text] ?? text)));
      expect([...read.data], key).toEqual(wanted);
    }
  });

  it("writes the same file, bit by bit", () => {
    const { tensors, metadata } = decodeSafetensors(bytes);
    expect(Buffer.from(encodeSafetensors(tensors, metadata)).equals(bytes)).toBe(true);
  });

  it("gives only sound files or a WeightsError for 20,000 mutations of it", () => {
    const length = 8 + Number(bytes.readBigUInt64LE(0));
    // Half of the edits change a digit into another, which keeps the header JSON and gets past the first checks.
    const digits = [...bytes.subarray(0, length).keys()].filter((i) => bytes[i] >= 0x30 && bytes[i] <= 0x39);
    const edit = fc.oneof(
      fc.tuple(fc.integer({ min: 0, max: length - 1 }), fc.integer({ min: 0, max: 255 })),
      fc.tuple(fc.constantFrom(...digits), fc.integer({ min: 0x30, max: 0x39 })),
    );
    const cut = fc.option(fc.integer({ min: 0, max: bytes.byteLength }), { freq: 8 });
    const outcomes = { read: 0, refused: 0 };
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), cut, (edits, end) => {
        const mutated = Uint8Array.from(bytes);
        for (const [at, byte] of edits) mutated[at] = byte;
        const given = end === null ? mutated : mutated.subarray(0, end);
        try {
          const { tensors } = decodeSafetensors(given);
          for (const { shape, data } of tensors.values()) expect(data.length).toBe(shape.reduce((a, b) => a * b, 1));
          outcomes.read++;
        } catch (error) {
          if (!(error instanceof WeightsError)) throw error;
          outcomes.refused++;
        }
      }),
      { numRuns: 20_000, seed: 2 },
    );
    expect(outcomes.refused).toBeGreaterThan(10_000);
    expect(outcomes.read).toBeGreaterThan(100);
  });
});
