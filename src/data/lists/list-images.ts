/** Images to be predicted, by the path of one, of a folder of them, or of a data set: the rules by which data sets are read. */
import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { DataError } from "../../errors.ts";
import {
  type DicomPlace,
  dicomPath,
  dicomPlace,
  findDicom,
  isDicomPath,
  seriesLine,
  volumeExtension,
} from "../../files/index.ts";
import { idOf } from "../case-id.ts";
import { openClassification } from "../labels/classification.ts";
import type { Problem } from "../problem.ts";
import type { DataCase } from "../types.ts";
import { openDataset } from "./dataset.ts";
import { groupChannels, haveChannels, unsupported, volumesIn } from "./volume-files.ts";

export interface ListedImages {
  readonly cases: readonly DataCase[];
  /** Images of other kinds in the folder, and what else was found on listing. */
  readonly problems: readonly Problem[];
}

/**
 * Of a folder, its volumes in order of name: hidden files are skipped (macOS leaves `._scan.nii.gz`), a header stands for its voxels,
 * and files that differ in nnU-Net's channel number alone (`_0000`, `_0001`) are one image. Of a data set, its test cases, or all cases
 * where it has none. Of DICOM, as a folder, an archive or a file, every series of images.
 * @param options `channels`: how many an image has, where the model says: decides whether numbers are those of channels or of cases
 * @throws DataError for a path that is not there, or a folder without images
 */
export async function listImages(path: string, options: { readonly channels?: number } = {}): Promise<ListedImages> {
  const place = dicomPlace(path);
  const found = await stat(place.file).catch(() => {
    throw new DataError(`${path}: does not exist; expected an image, a folder of images or a data set`);
  });
  const extension = volumeExtension(place.file);
  const maybeDicom = extension === undefined || extension === ".dcm" || extension === ".zip";
  if (place.series !== undefined || (found.isFile() && extension !== undefined && !maybeDicom))
    return { cases: [{ id: idOf(path), image: path }], problems: [] };
  if (place.file !== path || (found.isFile() && maybeDicom && (await isDicomPath(path)))) return listDicom(place);
  if (path.toLowerCase().endsWith(".npz")) {
    const { test, cases } = await openClassification(path, { unlabelled: true });
    return { cases: test.length > 0 ? test : cases, problems: [] };
  }
  const isDataset = ["dataset.json", "imagesTr", "images"].some((name) => existsSync(join(path, name)));
  if (found.isDirectory() && !isDataset) return listFolder(path, options.channels);
  const { test, cases, problems } = await openDataset(path, { lenient: true });
  return { cases: test.length > 0 ? test : cases, problems: problems.filter(({ rule }) => rule !== "missing-label") };
}

async function listFolder(path: string, channels: number | undefined): Promise<ListedImages> {
  const { names, problems } = (await volumesIn(path)) ?? { names: [], problems: [] };
  // Single files may be the slices of one volume, and folders below folders are how archives export studies.
  const areSlices = names.every((name) => name.toLowerCase().endsWith(".dcm"));
  if (areSlices) {
    const listed = await listDicom({ file: path, repair: false }).catch((error: unknown) => {
      if (names.length > 0) throw error;
      return undefined;
    });
    if (listed !== undefined) return listed;
  }
  if (names.length === 0) {
    const [first] = problems;
    throw new DataError(`${path}: holds no image medvox reads${first ? ` (${first.message})` : ""}`);
  }
  return { cases: groupChannels(names, haveChannels(names, channels), resolve(path)), problems };
}

/** The image series at a place, each a case; scouts and what has no place in space are left out where there are others. */
async function listDicom(place: DicomPlace): Promise<ListedImages> {
  const { series, others } = await findDicom(place.file);
  const numbered = series
    .map((one, i) => ({ one, number: String(i + 1) }))
    .filter(({ one }) => !one.facts.isSegmentation);
  const isVolume = ({ verdict }: (typeof series)[number]) => verdict !== "mixed" && verdict !== "unplaced";
  const volumes = numbered.some(({ one }) => isVolume(one)) ? numbered.filter(({ one }) => isVolume(one)) : numbered;
  if (volumes.length === 0) {
    const why = others.length > 0 ? ` (${others[0].message})` : "";
    throw new DataError(`${place.file}: holds no image medvox reads${why}`);
  }
  const problems = numbered
    .filter((entry) => !volumes.includes(entry))
    .map(({ one, number }) =>
      unsupported(
        `${idOf(place.file)}_${number}`,
        `series ${number} (${seriesLine(one)}) is no volume: ${one.detail}; left out`,
      ),
    );
  const file = resolve(place.file);
  const cases = volumes.map(({ number }) => {
    const image = dicomPath(
      volumes.length === 1 && numbered.length === 1 ? { ...place, file } : { ...place, file, series: number },
    );
    return { id: idOf(image), image };
  });
  return { cases, problems };
}
