import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { solidNodules } from "../../augment/index.ts";
import { ConfigError, DataError } from "../../errors.ts";
import type { Vec3 } from "../../volume/types.ts";
import { openDetection } from "../boxes/detection.ts";
import {
  type GroupedLesion,
  type Lung,
  lesionScenes,
  readLesionCrops,
  readLungs,
  type SceneOptions,
  writeScenes,
} from "./lesion-scenes.ts";

const affine = [-2, 0, 0, 100, 0, -2, 0, 80, 0, 0, 2, -50, 0, 0, 0, 1];
function lungOf(group: string, seed: number): Lung {
  const size: Vec3 = [60, 50, 40];
  const data = Float32Array.from({ length: 60 * 50 * 40 }, (_, i) => -800 + ((i * 37 + seed) % 101));
  // One known nodule, and one that is not for certain.
  const boxes = Float64Array.of(10, 10, 10, 14, 14, 14, 40, 30, 20, 44, 34, 24);
  return {
    group,
    image: { data, size, affine, channels: 1 },
    mask: new Uint8Array(data.length).fill(1),
    boxes,
    difficult: [0, 1],
  };
}
function lesionOf(id: string, group: string): GroupedLesion {
  const mask = new Uint8Array(9 ** 3);
  for (let z = 3; z < 6; z++) for (let y = 3; y < 6; y++) mask.fill(1, 9 * (9 * z + y) + 3, 9 * (9 * z + y) + 6);
  return { id, group, size: [9, 9, 9], data: new Float32Array(729).fill(40), mask };
}
const options: SceneOptions = {
  lungs: [lungOf("A", 0), lungOf("B", 1)],
  lesions: [lesionOf("a", "A"), lesionOf("b", "B"), lesionOf("c", "C")],
  count: 30,
  size: [32, 32, 32],
  seed: 5,
};

describe("scenes", () => {
  it("hold lesions where they say, apart from each other, the same bits by the same seed", () => {
    const scenes = [...lesionScenes(options)];
    expect(scenes.length).toBe(30);
    expect(new Set(scenes.map(({ group }) => group))).toEqual(new Set(["A", "B"]));
    for (const { volume, boxes, from, difficult } of scenes) {
      expect(boxes.length).toBe(6 * from.length);
      from.forEach((id, i) => {
        if (id === "own") return;
        const [x, y, z] = [0, 1, 2].map((axis) => Math.floor((boxes[6 * i + axis] + boxes[6 * i + 3 + axis]) / 2));
        expect(volume.data[x + 32 * (y + 32 * z)]).toBe(40);
        expect(difficult[i]).toBe(0);
      });
    }
    expect([...lesionScenes(options)].map(({ volume }) => volume.data)).toEqual(
      scenes.map(({ volume }) => volume.data),
    );
    // Some windows hold the nodules that were there before.
    expect(scenes.some(({ from }) => from.includes("own"))).toBe(true);
  });

  it("nothing of a held-out patient takes part", () => {
    const scenes = [...lesionScenes({ ...options, heldOut: ["A"] })];
    for (const { group, from } of scenes) {
      expect(group).toBe("B");
      expect(from).not.toContain("a");
    }
    expect(scenes.some(({ from }) => from.includes("c"))).toBe(true);
    expect(() => [...lesionScenes({ ...options, heldOut: ["A", "B"] })]).toThrow(ConfigError);
    expect(() => [...lesionScenes({ ...options, heldOut: ["A", "C"], lesions: [lesionOf("a", "A")] })]).toThrow(
      "lesion",
    );
    expect(() => [...lesionScenes({ ...options, size: [64, 32, 32] })]).toThrow(DataError);
  });

  it("ellipsoids by the hundred, what was there before neither right nor wrong", () => {
    const scenes = [
      ...lesionScenes({ ...options, lesions: { ...solidNodules, radius: [2, 4] }, perScene: [2, 4], own: "difficult" }),
    ];
    const made = scenes.flatMap(({ from }) => from.filter((id) => id === "made")).length;
    expect(made).toBeGreaterThan(60);
    for (const { from, difficult, boxes } of scenes) {
      from.forEach((id, i) => {
        expect(difficult[i]).toBe(id === "own" ? 1 : 0);
        for (let axis = 0; axis < 3; axis++) {
          expect(boxes[6 * i + axis]).toBeGreaterThanOrEqual(0);
          expect(boxes[6 * i + 3 + axis]).toBeLessThanOrEqual(32);
        }
      });
    }
  });

  it("written, they are read back as a data set", async () => {
    const root = await mkdtemp(join(tmpdir(), "medvox-scenes-"));
    const scenes = [...lesionScenes({ ...options, count: 4, perScene: [1, 3] })];
    expect(await writeScenes(root, scenes, { split: "train" })).toBe(4);
    const set = await openDetection(join(root, "boxes.csv"));
    expect(set.problems).toEqual([]);
    for (const [i, item] of set.items.entries()) {
      expect([item.id, item.group, item.split]).toEqual([scenes[i].id, scenes[i].group, "train"]);
      expect(item.difficult).toEqual(scenes[i].difficult);
      item.boxes.forEach((corner, k) => {
        expect(corner).toBeCloseTo(scenes[i].boxes[k], 3);
      });
    }
    await rm(root, { recursive: true });
  });
});

const shared = new URL("../../../../shared/data/", import.meta.url).pathname;
describe.skipIf(!existsSync(shared))("real lungs and nodules (needs ../shared)", () => {
  it("lidc-nodules in lidc-ct, the CT that is tested on and its nodules left out", async () => {
    const lungs = await readLungs(await openDetection(join(shared, "lidc-ct")));
    const lesions = await readLesionCrops(join(shared, "lidc-nodules"), [2, 2, 2]);
    expect([lungs.length, lesions.length]).toEqual([3, 101]);
    expect(lesions[0].size).toEqual([26, 26, 26]);
    expect(lesions.slice(0, 3).map(({ group }) => group)).toEqual([
      "LIDC-IDRI-0001",
      "LIDC-IDRI-0002",
      "LIDC-IDRI-0003",
    ]);
    const heldOut = ["LIDC-IDRI-0003"];
    const scenes = [
      ...lesionScenes({ lungs, lesions, count: 12, size: [64, 64, 64], seed: 1, heldOut, perScene: [1, 3] }),
    ];
    expect(scenes.every(({ group }) => group !== heldOut[0])).toBe(true);
    expect(scenes.flatMap(({ from }) => from)).not.toContain("nodule_0002");
    expect(scenes.flatMap(({ from }) => from).filter((id) => id !== "own").length).toBeGreaterThan(11);
  });
});
