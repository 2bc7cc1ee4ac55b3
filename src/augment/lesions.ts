/**
 * Lesions put into volumes: crops of real ones blended in along their outline, and made-up ellipsoids whose boxes are known
 * exactly. Intensities are HU or whatever both have in common; arrays are `[D, H, W]`, x fastest.
 */
import { iouOf } from "../boxes/index.ts";
import { ShapeError } from "../errors.ts";
import type { Random } from "../random.ts";
import { eachAxis, type Vec3 } from "../volume/types.ts";
import { gaussianBlur } from "./blur.ts";

/** A block of voxels. */
export interface Block {
  readonly data: Float32Array;
  /** Along x, y, z. */
  readonly size: Vec3;
}

/** A real lesion, cut out with some surroundings. */
export interface LesionCrop extends Block {
  /** Case it came from. */
  readonly id: string;
  /** Share of every voxel that is inside its outline, 0 to 1. */
  readonly mask: Uint8Array | Float32Array;
  /** Its box in the crop, half-open; where left out, that of the voxels which are at least half inside. */
  readonly box?: Float64Array;
}

/**
 * Blends a lesion into a scene: its own voxels inside the outline, less and less of them over about `2 · blendVoxels`
 * beyond it.
 * @param at voxel of the scene that the crop's first voxel comes to
 * @returns the outline's box in the scene, half-open
 * @throws ShapeError where the outline would lie outside the scene, or is empty
 */
export function pasteLesion(scene: Block, lesion: LesionCrop, at: Vec3, blendVoxels = 1): Float64Array {
  const [nx, ny, nz] = lesion.size;
  const weight = Float32Array.from(lesion.mask);
  if (blendVoxels > 0) {
    gaussianBlur(weight, 0, { depth: nz, height: ny, width: nx }, blendVoxels);
    // At a straight edge the blurred mask is ½: doubled, the inside is the lesion alone.
    for (let i = 0; i < weight.length; i++) {
      const own = lesion.mask[i];
      weight[i] = own >= 0.5 ? 1 : Math.max(own, Math.min(1, 2 * weight[i]));
    }
  }
  const box = lesion.box ?? maskBox(lesion);
  if (box === undefined) throw new ShapeError(`${lesion.id}: its outline is empty`);
  const moved = box.map((corner, i) => corner + at[i % 3]);
  if (moved.some((corner, i) => corner < 0 || corner > scene.size[i % 3])) {
    throw new ShapeError(`${lesion.id}: at ${at.join(",")} it would lie outside the scene of ${scene.size.join("×")}`);
  }
  forEachInside(scene, lesion.size, at, (to, from) => {
    const w = weight[from];
    if (w > 0) scene.data[to] += w * (lesion.data[from] - scene.data[to]);
  });
  return moved;
}

/** A made-up lesion. */
export interface Ellipsoid {
  /** Centre, in voxel corners of the scene. */
  readonly centre: Vec3;
  /** Half axes in voxels. */
  readonly radii: Vec3;
  /** Rotation matrix, row by row. */
  readonly rotation: readonly number[];
  /** Intensity inside. */
  readonly value: number;
  /** Standard deviation of the texture inside. */
  readonly texture: number;
  /** Width of its edge in voxels: 1 is a sharp edge seen through voxels. */
  readonly edge: number;
}

/** The box that just holds an ellipsoid. */
export function ellipsoidBox({
  centre,
  radii,
  rotation,
}: Pick<Ellipsoid, "centre" | "radii" | "rotation">): Float64Array {
  const out = new Float64Array(6);
  for (let axis = 0; axis < 3; axis++) {
    const reach = Math.hypot(...radii.map((r, k) => rotation[3 * axis + k] * r));
    out[axis] = centre[axis] - reach;
    out[3 + axis] = centre[axis] + reach;
  }
  return out;
}

