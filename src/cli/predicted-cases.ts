/** What `medvox predict --in` names. */
import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { type DataCase, openDataset } from "../data/index.ts";
import { DataError } from "../errors.ts";
import { caseName, volumeExtension } from "../files/index.ts";

/** An image, or the images of a folder or data set. */
export async function casesOf(path: string): Promise<DataCase[]> {
  const found = await stat(path).catch(() => {
    throw new DataError(`${path}: does not exist; --in names an image, a folder of images or a data set`);
  });
  if (found.isFile() && volumeExtension(path) !== undefined) return [{ id: caseName(path), image: path }];
  const isDataset = ["dataset.json", "imagesTr", "images"].some((name) => existsSync(join(path, name)));
  if (found.isDirectory() && !isDataset) {
    const names = (await readdir(path))
      .filter((name) => volumeExtension(name) !== undefined && !/\.img(\.gz)?$/i.test(name))
      .sort();
    if (names.length === 0) throw new DataError(`${path}: holds no image medvox reads`);
    return names.map((name) => ({ id: caseName(basename(name)), image: join(path, name) }));
  }
  const { test, cases } = await openDataset(path);
  return [...(test.length > 0 ? test : cases)];
}
