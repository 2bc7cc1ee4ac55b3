/** A case from its files into memory, ready to cut patches from or to predict on. */
import { type ForegroundVoxels, foregroundVoxels, type PreparedSample } from "../../augment/index.ts";
import { readVolume } from "../../files/index.ts";
import { spacingOf } from "../../volume/affine.ts";
import { cropOrPad, foregroundBox, growBox, type VoxelBox } from "../../volume/crop.ts";
import { mapAxes, type Volume } from "../../volume/types.ts";
import type { ReadVolume } from "../batches/cache.ts";
import type { Problem } from "../problem.ts";
import type { DataCase } from "../types.ts";
import { type PreprocessedImage, type Preprocessing, preprocess, preprocessLabel } from "./preprocess.ts";
import { labelProblems, readImage, readLabel } from "./read-case.ts";

/** A case as a network sees it: `image` `[C, D, H, W]`, `label` class indices `[D, H, W]`, −1 for voxels that do not count. */
export interface PreparedCase extends PreparedSample {
  readonly id: string;
  readonly label: Int16Array | null;
  readonly spatial: readonly [number, number, number];
  readonly spacingMm: readonly [number, number, number];
  readonly foreground: ForegroundVoxels;
}

/**
 * Reads and preprocesses a case, and says what is wrong with its label map; without `withLabel`, its label map is left alone.
 * @param read where the files' voxels come from; its default is the disk
 * @throws DataError or GeometryError naming the case.
 */
export async function prepareCase(
  item: DataCase,
  spec: Preprocessing,
  withLabel: boolean,
  read: ReadVolume = readVolume,
): Promise<PreparedCase & Pick<PreprocessedImage, "original"> & { readonly problems: readonly Problem[] }> {
  const whole = await readImage(item, read);
  const wholeLabel = withLabel ? await readLabel(item, whole, read) : undefined;
  const problems = wholeLabel === undefined ? [] : labelProblems(item, wholeLabel, spec.labels, "plan.json");
  const box =
    spec.regionMarginMm === undefined
      ? undefined
      : wholeLabel && regionOf(countedOf(wholeLabel, item.ignoreLabel), spec.regionMarginMm);
  const image = box === undefined ? whole : { ...cropOrPad(whole, box), name: item.id };
  const { volume, original } = preprocess(image, spec);
  const own = box === undefined ? wholeLabel : wholeLabel && { ...cropOrPad(wholeLabel, box), name: item.id };
  const label = own === undefined ? null : preprocessLabel(own, image, spec, item.ignoreLabel).volume.data;
  return {
    id: item.id,
    image: volume.data,
    label,
    channels: volume.channels,
    spatial: [volume.size[2], volume.size[1], volume.size[0]],
    spacingMm: spacingOf(volume.affine) as [number, number, number],
    foreground: label ? foregroundVoxels(label) : { classes: [], voxels: [] },
    original,
    problems,
  };
}

/** The label map with background where voxels do not count. */
function countedOf<V extends Volume>(label: V, ignoreLabel: number | undefined): V {
  if (ignoreLabel === undefined) return label;
  const data = label.data.map((value: number | bigint) => (value === ignoreLabel ? 0 : value) as never);
  return { ...label, data };
}

/** The box around what a mask marks and a margin, cut to the mask's grid; undefined where it marks nothing. */
export function regionOf(mask: Volume, marginMm: number): VoxelBox | undefined {
  const box = foregroundBox(mask);
  const spacing = spacingOf(mask.affine);
  return (
    box &&
    growBox(
      box,
      mapAxes(spacing, (mm) => Math.ceil(marginMm / mm)),
      mask.size,
    )
  );
}
