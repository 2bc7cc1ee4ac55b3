import { expect, test } from "vitest";
import { graph, maxPool, relu } from "../../graph/index.ts";
import type { Program } from "../types.ts";
import { checkedLoad, refuseMaxPool, requireDevice } from "./devices.ts";

const pooled = (): Uint8Array => {
  const g = graph();
  return g.toOnnx({ y: maxPool(g.input("x", [1, 1, 4, 4]), { kernel: 2, stride: 2 }) });
};
const plain = (): Uint8Array => {
  const g = graph();
  return g.toOnnx({ y: relu(g.input("x", [2])) });
};
const program = {} as Program;

test("a device that does not work is refused with what it says itself", async () => {
  const probe = async (name: "cpu" | "webgpu" | "cuda") => ({ name, works: false, why: "its library is missing" });
  await expect(requireDevice("cuda", probe)).rejects.toThrow(
    "device cuda: does not work here: its library is missing; use cpu, or see docs/how-to/gpu.md",
  );
  await requireDevice("cpu", probe);
});

test("a device that works is asked once", async () => {
  let asked = 0;
  const probe = async (name: "cpu" | "webgpu" | "cuda") => ({ name, works: ++asked > 0 });
  await requireDevice("webgpu", probe);
  expect(asked).toBe(1);
});

test("WebGPU loads what has no max-pool, and refuses what has one by the program's name", async () => {
  const load = checkedLoad("webgpu", async () => program);
  expect(await load(plain())).toBe(program);
  await expect(load(pooled(), { label: "training step" })).rejects.toThrow(
    /^device webgpu: training step has a max-pool .*"The Indices output is not supported"/,
  );
  expect(await checkedLoad("cpu", async () => program)(pooled())).toBe(program);
});

test("training on WebGPU is refused before there is a program", () => {
  expect(() => refuseMaxPool("webgpu", "the segmentation network")).toThrow("the segmentation network has a max-pool");
  refuseMaxPool("cuda", "the segmentation network");
});
