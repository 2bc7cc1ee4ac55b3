/**
 * Cases found by looking into folders: `imagesTr` and `labelsTr` (and `imagesTs`), the layout that the Decathlon and
 * nnU-Net share, or plainly `images` and `labels`. Image and label belong together by name; nnU-Net's images carry a channel
 * suffix (`_0000`).
 */
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { DataError } from "../errors.ts";
import { caseName } from "../files/index.ts";
import { isVolumeName } from "./case-id.ts";
import type { DataCase, OpenedDataset } from "./dataset.ts";

/**
 * A folder without a description.
 * @throws DataError when there is neither `imagesTr` nor `images`, or nothing in it.
 */
export async function readFolders(root: string): Promise<OpenedDataset> {
  const { cases, test } = await casesInFolders(root, {});
  return { name: basename(root), root, source: root, modality: [], cases, test };
}

/**
 * Pairs of image and label, in order of name. `channelSuffix` says whether images end in a channel number;
 * left out, they do when every one of them ends in `_0000` and so on and the labels do not.
 */
export async function casesInFolders(
  root: string,
  options: { readonly channelSuffix?: boolean },
): Promise<{ cases: DataCase[]; test: DataCase[] }> {
  const decathlon = await volumesIn(join(root, "imagesTr"));
  const images = decathlon ?? (await volumesIn(join(root, "images")));
  if (images === undefined) {
    throw new DataError(
      `${root}: no dataset.json and no imagesTr or images folder; expected one of them, or a list of cases`,
    );
  }
  const imageFolder = join(root, decathlon ? "imagesTr" : "images");
  const labelFolder = join(root, decathlon ? "labelsTr" : "labels");
  if (images.length === 0) throw new DataError(`${imageFolder}: no volume in it`);
  const labels = new Map((await volumesIn(labelFolder))?.map((file) => [caseName(file), file]));
  const suffixed =
    options.channelSuffix ?? images.every((file) => channelSuffix.test(caseName(file)) && !labels.has(caseName(file)));
  const cases = group(images, suffixed, imageFolder).map((item): DataCase => {
    const label = labels.get(item.id);
    return label === undefined ? item : { ...item, label: join(labelFolder, label) };
  });
  // A label on its own: its image is missing, and whoever opens the case will be told which file that is.
  const seen = new Set(cases.map((item) => item.id));
  for (const [id, file] of labels) {
    if (seen.has(id)) continue;
    const image = join(imageFolder, suffixed ? file.replace(id, `${id}_0000`) : file);
    cases.push({ id, image, label: join(labelFolder, file) });
  }
  const tests = (await volumesIn(join(root, "imagesTs"))) ?? [];
  const test = group(tests, suffixed, join(root, "imagesTs")).map((item): DataCase => ({ ...item, split: "test" }));
  return { cases, test };
}

const channelSuffix = /_(\d{4})$/;

function group(files: readonly string[], suffixed: boolean, folder: string): DataCase[] {
  if (!suffixed) return files.map((file) => ({ id: caseName(file), image: join(folder, file) }));
  const channels = new Map<string, string[]>();
  for (const file of files) {
    const stem = caseName(file);
    const channel = channelSuffix.exec(stem);
    if (!channel) throw new DataError(`${join(folder, file)}: no channel number; expected a name like ${stem}_0000`);
    const id = stem.slice(0, -channel[0].length);
    const list = channels.get(id) ?? [];
    list[Number(channel[1])] = join(folder, file);
    channels.set(id, list);
  }
  return [...channels].map(([id, list]) => {
    for (let i = 0; i < list.length; i++) {
      if (list[i] === undefined) throw new DataError(`${folder}: ${id}: channel ${i} is missing`);
    }
    return list.length === 1 ? { id, image: list[0] } : { id, image: list[0], moreChannels: list.slice(1) };
  });
}

/** Volume files of a folder in order of name, or `undefined` where there is no such folder. */
async function volumesIn(folder: string): Promise<string[] | undefined> {
  const entries = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw new DataError(`${folder}: cannot be read (${error.code})`, { cause: error });
  });
  return (
    entries
      // Of a header/image pair, the header stands for both.
      ?.filter((name) => isVolumeName(name) && !/\.img(\.gz)?$/i.test(name))
      .sort()
  );
}
