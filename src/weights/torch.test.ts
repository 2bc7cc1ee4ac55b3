/** PyTorch checkpoints of both formats, written by PyTorch itself (`oracle/torch_checkpoints.py`) and by hand. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { WeightsError } from "../errors.ts";
import { decodeTorch } from "./index.ts";

const folder = new URL("../../test/fixtures/weights/", import.meta.url);
const read = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(name, folder)));
const expected = JSON.parse(readFileSync(new URL("expected.json", folder), "utf8")) as Record<
  string,
  { dtype: string; shape: number[]; values: (number | string)[] }
>;
const dtypes: Readonly<Record<string, string>> = {
  F32: "float32",
  F64: "float64",
  F16: "float16",
  BF16: "bfloat16",
  I64: "int64",
  I32: "int32",
  U8: "uint8",
  BOOL: "bool",
};

test.each(["wrapped-zip", "wrapped-legacy", "bare-zip", "bare-legacy"])(
  "%s: every tensor as PyTorch has it",
  (name) => {
    const tensors = decodeTorch(read(`${name}.pth`), name);
    const prefix = name.startsWith("wrapped") ? "module." : "";
    expect([...tensors.keys()]).toEqual(Object.keys(expected).map((key) => prefix + key));
    for (const [key, { dtype, shape, values }] of Object.entries(expected)) {
      const { dtype: found, shape: size, data } = tensors.get(prefix + key)!;
      expect([key, dtypes[found], size]).toEqual([key, dtype, shape]);
      expect(
        Array.from(data as Float32Array, (v) => (typeof v === "bigint" ? String(v) : v)),
        key,
      ).toEqual(values);
    }
  },
);

describe("what is refused, by name", () => {
  test.each([
    ["module-zip.pth", "refused to build 'torch.nn.modules.linear.Linear' while unpickling; save its state_dict()"],
    ["module-legacy.pth", "refused to build 'torch.nn.modules.linear.Linear' while unpickling"],
    ["no-tensors.pth", "holds no tensors by name; save model.state_dict()"],
  ])("%s", (name, message) => {
    expect(() => decodeTorch(read(name), name)).toThrow(message);
    expect(() => decodeTorch(read(name), name)).toThrow(WeightsError);
  });

  test("a pickle that would run a program is not run", () => {
    expect(() => decodeTorch(read("evil.pkl"), "evil.pkl")).toThrow(/evil\.pkl: refused to build '(posix|os)\.system'/);
  });
});

/** A legacy checkpoint around a hand-made pickle of its object, with no storages. */
function legacy(object: readonly number[]): Uint8Array {
  const magic = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];
  const protocol = [0x80, 2, 0x4d, 0xe9, 0x03, 0x2e];
  const system = [0x80, 2, 0x7d, 0x2e];
  return Uint8Array.from([...magic, ...protocol, ...system, ...object, 0x80, 2, 0x5d, 0x2e]);
}

describe("bombs", () => {
  test.each<[string, number[], string]>([
    ["a text of 4 GB that is not there", [0x80, 2, 0x58, 0xff, 0xff, 0xff, 0xff, 0x2e], "in the middle of something"],
    ["bytes of 2^60", [0x80, 4, 0x8e, 0, 0, 0, 0, 0, 0, 0, 0x10, 0x2e], "claims a length"],
    ["a whole number of 2 GB", [0x80, 2, 0x8b, 0xff, 0xff, 0xff, 0x7f, 0x2e], "a whole number of 2147483647 bytes"],
    ["an unknown instruction", [0x80, 2, 0xfe, 0x2e], "byte 0xfe"],
    ["an empty stack", [0x80, 2, 0x2e], "takes more from the stack"],
    ["a memo never stored", [0x80, 2, 0x68, 9, 0x2e], "recalls memo 9"],
    ["protocol 9", [0x80, 9, 0x2e], "pickle protocol 9"],
    ["nothing but its head", [0x80, 2], "in the middle of something"],
  ])("%s", (_name, object, message) => {
    expect(() => decodeTorch(legacy(object), "bomb.pth")).toThrow(message);
  });

  test("a million lists in each other, and one in itself, are only without tensors", () => {
    const deep = [0x80, 2, ...new Array<number>(1e6).fill(0x5d), ...new Array<number>(1e6 - 1).fill(0x61), 0x2e];
    expect(() => decodeTorch(legacy(deep), "deep.pth")).toThrow("holds no tensors");
    const cycle = [0x80, 2, 0x5d, 0x71, 0, 0x68, 0, 0x61, 0x2e];
    expect(() => decodeTorch(legacy(cycle), "cycle.pth")).toThrow("holds no tensors");
  });

  test("every cut of a real file is refused, and none takes long", () => {
    for (const name of ["wrapped-zip.pth", "wrapped-legacy.pth"]) {
      const bytes = read(name);
      for (let length = 0; length < bytes.length - 1; length += 7)
        expect(() => decodeTorch(bytes.slice(0, length), name)).toThrow(WeightsError);
    }
  });
});
