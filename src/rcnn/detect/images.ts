/** From files to what a detector takes, and its detections back onto the file's own grid. */
import { boxesOnGrid } from "../../boxes/index.ts";
import { type DetectionItem, type PreparedBoxVolume, preprocess } from "../../data/index.ts";
import { readImage2d, readVolume } from "../../files/index.ts";
import { type Image2d, toPlanar } from "../../images/index.ts";
import type { Affine, DicomOrigin, Volume } from "../../volume/index.ts";
import type { DetectorImage } from "../network/input.ts";
import type { DetectedBoxes } from "../parts/post-process.ts";
import type { DetectionPlan } from "../run/data.ts";

/** A picture or volume as read, and as the detector takes it. */
export interface OpenedImage {
  readonly input: DetectorImage;
  readonly picture?: Image2d;
  readonly volume?: Volume;
  /** The slices of a volume from DICOM. */
  readonly dicom?: DicomOrigin;
  /** Of the volume's file. */
  readonly affine?: Affine;
  /** Detections in the file's own pixels or voxels. */
  back(found: DetectedBoxes): DetectedBoxes;
}

type Plan = Pick<DetectionPlan, "axes" | "prepare"> & { readonly detector: { readonly channels: number } };

/** @throws DataError or GeometryError naming the file */
export async function openImage({ image, id }: Pick<DetectionItem, "image" | "id">, plan: Plan): Promise<OpenedImage> {
  if (plan.axes === 2) return pictureFor(await readImage2d(image), plan);
  const read = await readVolume(image);
  return { ...volumeFor({ ...read, name: id }, plan), dicom: read.header.dicom };
}

/** A picture in memory. */
export function pictureFor(picture: Image2d, { detector }: Plan): OpenedImage {
  const { data, width, height } = toPlanar(picture, detector.channels === 1 ? 1 : 3);
  return { input: { data, size: [width, height] }, picture, back: (found) => found };
}

/** A volume in memory. */
export function volumeFor(volume: Volume, { prepare }: Plan): OpenedImage {
  const { volume: grid, original } = preprocess(volume, { ...prepare!, labels: [] });
  return { ...preparedFor({ image: grid.data, grid, original }), volume };
}

/** A volume in memory that lies on its working grid already. */
export function preparedFor({
  image,
  grid,
  original,
}: Pick<PreparedBoxVolume, "image" | "grid" | "original">): OpenedImage {
  return {
    input: { data: image, size: grid.size },
    affine: original.affine,
    back: (found) => ({
      ...found,
      boxes: Float32Array.from(boxesOnGrid(Float64Array.from(found.boxes), grid.affine, original.affine)),
    }),
  };
}
