/** What `--in` of a prediction names: one volume, a folder of volumes, or a data set. */
import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { type DataCase, openDataset } from "../data/index.ts";
import { DataError } from "../errors.ts";
import { caseName, volumeExtension } from "../files/index.ts";
import type { Listed } from "../train/index.ts";

/** @throws DataError for a path that is not there, or a folder without an image */
export async function inputVolumes(path: string): Promise<Listed<DataCase>> {
  const found = await stat(path).catch(() => {
    throw new DataError(`${path}: does not exist; --in names an image, a folder of images or a data set`);
  });
  if (found.isFile() && volumeExtension(path) !== undefined)
    return { cases: [{ id: caseName(path), image: path }], problems: [] };
  const isDataset = ["dataset.json", "imagesTr", "images"].some((name) => existsSync(join(path, name)));
  if (found.isDirectory() && !isDataset) {
    const names = (await readdir(path))
      .filter((name) => volumeExtension(name) !== undefined && !/\.img(\.gz)?$/i.test(name))
      .sort();
    if (names.length === 0) throw new DataError(`${path}: holds no image medvox reads`);
    return { cases: names.map((name) => ({ id: caseName(basename(name)), image: join(path, name) })), problems: [] };
  }
  const { test, cases, problems = [] } = await openDataset(path);
  return { cases: test.length > 0 ? test : cases, problems };
}
