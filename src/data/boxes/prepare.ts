/** From a detection item's file to what a detector sees: a decoded picture, or a volume on its working grid, with boxes. */
import { boxesOnGrid } from "../../boxes/index.ts";
import { DataError } from "../../errors.ts";
import { readImage2d, readVolume } from "../../files/index.ts";
import { fittedSize, type Image2d, paddedLength } from "../../images/index.ts";
import { spacingOf } from "../../volume/affine.ts";
import type { Grid } from "../../volume/types.ts";
import type { ReadVolume } from "../batches/cache.ts";
import { type Preprocessing, preprocess } from "../prepare/preprocess.ts";
import type { DetectionItem } from "./types.ts";

/** How volumes come to a network's input: `Preprocessing` without label values. Plain JSON. */
export type VolumePreparation = Omit<Preprocessing, "labels" | "regionMarginMm">;

/** A volume on its working grid. */
export interface PreparedBoxVolume {
  readonly id: string;
  /** `[C, D, H, W]`. */
  readonly image: Float32Array;
  readonly channels: number;
  readonly spatial: readonly [number, number, number];
  readonly spacingMm: readonly [number, number, number];
  /** In its voxels. */
  readonly boxes: Float64Array;
  readonly grid: Grid;
  /** The file's own grid, to bring detections back to. */
  readonly original: Grid;
}

/** @throws DataError or GeometryError naming the item */
export async function preparePictureItem({ image, size, id }: DetectionItem): Promise<Image2d> {
  const picture = await readImage2d(image);
  if (size !== undefined && (size[0] !== picture.width || size[1] !== picture.height)) {
    const found = `${picture.width}×${picture.height}`;
    throw new DataError(`${id}: annotation says ${size.join("×")}, the image is ${found} (${image})`);
  }
  return picture;
}

/**
 * @param read where the file's voxels come from; its default is the disk
 * @throws DataError or GeometryError naming the item
 */
export async function prepareVolumeItem(
  { image, boxes, id }: Pick<DetectionItem, "image" | "boxes" | "id">,
  spec: VolumePreparation,
  read: ReadVolume = readVolume,
): Promise<PreparedBoxVolume> {
  const { volume, original } = preprocess({ ...(await read(image)), name: id }, { ...spec, labels: [] });
  return {
    id,
    image: volume.data,
    channels: volume.channels,
    spatial: [volume.size[2], volume.size[1], volume.size[0]],
    spacingMm: spacingOf(volume.affine) as [number, number, number],
    boxes: boxesOnGrid(boxes, original.affine, volume.affine),
    grid: { size: volume.size, affine: volume.affine },
    original,
  };
}

/**
 * The smallest canvas that holds every picture at its fitted size, sides padded to multiples of `divisor`: one size for a
 * whole training, since every size is a graph of its own.
 * @throws DataError for an item whose size is not known
 */
export function canvasFor(
  items: readonly Pick<DetectionItem, "id" | "size">[],
  { shortSide, longSide }: { readonly shortSide: number; readonly longSide: number },
  divisor = 32,
): readonly [width: number, height: number] {
  let [width, height] = [0, 0];
  for (const { id, size } of items) {
    if (size === undefined) throw new DataError(`${id}: its size is not known; say which canvas to use`);
    const fitted = fittedSize(size[0], size[1], shortSide, longSide);
    width = Math.max(width, fitted.width);
    height = Math.max(height, fitted.height);
  }
  return [paddedLength(width, divisor), paddedLength(height, divisor)];
}
