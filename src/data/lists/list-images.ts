/** Images to be predicted, by the path of one, of a folder of them, or of a data set: the rules by which data sets are read. */
import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { DataError } from "../../errors.ts";
import { volumeExtension } from "../../files/index.ts";
import { idOf } from "../case-id.ts";
import { openClassification } from "../labels/classification.ts";
import type { Problem } from "../problem.ts";
import type { DataCase } from "../types.ts";
import { openDataset } from "./dataset.ts";
import { groupChannels, haveChannels, volumesIn } from "./volume-files.ts";

export interface ListedImages {
  readonly cases: readonly DataCase[];
  /** Images of other kinds in the folder, and what else was found on listing. */
  readonly problems: readonly Problem[];
}

/**
 * Of a folder, its volumes in order of name: hidden files are skipped (macOS leaves `._scan.nii.gz`), a header stands for its voxels,
 * and files that differ in nnU-Net's channel number alone (`_0000`, `_0001`) are one image. Of a data set, its test cases, or all cases
 * where it has none.
 * @param options `channels`: how many an image has, where the model says: decides whether numbers are those of channels or of cases
 * @throws DataError for a path that is not there, or a folder without images
 */
export async function listImages(path: string, options: { readonly channels?: number } = {}): Promise<ListedImages> {
  const found = await stat(path).catch(() => {
    throw new DataError(`${path}: does not exist; expected an image, a folder of images or a data set`);
  });
  if (found.isFile() && volumeExtension(path) !== undefined)
    return { cases: [{ id: idOf(path), image: path }], problems: [] };
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
  if (names.length === 0) {
    const [first] = problems;
    throw new DataError(`${path}: holds no image medvox reads${first ? ` (${first.message})` : ""}`);
  }
  return { cases: groupChannels(names, haveChannels(names, channels), resolve(path)), problems };
}
