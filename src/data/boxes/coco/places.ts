/** Where the pictures of a COCO file are: beside it, or in one of the places where tools leave them. */
import { stat } from "node:fs/promises";
import { basename, dirname, isAbsolute, join } from "node:path";
import { fileFinder } from "../../lists/volume-files.ts";

/**
 * A path for each name, each looked for on its own: one that is missing says nothing of the others. Names may have been
 * written on Windows, or on a machine whose folders are not here.
 * @param asked the folder to look in, instead of the places
 * @returns in the order of the names; for one that is nowhere, where it should be
 */
export async function cocoPlaces(file: string, names: readonly string[], asked?: string): Promise<string[]> {
  const here = dirname(file);
  const part = basename(file, ".json").replace(/^instances_/, "");
  const places = asked !== undefined ? [asked] : [here, join(here, "images"), join(here, "..", "images")];
  if (asked === undefined) {
    places.push(join(here, "..", part), join(here, "..", "images", part), join(here, part), join(here, ".."));
  }
  const slashed = names.map((name) => name.replaceAll("\\", "/"));
  const shared = new Map<string, number>();
  for (const name of slashed) shared.set(basename(name), (shared.get(basename(name)) ?? 0) + 1);
  // A name may be composed in the one and decomposed on the disk.
  const { find } = fileFinder();
  let first = 0;
  const found: string[] = [];
  for (const [i, name] of names.entries()) {
    // The folder that had the last picture is the likeliest.
    const order = [places[first], ...places.filter((_, k) => k !== first)];
    const candidates = [name, slashed[i]].flatMap((given) =>
      isAbsolute(given) ? [given] : order.map((folder) => join(folder, given)),
    );
    // A bare name stands for a picture only where no other has it.
    if (shared.get(basename(slashed[i])) === 1)
      candidates.push(...order.map((folder) => join(folder, basename(slashed[i]))));
    const path = await firstFile(candidates.map(find));
    if (path !== undefined)
      first = Math.max(
        0,
        places.findIndex((folder) => path === find(join(folder, slashed[i]))),
      );
    found.push(path ?? (isAbsolute(name) ? name : join(places[0], slashed[i])));
  }
  return found;
}

async function firstFile(candidates: readonly string[]): Promise<string | undefined> {
  for (const path of new Set(candidates)) {
    if ((await stat(path).catch(() => undefined))?.isFile()) return path;
  }
  return undefined;
}
