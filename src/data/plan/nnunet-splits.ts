/**
 * nnU-Net's `splits_final.json`: the folds of a cross-validation, written down. One entry per fold, with the names of the cases that
 * its network learns from (`train`) and of those it is scored on (`val`):
 *
 *     [{ "train": ["liver_1", "liver_2"], "val": ["liver_0"] }, { "train": ["liver_0", "liver_2"], "val": ["liver_1"] }, …]
 *
 * nnU-Net counts folds from 0; medvox calls the first one `fold-1`.
 */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { DataError } from "../../errors.ts";
import { checkDescription } from "../lists/description.ts";
import { decodeText, parseJson, systemReason } from "../text.ts";

const names = z.array(z.string().min(1));
const document = z.array(z.looseObject({ train: names, val: names })).min(2, "expected at least two folds");

/** The cases of one fold, by name. */
export interface NamedFold {
  /** Those that its network learns from. */
  readonly train: readonly string[];
  /** Those that its network never sees, and is scored on. */
  readonly val: readonly string[];
}

/**
 * The folds of a `splits_final.json`, as they stand there.
 * @throws DataError naming the file, and the key where something else stands than a list of folds
 */
export function readSplitsFile(file: string): readonly NamedFold[] {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    throw new DataError(`${file}: ${systemReason(cause)}`, { cause });
  }
  const folds = checkDescription(document, parseJson(decodeText(bytes), file), file);
  return folds.map(({ train, val }) => ({ train: train.map(composed), val: val.map(composed) }));
}

/**
 * In which fold each case is scored, counted from 0. Every case is scored in exactly one fold and learnt from in all others, so that
 * the scores of all folds together are those of the whole data set.
 * @param file what stands in front of messages
 * @param ids names of the labelled cases of the data set
 * @throws DataError naming the file, the fold and the case for a name that is unknown, stands twice or is missing
 */
export function scoredIn(
  folds: readonly NamedFold[],
  ids: readonly string[],
  file: string,
): ReadonlyMap<string, number> {
  const known = new Set(ids);
  const scored = new Map<string, number>();
  folds.forEach((fold, at) => {
    checkFold(fold, at, known, file);
    for (const id of fold.val) {
      const other = scored.get(id);
      if (other !== undefined)
        throw new DataError(
          `${file}: [${at}].val: ${id} is in [${other}].val already; a case is scored in one fold, and learnt from in all others`,
        );
      scored.set(id, at);
    }
  });
  const left = ids.find((id) => !scored.has(id));
  if (left !== undefined)
    throw new DataError(`${file}: ${left} is in no fold's val; every labelled case is scored in one fold`);
  return scored;
}

/** Every case once, in `train` or in `val`. */
function checkFold(fold: NamedFold, at: number, known: ReadonlySet<string>, file: string): void {
  const seen = new Map<string, string>();
  for (const part of ["train", "val"] as const) {
    if (fold[part].length === 0) throw new DataError(`${file}: [${at}].${part}: names no case; expected at least one`);
    for (const id of fold[part]) {
      if (!known.has(id)) {
        const [few, more] = [[...known].slice(0, 3).join(", "), known.size > 3 ? ", …" : ""];
        throw new DataError(
          `${file}: [${at}].${part}: the data set has no labelled case ${id}; a fold names cases of the data set: ${few}${more}`,
        );
      }
      const other = seen.get(id);
      if (other !== undefined)
        throw new DataError(
          `${file}: [${at}].${part}: ${id} is in [${at}].${other} already; a fold names every case once`,
        );
      seen.set(id, part);
    }
  }
  for (const id of known)
    if (!seen.has(id))
      throw new DataError(`${file}: [${at}]: ${id} is missing; a fold names every labelled case in train or in val`);
}

/** Letters as case names have them. */
function composed(name: string): string {
  return name.normalize("NFC");
}
