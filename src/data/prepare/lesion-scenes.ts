/**
 * Training scenes for lesions in CT: windows of real lungs with lesions put into them at random, either crops of real ones
 * along a reader's outline or made-up ellipsoids whose boxes are known exactly (a benchmark with as many as one likes).
 *
 * Whole CTs with outlined nodules are few, crops of nodules are many; a scene joins both. So that nothing leaks, every lung
 * and every lesion carries its patient as `group`, and what is held out takes part in no scene.
 */
import { join } from "node:path";
import {
  drawLesion,
  isFree,
  type LesionCrop,
  type LesionKind,
  maskBox,
  paintEllipsoid,
  pasteLesion,
} from "../../augment/index.ts";
import { boxCount, boxesOnGrid, takeBoxes, translateBoxes, worldBoxOf } from "../../boxes/index.ts";
import { ConfigError, DataError } from "../../errors.ts";
import { makeFolder, readVolume, writeFileAtomic, writeVolume } from "../../files/index.ts";
import { type Random, random } from "../../random.ts";
import { shiftAffine } from "../../volume/affine.ts";
import { resampleToSpacing } from "../../volume/resample/resample.ts";
import { mapAxes, type Vec3, type Volume } from "../../volume/types.ts";
import { asFloat32 } from "../../volume/voxels.ts";
import type { DetectionDataset } from "../boxes/detection.ts";
import { parseCsv } from "../csv.ts";
import { readText } from "../text.ts";

/** A CT with its lungs. */
export interface Lung {
  readonly group: string;
  readonly image: Volume<Float32Array>;
  /** 1 in the lungs. */
  readonly mask: ArrayLike<number>;
  /** Outlined nodules, in voxels, and which of them are not for certain. */
  readonly boxes: Float64Array;
  readonly difficult: ArrayLike<number>;
}

/** A crop of a real lesion, with its patient. */
export interface GroupedLesion extends LesionCrop {
  readonly group: string;
}

export interface SceneOptions {
  readonly lungs: readonly Lung[];
  /** Crops of real lesions, or what made-up ones are like. */
  readonly lesions: readonly GroupedLesion[] | LesionKind;
  readonly count: number;
  /** Voxels along x, y, z. */
  readonly size: Vec3;
  /** Lesions in a scene, both ends possible. Default 0 to 3. */
  readonly perScene?: readonly [fewest: number, most: number];
  /** Patients that must not take part. */
  readonly heldOut?: readonly string[];
  /** What nodules that were there before are: objects like the others (the default), or neither right nor wrong. */
  readonly own?: "objects" | "difficult";
  /** Share of a scene that must be lung. Default 0.35. */
  readonly lungShare?: number;
  readonly seed: number;
}

export interface Scene {
  readonly id: string;
  /** Patient of the lungs. */
  readonly group: string;
  readonly volume: Volume<Float32Array>;
  /** `[R, 6]` in voxels of the scene. */
  readonly boxes: Float64Array;
  /** `[R]`. */
  readonly difficult: Uint8Array;
  /** `[R]`: the crop a box came from; `own` for what was there before, `made` for ellipsoids. */
  readonly from: readonly string[];
}

/**
 * Scene by scene; the same options give the same bits.
 * @throws ConfigError where holding out leaves no lung or no lesion, DataError where no window has lung enough
 */
export function* lesionScenes(options: SceneOptions): Generator<Scene, void, undefined> {
  const { count, seed, heldOut = [], perScene = [0, 3] } = options;
  const held = new Set(heldOut);
  const lungs = options.lungs.filter(({ group }) => !held.has(group));
  if (lungs.length === 0) throw new ConfigError("scenes: every lung is held out");
  const lesions = isKind(options.lesions) ? options.lesions : options.lesions.filter(({ group }) => !held.has(group));
  if (!isKind(lesions) && lesions.length === 0) throw new ConfigError("scenes: every lesion is held out");
  for (let i = 0; i < count; i++) {
    const stream = random(seed, `scene/${i}`);
    const lung = lungs[stream.integer(lungs.length)];
    const scene = cutWindow(lung, options, stream);
    const wanted = perScene[0] + stream.integer(perScene[1] - perScene[0] + 1);
    for (let k = 0; k < wanted; k++) place(scene, lesions, stream);
    const { volume, boxes, difficult, from } = scene;
    yield {
      id: `scene_${String(i).padStart(4, "0")}`,
      group: lung.group,
      volume,
      boxes: Float64Array.from(boxes.flatMap((box) => [...box])),
      difficult: Uint8Array.from(difficult),
      from,
    };
  }
}

