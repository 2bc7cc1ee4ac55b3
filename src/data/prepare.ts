/** A case from its files into memory, ready to cut patches from or to predict on. */
import { type ForegroundVoxels, foregroundVoxels, type Sample } from "../augment/index.ts";
import { spacingOf } from "../volume/affine.ts";
import { cropOrPad, foregroundBox, growBox, type VoxelBox } from "../volume/crop.ts";
import { mapAxes, type Volume } from "../volume/types.ts";
import type { DataCase } from "./dataset.ts";
import { type PreprocessedImage, type Preprocessing, preprocess, preprocessLabel } from "./preprocess.ts";
import { readImage, readLabel } from "./read-case.ts";

/** A case as a network sees it: `image` `[C, D, H, W]`, `label` class indices `[D, H, W]`. */
export interface PreparedCase extends Sample {
  readonly id: string;
  readonly label: Int16Array | null;
  readonly spatial: readonly [number, number, number];
  readonly spacingMm: readonly [number, number, number];
  readonly foreground: ForegroundVoxels;
}

/**
 * Reads and preprocesses a case; without `withLabel`, its label map is left alone.
 * @throws DataError or GeometryError naming the case.
 */
export async function prepareCase(
  item: DataCase,
  spec: Preprocessing,
  withLabel: boolean,
): Promise<PreparedCase & Pick<PreprocessedImage, "original">> {
  const whole = await readImage(item);
  const wholeLabel = withLabel ? await readLabel(item, whole) : undefined;
  const box = spec.regionMarginMm === undefined ? undefined : wholeLabel && regionOf(wholeLabel, spec.regionMarginMm);
  const image = box === undefined ? whole : { ...cropOrPad(whole, box), name: item.id };
  const { volume, original } = preprocess(image, spec);
  const own = box === undefined ? wholeLabel : wholeLabel && { ...cropOrPad(wholeLabel, box), name: item.id };
  const label = own === undefined ? null : preprocessLabel(own, image, spec).volume.data;
  return {
    id: item.id,
    image: volume.data,
    label,
    channels: volume.channels,
    spatial: [volume.size[2], volume.size[1], volume.size[0]],
    spacingMm: spacingOf(volume.affine) as [number, number, number],
    foreground: label ? foregroundVoxels(label) : { classes: [], voxels: [] },
    original,
  };
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
