/** DICOM objects that are made from a volume's images, as files. */
import { encodeSegmentation, type SegmentationOptions } from "../../dicom/index.ts";
import { DataError } from "../../errors.ts";
import type { DicomOrigin } from "../../volume/formats/dicom-origin.ts";
import type { LoadedVolume } from "../../volume/formats/header.ts";
import type { Volume } from "../../volume/types.ts";
import { type WriteOptions, writeFileAtomic } from "../disk/atomic.ts";

/** @throws DataError for a volume that was not read from DICOM: an object needs slices to refer to */
export function dicomOriginOf({ header, name }: Pick<LoadedVolume, "header" | "name">): DicomOrigin {
  if (header.dicom === undefined || header.format !== "dicom")
    throw new DataError(
      `${name ?? "volume"}: is no DICOM image, so that no DICOM object can refer to it; write NIfTI instead`,
    );
  return header.dicom;
}

/**
 * Writes a label map as a DICOM segmentation object, piece by piece: whole or not at all.
 * @param image the volume, as read, that the label map is of
 * @throws DataError where the image is not from DICOM, has no UIDs to refer to, or the label map is empty
 */
export async function writeSegmentation(
  path: string,
  labelMap: Volume,
  image: Pick<LoadedVolume, "header" | "name">,
  options: SegmentationOptions,
  how: WriteOptions = {},
): Promise<void> {
  const pieces = encodeSegmentation(labelMap, dicomOriginOf(image), { name: image.name, ...options });
  // The first piece before the file is opened: it says what is wrong.
  const first = pieces.next();
  await writeFileAtomic(path, together(first.done ? [] : [first.value], pieces), how);
}

async function* together(first: Iterable<Uint8Array>, others: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* first;
  yield* others;
}