interface Draft {
  readonly volume: Volume<Float32Array>;
  /** Voxels of the window that are lung. */
  readonly lung: Int32Array;
  readonly boxes: Float64Array[];
  readonly difficult: number[];
  readonly from: string[];
}

/** Tries for a window, and for the place of a lesion. */
const tries = 200;

/** A window with lung enough, and the nodules it already has (those that it cuts through are left alone by lesions). */
function cutWindow(lung: Lung, { size, own = "objects", lungShare = 0.35 }: SceneOptions, stream: Random): Draft {
  const { image, mask, boxes, difficult, group } = lung;
  const [nx, ny] = image.size;
  if (image.size.some((n, axis) => n < size[axis])) {
    throw new DataError(`${group}: ${image.size.join("×")} voxels hold no scene of ${size.join("×")}`);
  }
  const voxels = size[0] * size[1] * size[2];
  for (let attempt = 0; attempt < tries; attempt++) {
    const low = mapAxes(image.size, (n, axis) => stream.integer(n - size[axis] + 1));
    const data = new Float32Array(voxels);
    const inside: number[] = [];
    for (let z = 0, at = 0; z < size[2]; z++) {
      for (let y = 0; y < size[1]; y++) {
        const row = low[0] + nx * (low[1] + y + ny * (low[2] + z));
        for (let x = 0; x < size[0]; x++, at++) {
          data[at] = image.data[row + x];
          if (mask[row + x] === 1) inside.push(at);
        }
      }
    }
    if (inside.length < lungShare * voxels) continue;
    const moved = translateBoxes(
      boxes,
      low.map((n) => -n),
      3,
    );
    const all = Array.from({ length: boxCount(moved, 3) }, (_, i) => takeBoxes(moved, [i], 3));
    const present = all.map((box, i) => ({ box, i })).filter(({ box }) => overlapsWindow(box, size));
    // Half a nodule at the edge is nobody's object.
    const flags = present.map(({ box, i }) => (own === "difficult" || difficult[i] || !isWithin(box, size) ? 1 : 0));
    return {
      volume: { data, size, affine: shiftAffine(image.affine, low), channels: 1, name: group },
      lung: Int32Array.from(inside),
      boxes: present.map(({ box }) => box.map((v, k) => Math.min(Math.max(v, 0), size[k % 3]))),
      difficult: flags,
      from: present.map(() => "own"),
    };
  }
  throw new DataError(`${group}: no window of ${size.join("×")} voxels is ${100 * lungShare} % lung`);
}

/** Puts one lesion where it is in lung, inside the scene and free of others; where there is no such place, none. */
function place(scene: Draft, lesions: readonly GroupedLesion[] | LesionKind, stream: Random): void {
  const { volume, lung } = scene;
  const [nx, ny] = volume.size;
  const crop = isKind(lesions) ? undefined : lesions[stream.integer(lesions.length)];
  const outline = crop && (crop.box ?? maskBox(crop));
  if (crop && !outline) throw new DataError(`${crop.id}: its outline is empty`);
  for (let attempt = 0; attempt < tries; attempt++) {
    const voxel = lung[stream.integer(lung.length)];
    const at = [voxel % nx, Math.floor(voxel / nx) % ny, Math.floor(voxel / (nx * ny))] as const;
    if (crop && outline) {
      const low = mapAxes(at, (v, axis) => v - Math.floor((outline[axis] + outline[3 + axis]) / 2));
      const box = translateBoxes(outline, low, 3);
      if (!isWithin(box, volume.size) || !isFree(box, scene.boxes)) continue;
      add(scene, pasteLesion(volume, crop, low), crop.id);
      return;
    }
    const lesion = drawLesion(
      lesions as LesionKind,
      mapAxes(at, (v) => v + stream.uniform()),
      stream,
    );
    // One that does not fit is drawn anew: elsewhere, and smaller or larger.
    const reach = Math.max(...lesion.radii);
    const box = Float64Array.from([...lesion.centre.map((c) => c - reach), ...lesion.centre.map((c) => c + reach)]);
    if (!isWithin(box, volume.size) || !isFree(box, scene.boxes)) continue;
    add(scene, paintEllipsoid(volume, lesion, stream), "made");
    return;
  }
}

function add(scene: Draft, box: Float64Array, from: string): void {
  scene.boxes.push(box);
  scene.difficult.push(0);
  scene.from.push(from);
}

function isWithin(box: Float64Array, size: Vec3): boolean {
  return size.every((n, axis) => box[axis] >= 0 && box[3 + axis] <= n);
}

