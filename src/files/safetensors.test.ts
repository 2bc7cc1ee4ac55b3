import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { ConfigError, WeightsError } from "../errors.ts";
import { decodeSafetensors, encodeSafetensors, type WeightTensor } from "../weights/index.ts";
import { readSafetensors, readSafetensorsHeader, writeSafetensors } from "./safetensors.ts";

const folder = mkdtempSync(join(tmpdir(), "medvox-safetensors-"));
afterAll(() => rmSync(folder, { recursive: true }));

const tensors = new Map<string, WeightTensor>([
  ["w", { dtype: "F32", shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }],
  ["steps", { dtype: "I64", shape: [], data: BigInt64Array.of(412n) }],
  ["mask", { dtype: "BOOL", shape: [3], data: Uint8Array.of(1, 0, 1) }],
]);

describe("safetensors files", () => {
  it("come back as written, and are the bytes of encodeSafetensors", async () => {
    const path = join(folder, "a.safetensors");
    await writeSafetensors(path, tensors, { epoch: "3" });
    expect(new Uint8Array(readFileSync(path))).toEqual(encodeSafetensors(tensors, { epoch: "3" }));
    const read = await readSafetensors(path);
    expect(read.metadata).toEqual({ epoch: "3" });
    expect(new Map([...read.tensors].sort())).toEqual(new Map([...tensors].sort()));
  });

  it("agree with decodeSafetensors on the reference implementation's file", async () => {
    const path = new URL("../../test/golden/weights/all-dtypes.safetensors", import.meta.url).pathname;
    expect(await readSafetensors(path)).toEqual(decodeSafetensors(readFileSync(path)));
    const { entries, metadata } = await readSafetensorsHeader(path);
    expect(entries).toHaveLength(17);
    expect(metadata).toEqual({ format: "pt" });
  });

  it("are not replaced unless forced", async () => {
    const path = join(folder, "b.safetensors");
    await writeSafetensors(path, tensors);
    await expect(writeSafetensors(path, new Map())).rejects.toThrow(ConfigError);
    await writeSafetensors(path, new Map(), {}, { force: true });
    expect((await readSafetensors(path)).tensors.size).toBe(0);
  });

  it.each<[string, () => string, RegExp]>([
    ["a missing file", () => join(folder, "none.safetensors"), /none\.safetensors: no such file/],
    ["a folder", () => folder, /is a folder, not a weights file/],
    ["an empty file", () => write("empty.safetensors", new Uint8Array(0)), /empty\.safetensors: is 0 bytes long/],
    [
      "a cut file",
      () => write("cut.safetensors", encodeSafetensors(tensors).slice(0, -1)),
      /cut\.safetensors: tensors take/,
    ],
  ])("name %s", async (_, path, message) => {
    const error = await readSafetensors(path()).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(WeightsError);
    expect((error as Error).message).toMatch(message);
  });
});

function write(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}
