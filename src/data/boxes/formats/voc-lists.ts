/**
 * The lists of `ImageSets/Main`: which picture is for what. A line is a picture's name, with or without its ending or its
 * folders, and in the lists of one class a flag behind it; names may have spaces.
 */
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { DataError } from "../../../errors.ts";
import { pictureStem } from "../../../images/index.ts";
import { counted } from "../../counted.ts";
import { linesOf, readText, systemReason } from "../../text.ts";
import { type Problems, splitNamed } from "../collect.ts";
import type { DetectionItem } from "../types.ts";

type Split = NonNullable<DetectionItem["split"]>;

export interface ListedImages {
  splitOf(stem: string): Split | undefined;
}

/** What is learnt from must not be scored on: of several parts the one that stands here first counts. */
const strictest: readonly Split[] = ["test", "validation", "train"];

/**
 * Reads the lists of `Main`, or where it is not there those of the folder; `trainval` counts only where there is no `train`.
 * @param stems names of the annotations, without endings, in composed letters
 * @param dataset its name, for what concerns a whole list
 * @throws DataError where a list cannot be read
 */
export async function readImageSets(
  folder: string,
  stems: ReadonlySet<string>,
  dataset: string,
  problems: Problems,
): Promise<ListedImages> {
  const found = new Map<string, Set<Split>>();
  const main = await listsIn(join(folder, "Main"));
  const lists = main.length > 0 ? main : await listsIn(folder);
  for (const { file, path, split } of lists) {
    const lines = linesOf(await readText(path));
    const unknown: string[] = [];
    for (const line of lines) {
      const names = namesOf(line);
      const stem = names.find((name) => stems.has(name));
      if (stem === undefined) unknown.push(names.at(-1) as string);
      else found.set(stem, (found.get(stem) ?? new Set()).add(split));
    }
    if (lines.length > 0 && unknown.length === lines.length) {
      const message = `${file}: none of its ${counted(lines.length, "line")} is the name of an annotation; the first: ${JSON.stringify(lines[0])}`;
      problems.add({ case: dataset, rule: "unmatched-list", message });
      continue;
    }
    for (const id of unknown) {
      const message = `ImageSets list it for ${split}, Annotations/${id}.xml is missing`;
      problems.add({ case: id, rule: "missing-annotation", message }, { images: 1 });
    }
  }
  for (const [stem, splits] of found) {
    if (splits.size < 2) continue;
    const parts = strictest.filter((split) => splits.has(split));
    const message = `ImageSets list it for ${parts.join(" and for ")}; it is taken for ${parts[0]}`;
    problems.add({ case: stem, rule: "duplicate", message });
  }
  return {
    splitOf: (stem) => {
      const splits = found.get(stem);
      return splits && strictest.find((split) => splits.has(split));
    },
  };
}

async function listsIn(folder: string): Promise<{ file: string; path: string; split: Split }[]> {
  const files = await readdir(folder).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT" || cause.code === "ENOTDIR") return [] as string[];
    throw new DataError(`${folder}: ${systemReason(cause)}`, { cause });
  });
  const lists = files.filter((file) => /\.txt$/i.test(file) && !file.startsWith(".")).sort();
  const hasTrain = lists.some((file) => /^train\.txt$/i.test(file));
  return lists.flatMap((file) => {
    const name = file.slice(0, -4).toLowerCase();
    const split = splitNamed(name === "trainval" && !hasTrain ? "train" : name);
    return split === undefined ? [] : [{ file: `${basename(folder)}/${file}`, path: join(folder, file), split }];
  });
}

/** What a line may name, the likeliest first: it as it stands; without folders; without an ending; without a class's flag. */
function namesOf(line: string): string[] {
  const composed = line.normalize("NFC");
  const unflagged = composed.replace(/\s+-?[01]$/, "");
  return [composed, unflagged].flatMap((text) => {
    const name = text.replaceAll("\\", "/").split("/").at(-1) as string;
    const bare = /\.xml$/i.test(name) ? name.slice(0, -4) : pictureStem(name);
    return [text, name, bare];
  });
}