function overlapsWindow(box: Float64Array, size: Vec3): boolean {
  return size.every((n, axis) => box[axis] < n && box[3 + axis] > 0);
}

function isKind(lesions: readonly GroupedLesion[] | LesionKind): lesions is LesionKind {
  return "radius" in lesions;
}

/**
 * The lungs of a data set like lidc-ct, whose masks lie beside the volumes (`X_ct.nii.gz`, `X_lung_auto.nii.gz`).
 * @throws DataError where a volume or a mask is missing
 */
export async function readLungs({ items }: DetectionDataset): Promise<Lung[]> {
  const lungs: Lung[] = [];
  for (const { id, image, boxes, difficult } of items) {
    const volume = await readVolume(image);
    const mask = await readVolume(image.replace(/_ct(\.nii(\.gz)?)$/, "_lung_auto$1"));
    const inside = Uint8Array.from(mask.data as ArrayLike<number>, (value) => (Number(value) > 0 ? 1 : 0));
    lungs.push({ group: id, image: { ...asFloat32(volume), name: id }, mask: inside, boxes, difficult });
  }
  return lungs;
}

/** Scans of lidc-nodules whose patient is known. */
const sharedScans = 3;

/**
 * Crops of nodules like lidc-nodules' (`images`, `masks`, `labels.csv` with the column `scan`), at the spacing of the
 * scenes. Scans 0, 1 and 2 are those of the patients LIDC-IDRI-0001, 0002 and 0003, whose whole CTs are in lidc-ct.
 * @throws DataError naming the file that is missing or damaged
 */
export async function readLesionCrops(folder: string, spacingMm: Vec3): Promise<GroupedLesion[]> {
  const file = join(folder, "labels.csv");
  const { rows } = parseCsv(await readText(file), file);
  const lesions: GroupedLesion[] = [];
  for (const { line, fields } of rows) {
    const { case: id, scan } = fields;
    if (!id || !/^\d+$/.test(scan ?? "")) {
      throw new DataError(`${file}: line ${line}: expected the columns case and scan (a number), found ${id}, ${scan}`);
    }
    const [image, mask] = await Promise.all(
      ["images", "masks"].map((part) => readVolume(join(folder, part, `${id}.nii.gz`))),
    );
    const whole = maskBox({ size: mask.size, mask: Uint8Array.from(mask.data as ArrayLike<number>, Number) });
    if (whole === undefined) throw new DataError(`${id}: its outline is empty`);
    const scaled = resampleToSpacing(image, spacingMm, { mode: "linear" });
    lesions.push({
      id,
      group: Number(scan) < sharedScans ? `LIDC-IDRI-${String(Number(scan) + 1).padStart(4, "0")}` : `scan ${scan}`,
      data: scaled.data,
      size: scaled.size,
      mask: resampleToSpacing(mask, spacingMm, { mode: "linear" }).data,
      // Of the outline as it was drawn: coarse voxels would round a small one away.
      box: boxesOnGrid(whole, mask.affine, scaled.affine),
    });
  }
  return lesions;
}

/**
 * Writes scenes as a data set that `openDetection` reads: `images/*.nii.gz` and `boxes.csv` in RAS millimetres.
 * @throws ConfigError where the folder has one already and `force` is not set
 */
export async function writeScenes(
  folder: string,
  scenes: Iterable<Scene>,
  { split, force }: { readonly split?: "train" | "validation" | "test"; readonly force?: boolean } = {},
): Promise<number> {
  const lines = ["case,x1,y1,z1,x2,y2,z2,class,difficult,group,split"];
  let count = 0;
  await makeFolder(join(folder, "images"));
  for (const { id, group, volume, boxes, difficult } of scenes) {
    const data = Int16Array.from(volume.data, Math.round);
    await writeVolume(join(folder, "images", `${id}.nii.gz`), { ...volume, data }, { force });
    for (let i = 0; i < difficult.length; i++) {
      const { centreMm, sizeMm } = worldBoxOf(boxes, i, volume.affine);
      // Sides are along the voxel axes; scenes are cut from volumes whose axes are the world's.
      const corners = [-0.5, 0.5].flatMap((share) => centreMm.map((c, axis) => +(c + share * sizeMm[axis]).toFixed(4)));
      lines.push([id, ...corners, "nodule", difficult[i], group, split ?? ""].join(","));
    }
    count++;
  }
  await writeFileAtomic(join(folder, "boxes.csv"), `${lines.join("\n")}\n`, { force });
  return count;
}
