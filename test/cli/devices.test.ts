/** Devices that cannot do what is asked are refused before any data are looked at. */
import { describe, expect, it } from "vitest";
import { probeDevice } from "../../src/runtime/index.ts";
import { medvox } from "./medvox.ts";

const trainings = [
  ["train", "segmentation", "--data", "nowhere"],
  ["train", "classification", "--data", "nowhere"],
  ["detect", "train", "--data", "nowhere"],
  ["pretrain", "--data", "nowhere"],
];

describe.each(trainings)("medvox %s %s", (...words) => {
  it("refuses WebGPU, whose max-pool has no Indices", async () => {
    const { status, stderr } = await medvox(...words, "--device", "webgpu");
    expect(status).toBe(1);
    expect(stderr).toContain("has a max-pool");
    expect(stderr).toContain('"The Indices output is not supported"');
    expect(stderr).toContain("docs/how-to/gpu.md");
  });

  it("refuses CUDA where its provider is not there", async ({ skip }) => {
    const { works } = await probeDevice("cuda");
    if (works) skip();
    const { status, stderr } = await medvox(...words, "--device", "cuda");
    expect(status).toBe(1);
    expect(stderr).toMatch(/^DeviceError: device cuda: does not work here: /);
  });
});

it("doctor says that they are experimental", async () => {
  const { stdout } = await medvox("doctor", "--json");
  const { devices } = JSON.parse(stdout);
  const told = devices.map(({ name, experimental }: Record<string, string>) => [name, experimental !== undefined]);
  expect(told).toEqual([
    ["cpu", false],
    ["webgpu", true],
    ["cuda", true],
  ]);
});
