/**
 * Cases found by looking into folders: `imagesTr` and `labelsTr` (and `imagesTs`), the layout that the Decathlon and
 * nnU-Net share, or plainly `images` and `labels`. Image and label belong together by name; nnU-Net's images carry a channel
 * suffix (`_0000`).
 */
import { basename, join } from "node:path";
import { DataError } from "../../errors.ts";
import { volumeExtension } from "../../files/index.ts";
import { idOf } from "../case-id.ts";
import type { Problem } from "../problem.ts";
import type { DataCase, OpenedDataset } from "../types.ts";
import { type FolderOfVolumes, groupChannels, haveChannels, unsupported, volumesIn } from "./volume-files.ts";

/** What folders or lists hold. */
export interface FoundCases {
  readonly cases: readonly DataCase[];
  readonly test: readonly DataCase[];
  readonly problems: readonly Problem[];
}

export interface FolderLayout {
  /** Whether images end in a channel number; left out, they do where their names say so (`haveChannels`) and the labels' do not. */
  readonly channelSuffix?: boolean;
  /** The files' ending; those of another are left out. */
  readonly ending?: string;
}

/**
 * A folder without a description.
 * @throws DataError when there is neither `imagesTr` nor `images`, or nothing in it.
 */
export async function readFolders(root: string): Promise<OpenedDataset> {
  return { name: basename(root), root, source: root, modality: [], ...(await casesInFolders(root, {})) };
}

/** Pairs of image and label, in order of name. @throws DataError where there are no images */
export async function casesInFolders(root: string, layout: FolderLayout): Promise<FoundCases> {
  const decathlon = await volumesIn(join(root, "imagesTr"));
  const images = decathlon ?? (await volumesIn(join(root, "images")));
  if (images === undefined) {
    throw new DataError(
      `${root}: no dataset.json and no imagesTr or images folder; expected one of them, or a list of cases`,
    );
  }
  const imageFolder = join(root, decathlon ? "imagesTr" : "images");
  const labelFolder = join(root, decathlon ? "labelsTr" : "labels");
  const wanted = ofEnding(images, layout.ending);
  if (wanted.names.length === 0) {
    const [first] = wanted.problems;
    throw new DataError(`${imageFolder}: no volume in it${first ? ` (${first.message})` : ""}`);
  }
  const found = ofEnding((await volumesIn(labelFolder)) ?? none, layout.ending);
  const labels = new Map(found.names.map((file) => [idOf(file), file]));
  const suffixed =
    layout.channelSuffix ?? (haveChannels(wanted.names) && !wanted.names.some((file) => labels.has(idOf(file))));
  const cases = groupChannels(wanted.names, suffixed, imageFolder).map((item): DataCase => {
    const label = labels.get(item.id);
    return label === undefined ? item : { ...item, label: join(labelFolder, label) };
  });
  // A label on its own: its image is missing, and whoever opens the case will be told which file that is.
  const seen = new Set(cases.map((item) => item.id));
  for (const [id, file] of labels) {
    if (seen.has(id)) continue;
    const stem = file.slice(0, file.length - (volumeExtension(file)?.length ?? 0));
    const image = suffixed ? `${stem}_0000${file.slice(stem.length)}` : file;
    cases.push({ id, image: join(imageFolder, image), label: join(labelFolder, file) });
  }
  const { test, problems } = await testCases(root, { ...layout, channelSuffix: suffixed });
  return { cases, test, problems: [...wanted.problems, ...found.problems, ...problems] };
}

/** The images of `imagesTs`, if there is such a folder. */
export async function testCases(root: string, layout: FolderLayout): Promise<Pick<FoundCases, "test" | "problems">> {
  const folder = join(root, "imagesTs");
  const { names, problems } = ofEnding((await volumesIn(folder)) ?? none, layout.ending);
  const test = groupChannels(names, layout.channelSuffix ?? haveChannels(names), folder);
  return { test: test.map((item): DataCase => ({ ...item, split: "test" })), problems };
}

const none: FolderOfVolumes = { names: [], problems: [] };

function ofEnding({ names, problems }: FolderOfVolumes, ending: string | undefined): FolderOfVolumes {
  if (ending === undefined) return { names, problems };
  const isWanted = (name: string): boolean => name.toLowerCase().endsWith(ending.toLowerCase());
  const others = names
    .filter((name) => !isWanted(name))
    .map((name) => unsupported(name, `${name} does not end in ${ending}, the file_ending of dataset.json; left out`));
  return { names: names.filter(isWanted), problems: [...problems, ...others] };
}
