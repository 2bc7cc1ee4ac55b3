/** What a case is called when its list does not say: the file's name, or its path where names repeat. */
import { relative, sep } from "node:path";
import { caseName, volumeExtension } from "../files/index.ts";

/** Whether a file name looks like a volume that medvox reads. Hidden files (macOS leaves `._x.nii.gz`) do not count. */
export function isVolumeName(name: string): boolean {
  return !name.startsWith(".") && volumeExtension(name) !== undefined;
}

/** The case that a file is named after, in composed letters (NFC) whichever form its name has. */
export function idOf(path: string): string {
  return caseName(path).normalize("NFC");
}

/**
 * One id per image. File names where they are all different; otherwise, as in `p001/t1.nii.gz`, `p002/t1.nii.gz`, the
 * path from `root` with `_` between its parts, for all of them alike. An image listed twice has one id.
 */
export function caseIds(images: readonly string[], root: string): string[] {
  const names = images.map(idOf);
  if (new Set(names).size === new Set(images).size) return names;
  return images.map((image, i) => {
    const folders = relative(root, image).normalize("NFC").split(sep).slice(0, -1);
    return [...folders.filter((part) => part !== ".."), names[i]].join("_");
  });
}