/** Paints an ellipsoid over a scene and returns its box. */
export function paintEllipsoid(scene: Block, ellipsoid: Ellipsoid, random: Random): Float64Array {
  const { centre, radii, rotation, value, texture, edge } = ellipsoid;
  const box = ellipsoidBox(ellipsoid);
  const low = eachAxis((axis) => Math.floor(box[axis] - edge));
  const size = eachAxis((axis) => Math.ceil(box[3 + axis] + edge) - low[axis]);
  const mean = Math.cbrt(radii[0] * radii[1] * radii[2]);
  forEachInside(scene, size, low, (to, _, x, y, z) => {
    const d = [x + 0.5 - centre[0], y + 0.5 - centre[1], z + 0.5 - centre[2]];
    // Along its own axes, as shares of the radii; then about how many voxels beyond the surface.
    const own = radii.map((r, k) => (rotation[k] * d[0] + rotation[3 + k] * d[1] + rotation[6 + k] * d[2]) / r);
    const beyond = (Math.hypot(...own) - 1) * mean;
    const share = Math.min(1, Math.max(0, 0.5 - beyond / edge));
    if (share === 0) return;
    scene.data[to] += share * (value + texture * random.normal() - scene.data[to]);
  });
  return box;
}

/** What made-up lesions are like; lengths in voxels. */
export interface LesionKind {
  /** Mean radius. */
  readonly radius: readonly [low: number, high: number];
  /** How much longer an axis may be than another. */
  readonly elongation: number;
  readonly value: readonly [low: number, high: number];
  readonly texture: number;
  readonly edge: readonly [low: number, high: number];
}

/** Solid lung nodules of 8 to 28 mm in voxels of 2 mm, in HU. */
export const solidNodules: LesionKind = {
  radius: [2, 7],
  elongation: 1.6,
  value: [-120, 60],
  texture: 25,
  edge: [1, 2],
};

/** Draws a lesion; where it lies is up to the caller. */
export function drawLesion(kind: LesionKind, centre: Vec3, random: Random): Ellipsoid {
  // Radii on a logarithmic scale: small lesions are the usual ones.
  const radius = Math.exp(random.between(Math.log(kind.radius[0]), Math.log(kind.radius[1])));
  const stretch = () => kind.elongation ** random.between(-0.5, 0.5);
  return {
    centre,
    radii: [radius * stretch(), radius * stretch(), radius * stretch()],
    rotation: randomRotation(random),
    value: random.between(...kind.value),
    texture: kind.texture,
    edge: random.between(...kind.edge),
  };
}

/** Whether a box (with a margin) meets none of the others. */
export function isFree(box: Float64Array, others: readonly Float64Array[], margin = 1): boolean {
  const wide = box.map((corner, i) => (i < 3 ? corner - margin : corner + margin));
  return others.every((other) => iouOf(wide, 0, other, 0, 3) === 0);
}

/** The box of the voxels that are at least half inside, half-open corners; `undefined` where there is none. */
export function maskBox({ mask, size: [nx, ny, nz] }: Pick<LesionCrop, "mask" | "size">): Float64Array | undefined {
  const box = Float64Array.of(nx, ny, nz, 0, 0, 0);
  for (let i = 0; i < mask.length; i++) {
    if (mask[i] < 0.5) continue;
    const at = [i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny))];
    for (let axis = 0; axis < 3; axis++) {
      box[axis] = Math.min(box[axis], at[axis]);
      box[3 + axis] = Math.max(box[3 + axis], at[axis] + 1);
    }
  }
  return box[0] < box[3] ? box : undefined;
}

/** Uniform over all rotations: a unit quaternion of four normals (Muller 1959). */
function randomRotation(random: Random): number[] {
  const q = [random.normal(), random.normal(), random.normal(), random.normal()];
  const length = Math.hypot(...q);
  const [w, x, y, z] = q.map((v) => v / length);
  return [
    ...[1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
    ...[2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
    ...[2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
  ];
}

/** Every voxel of a block of `size` whose first voxel is at `at` of the scene, as far as it lies in it. */
function forEachInside(
  scene: Block,
  [nx, ny, nz]: Vec3,
  at: Vec3,
  visit: (to: number, from: number, x: number, y: number, z: number) => void,
): void {
  const [width, height, depth] = scene.size;
  for (let z = Math.max(0, -at[2]); z < nz && at[2] + z < depth; z++) {
    for (let y = Math.max(0, -at[1]); y < ny && at[1] + y < height; y++) {
      for (let x = Math.max(0, -at[0]); x < nx && at[0] + x < width; x++) {
        const [u, v, w] = [at[0] + x, at[1] + y, at[2] + z];
        visit(u + width * (v + height * w), x + nx * (y + ny * z), u, v, w);
      }
    }
  }
}
