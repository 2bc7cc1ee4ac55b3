import { describe, expect, it } from "vitest";
import { ShapeError } from "../errors.ts";
import { random } from "../random.ts";
import type { Vec3 } from "../volume/types.ts";
import { type Block, drawLesion, ellipsoidBox, isFree, paintEllipsoid, pasteLesion, solidNodules } from "./lesions.ts";

const sceneOf = (size: Vec3, value: number): Block => ({
  size,
  data: new Float32Array(size[0] * size[1] * size[2]).fill(value),
});
const at = ({ data, size }: Block, x: number, y: number, z: number): number => data[x + size[0] * (y + size[1] * z)];

describe("pasting", () => {
  const crop = { ...sceneOf([9, 9, 9], 50), id: "n", mask: new Uint8Array(729) };
  for (let z = 3; z < 6; z++)
    for (let y = 3; y < 6; y++) for (let x = 3; x < 7; x++) crop.mask[x + 9 * (y + 9 * z)] = 1;

  it("puts the outline's voxels where they belong, fades beyond them, and says its box", () => {
    const scene = sceneOf([20, 20, 20], -800);
    expect([...pasteLesion(scene, crop, [5, 6, 7], 1)]).toEqual([8, 9, 10, 12, 12, 13]);
    expect(at(scene, 8, 9, 10)).toBe(50);
    expect(at(scene, 11, 11, 12)).toBe(50);
    expect(at(scene, 7, 10, 11)).toBeGreaterThan(-800);
    expect(at(scene, 7, 10, 11)).toBeLessThan(50);
    expect(at(scene, 6, 10, 11)).toBeLessThan(at(scene, 7, 10, 11));
    expect(at(scene, 0, 0, 0)).toBe(-800);
  });

  it("may hang over the edge with its surroundings, not with its outline", () => {
    expect([...pasteLesion(sceneOf([20, 20, 20], 0), crop, [-3, -3, -3], 1)]).toEqual([0, 0, 0, 4, 3, 3]);
    expect(() => pasteLesion(sceneOf([20, 20, 20], 0), crop, [-4, 0, 0])).toThrow(ShapeError);
    expect(() => pasteLesion(sceneOf([20, 20, 20], 0), { ...crop, mask: new Uint8Array(729) }, [0, 0, 0])).toThrow(
      "empty",
    );
  });
});

describe("ellipsoids", () => {
  it("along the axes: a box of its radii", () => {
    const rotation = [1, 0, 0, 0, 1, 0, 0, 0, 1];
    expect([...ellipsoidBox({ centre: [10, 11, 12], radii: [2, 3, 4], rotation })]).toEqual([8, 8, 8, 12, 14, 16]);
    // A quarter turn about z.
    const turned = ellipsoidBox({ centre: [10, 11, 12], radii: [2, 3, 4], rotation: [0, -1, 0, 1, 0, 0, 0, 0, 1] });
    expect([...turned]).toEqual([7, 9, 8, 13, 13, 16]);
  });

  it("painted, their half-way surface fills their box to within a voxel, however they lie", () => {
    for (let seed = 0; seed < 25; seed++) {
      const stream = random(seed, "lesion");
      const lesion = { ...drawLesion(solidNodules, [20.3, 19.6, 20.1], stream), value: 100, texture: 0, edge: 1 };
      const scene = sceneOf([40, 40, 40], 0);
      const box = paintEllipsoid(scene, lesion, stream);
      const bounds = [40, 40, 40, 0, 0, 0];
      scene.data.forEach((value, i) => {
        if (value < 50) return;
        [i % 40, Math.floor(i / 40) % 40, Math.floor(i / 1600)].forEach((v, axis) => {
          bounds[axis] = Math.min(bounds[axis], v);
          bounds[3 + axis] = Math.max(bounds[3 + axis], v + 1);
        });
      });
      bounds.forEach((corner, i) => {
        expect(Math.abs(corner - box[i])).toBeLessThan(1.2);
      });
    }
  });

  it("keeps apart from others", () => {
    const box = Float64Array.of(0, 0, 0, 4, 4, 4);
    expect(isFree(box, [Float64Array.of(4.5, 0, 0, 8, 4, 4)], 1)).toBe(false);
    expect(isFree(box, [Float64Array.of(4.5, 0, 0, 8, 4, 4)], 0)).toBe(true);
  });
});
