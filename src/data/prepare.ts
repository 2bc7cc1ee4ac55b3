/** A case from its files into memory, ready to cut patches from or to predict on. */
import { type ForegroundVoxels, foregroundVoxels, type Sample } from "../augment/index.ts";
import { spacingOf } from "../volume/affine.ts";
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
  const image = await readImage(item);
  const { volume, original } = preprocess(image, spec);
  const label = withLabel ? preprocessLabel(await readLabel(item, image), image, spec).volume.data : null;
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
