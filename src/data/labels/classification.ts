/**
 * Data sets whose cases have one class or one rating each, instead of a label map.
 *
 * - A CSV or TSV list, or a folder with `labels.csv` in it. Columns: `image` (where left out, `images/CASE` beside the list),
 *   `mask` (a label map of the lesion; where left out, `masks/CASE` if it is there), `label` or `rating`, and optionally
 *   `case`, `group` (the patient), `split`.
 * - JSON: rows of the same fields, alone or under `cases`; or the Decathlon's `dataset.json` whose `training` rows have a
 *   class for a label.
 * - MedMNIST's `.npz` (`medmnist.ts`).
 *
 * The label's column may have any name (`--label malignancy`). Whole numbers of a column called `rating` or `malignancy`, or
 * for which a rule was given, are ratings; anything else is the name of a class. `NA`, `NaN` and the like, as tables write what is
 * not known, are no label, and said.
 */

import { existsSync, readdirSync } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, dirname, extname, isAbsolute, join, resolve } from "node:path";
import { z } from "zod";
import { ConfigError, DataError } from "../../errors.ts";
import { arraySlice } from "../../files/index.ts";
import { caseIds, idOf, isVolumeName } from "../case-id.ts";
import { isMissing, parseCsv, withKnownNames } from "../csv.ts";
import { checkDescription } from "../lists/description.ts";
import { fileFinder } from "../lists/volume-files.ts";
import type { Problem } from "../problem.ts";
import { readText } from "../text.ts";
import type { DataCase } from "../types.ts";
import { readMedMnist } from "./medmnist.ts";
import { type RatingRule, ratingScale, classOf as ruleClass, ruleFor } from "./rating.ts";

/** A case and what it is; its `label`, if any, is the mask of the lesion. */
export interface ClassifiedCase extends DataCase {
  /** Index in the data set's classes; absent for a case without a label, or one that the rule leaves out. */
  readonly class?: number;
  readonly rating?: number;
  /** Numbers of the columns that were asked for, where the case has them. */
  readonly auxiliary?: Readonly<Record<string, number>>;
}

export interface ClassificationDataset {
  readonly name: string;
  readonly root: string;
  readonly source: string;
  readonly modality: readonly string[];
  /** Names; class 1 of two is the positive one. */
  readonly classes: readonly string[];
  /** Where classes are made of ratings: every rating of the scale, and the rule. */
  readonly ratings?: { readonly scale: readonly number[]; readonly rule: RatingRule };
  readonly cases: readonly ClassifiedCase[];
  /** Cases that the list marks for testing. */
  readonly test: readonly ClassifiedCase[];
  /** What was found on opening: cases to learn from that have no label. */
  readonly problems: readonly Problem[];
}

export interface ClassificationOptions extends Partial<RatingRule> {
  /** The label's column; else `label`, `rating`, `malignancy` or `class`, whichever is there. */
  readonly labelColumn?: string;
  /** The patient's column; else `group` or `patient`. */
  readonly groupColumn?: string;
  /** Columns of numbers to be learnt beside the label. */
  readonly auxiliary?: readonly string[];
  /** The classes of a run that others are to be scored by; a label that is none of them is refused. */
  readonly classes?: readonly string[];
  /** Labels do not matter and are not looked at: the cases are to be predicted. */
  readonly unlabelled?: boolean;
}

const labelColumns = ["label", "rating", "malignancy", "class"];
const ratingColumns = ["rating", "malignancy"];
const groupColumns = ["group", "patient"];
const knownColumns = [...labelColumns, ...groupColumns, "image", "mask", "case", "id", "split"];
/** More different classes than this, and the column is a measurement. */
const mostClasses = 100;

/** A row before its paths and its label are understood. Values are text, as a CSV has them. */
interface Row {
  readonly where: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly split?: string;
}

interface List {
  readonly name: string;
  readonly source: string;
  readonly modality: readonly string[];
  readonly declared?: Readonly<Record<string, string>>;
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
}

/**
 * Opens a classification data set. Reads the list, no voxels.
 * @throws ConfigError for a path that is none, a column that is not there or a rule that makes no sense; DataError naming
 * file and line for broken rows
 */
export async function openClassification(
  path: string,
  options: ClassificationOptions = {},
): Promise<ClassificationDataset> {
  const list = await readList(path);
  if (list.rows.length === 0) throw new DataError(`${list.source}: no cases in it`);
  const root = dirname(list.source);
  const column = options.unlabelled ? undefined : columnOf(list, "--label", labelColumns, options.labelColumn);
  const group = columnOf(list, "--group", groupColumns, options.groupColumn);
  for (const name of options.auxiliary ?? []) columnOf(list, "--auxiliary", [], name);
  const beside = { images: volumesIn(join(root, "images")), masks: volumesIn(join(root, "masks")) };
  const { find } = fileFinder();
  const places = list.rows.map((row) => filesOf(row, root, list.source, beside, find));
  const ids = caseIds(
    places.map(({ image }) => image),
    root,
  );
  const written = list.rows.map(({ fields }) => (column === undefined ? "" : (fields[column] ?? "")));
  const isClass = (text: string): boolean =>
    list.declared?.[text] !== undefined || options.classes?.includes(text) === true;
  const texts = written.map((text) => (isMissing(text) && !isClass(text) ? "" : text));
  const hasRule = options.positive !== undefined || options.negative !== undefined;
  const isRating = column !== undefined && (hasRule || ratingColumns.includes(column));
  const known = isRating
    ? ratingsOf(texts, list, options, column)
    : classesOf(texts, list, options.classes, column ?? "label");
  const cases = list.rows.map(
    ({ fields, split, where }, i): ClassifiedCase => ({
      id: fields.case || fields.id || ids[i],
      ...places[i],
      ...splitOf(split ?? fields.split, `${list.source}: ${where}`),
      ...(group !== undefined && isGiven(fields[group]) ? { group: fields[group] } : {}),
      ...known.of(texts[i]),
      ...auxiliaryOf(fields, options.auxiliary, `${list.source}: ${where}`),
    }),
  );
  checkUnique(cases, list.source);
  const { name, source, modality } = list;
  const problems = cases.flatMap(({ id, split }, i): Problem[] => {
    if (column === undefined || split === "test" || texts[i] !== "") return [];
    const fact = written[i] === "" ? "has no label" : `${column} is "${written[i]}", which is no label`;
    return [{ severity: "error", case: id, rule: "missing-label", message: `${fact} (${list.rows[i].where})` }];
  });
  return {
    name,
    root,
    source,
    modality,
    classes: known.classes,
    ...(known.ratings ? { ratings: known.ratings } : {}),
    cases: cases.filter(({ split }) => split !== "test"),
    test: cases.filter(({ split }) => split === "test"),
    problems,
  };
}

/**
 * Whether a path names a data set whose cases have one class or rating each, rather than label maps. Reads the list alone.
 */
export async function isClassification(path: string): Promise<boolean> {
  const list = await readList(path).catch(() => undefined);
  const column = list && labelColumns.find((name) => list.columns.includes(name));
  if (list === undefined || column === undefined) return false;
  const labels = list.rows.flatMap(({ fields }) => fields[column] || []);
  return labels.length > 0 && !labels.some((text) => isVolumeName(basename(text)));
}

async function readList(path: string): Promise<List> {
  const found = await stat(path).catch((cause) => {
    throw new ConfigError(`${path}: no such file or folder`, { cause });
  });
  const names = ["labels.csv", "labels.tsv", "labels.json", "dataset.json"];
  const inside = found.isDirectory() ? names.map((name) => join(path, name)).find(existsSync) : path;
  if (inside === undefined)
    throw new ConfigError(
      `${path}: no classification data set; expected ${names.join(", ")} in it, or the path of a list`,
    );
  const source = resolve(inside);
  if (extname(source).toLowerCase() === ".npz")
    return { source, modality: [], columns: ["case", "image", "label"], ...(await readMedMnist(source)) };
  const text = await readText(source);
  const name = found.isDirectory() ? basename(resolve(path)) : basename(source, extname(source));
  const extension = extname(source).toLowerCase();
  if (extension === ".csv" || extension === ".tsv") {
    const { columns, rows } = withKnownNames(parseCsv(text, source), knownColumns);
    const listed = rows.map(({ line, fields }) => ({ where: `line ${line}`, fields }));
    return { name, source, modality: [], columns, rows: listed };
  }
  if (extension !== ".json")
    throw new ConfigError(`${path}: not a list of cases; expected .csv, .tsv, .json or MedMNIST's .npz`);
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw new DataError(`${source}: not valid JSON (${(cause as Error).message})`, { cause });
  }
  return jsonList(document, source, name);
}

const field = z.union([z.string(), z.number(), z.null()]);
const jsonRow = z.union([z.string(), z.record(z.string(), field)]);
const jsonDocument = z.object({
  name: z.string().optional(),
  modality: z.union([z.array(z.string()), z.record(z.string(), z.string())]).optional(),
  labels: z.record(z.string(), z.string()).optional(),
  cases: z.array(jsonRow).optional(),
  training: z.array(jsonRow).optional(),
  validation: z.array(jsonRow).optional(),
  test: z.array(jsonRow).optional(),
});

function jsonList(given: unknown, source: string, name: string): List {
  const about = checkDescription(jsonDocument, Array.isArray(given) ? { cases: given } : given, source);
  const rowsOf = (key: "cases" | "training" | "validation" | "test", split?: string): Row[] =>
    (about[key] ?? []).map((row, i) => {
      const entries = Object.entries(typeof row === "string" ? { image: row } : row);
      const fields = entries.flatMap(([k, v]) => (v === null ? [] : [[k, String(v)]]));
      return { where: `${key}[${i}]`, fields: Object.fromEntries(fields), split };
    });
  const rows = [
    ...rowsOf("cases"),
    ...rowsOf("training", "train"),
    ...rowsOf("validation", "validation"),
    ...rowsOf("test", "test"),
  ];
  const columns = [...new Set(rows.flatMap(({ fields }) => Object.keys(fields)))];
  const modality = Object.values(about.modality ?? []);
  return { name: about.name ?? name, source, modality, declared: about.labels, columns, rows };
}

/** The column that was asked for, or the first usual one; undefined where there is none of them. */
function columnOf(
  { columns, source }: List,
  option: string,
  usual: readonly string[],
  asked: string | undefined,
): string | undefined {
  if (asked === undefined) return usual.find((name) => columns.includes(name));
  const found =
    columns.find((name) => name === asked) ?? columns.find((name) => name.toLowerCase() === asked.toLowerCase());
  if (found === undefined)
    throw new ConfigError(`${option} ${asked}: ${source} has no such column; it has ${columns.join(", ")}`);
  return found;
}

function isGiven(text: string | undefined): text is string {
  return text !== undefined && text !== "" && !isMissing(text);
}

/** Absolute paths of the image and, if there is one, the mask. */
function filesOf(
  { where, fields }: Row,
  root: string,
  source: string,
  beside: { readonly images: ReadonlyMap<string, string>; readonly masks: ReadonlyMap<string, string> },
  find: (path: string) => string,
): { image: string; label?: string } {
  const place = (path: string): string => {
    const absolute = isAbsolute(path) ? path : resolve(root, path);
    return arraySlice(absolute) === undefined ? find(absolute) : absolute;
  };
  const id = fields.case || fields.id;
  // Some lists name cases by their files, ending and all.
  const called = id === undefined ? "" : idOf(id);
  const image = fields.image ? place(fields.image) : id ? beside.images.get(called) : undefined;
  if (image === undefined) {
    const rule = id ? `no volume images/${id} beside the list` : "expected a path under image, or the name of a case";
    throw new DataError(`${source}: ${where}: image: ${rule}`);
  }
  const mask = isGiven(fields.mask) ? place(fields.mask) : fields.image || !id ? undefined : beside.masks.get(called);
  return mask === undefined ? { image } : { image, label: mask };
}

/** Paths of a folder's volumes by name; empty where there is no such folder. */
function volumesIn(folder: string): ReadonlyMap<string, string> {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const volumes = names.filter(isVolumeName);
  return new Map(volumes.map((name) => [idOf(name), join(folder, name)]));
}

interface Understood {
  readonly classes: readonly string[];
  readonly ratings?: ClassificationDataset["ratings"];
  of(text: string): { class?: number; rating?: number };
}

function ratingsOf(
  texts: readonly string[],
  { rows, source }: List,
  options: ClassificationOptions,
  column: string | undefined,
): Understood {
  const numbers = texts.map((text, i) => {
    if (text === "") return undefined;
    const rating = Number(text);
    if (!Number.isInteger(rating) || Math.abs(rating) > 1000)
      throw new DataError(
        `${source}: ${rows[i].where}: ${column}: expected a whole number as a rating, found "${text}"`,
      );
    return rating;
  });
  const given = numbers.filter((rating) => rating !== undefined);
  if (given.length === 0) throw new DataError(`${source}: no case has a rating`);
  const scale = ratingScale(given);
  const rule = ruleFor(scale, options);
  return {
    classes: options.classes ?? (column === "malignancy" ? ["benign", "malignant"] : ["negative", "positive"]),
    ratings: { scale, rule },
    of: (text) => {
      if (text === "") return {};
      const rating = Number(text);
      const index = ruleClass(rating, rule);
      return index === undefined ? { rating } : { rating, class: index };
    },
  };
}

function classesOf(
  texts: readonly string[],
  { rows, source, declared }: List,
  wanted: readonly string[] | undefined,
  column: string,
): Understood {
  const path = texts.findIndex(isVolumeName);
  if (path >= 0)
    throw new DataError(
      `${source}: ${rows[path].where}: ${column}: "${texts[path]}" is a file; classification needs a class or a rating`,
    );
  const named = texts.map((text) => declared?.[text] ?? text);
  const distinct = [...new Set(named.filter((name) => name !== ""))];
  const inOrder = declared
    ? Object.keys(declared)
        .sort((a, b) => Number(a) - Number(b))
        .map((key) => declared[key])
    : distinct.every((name) => Number.isFinite(Number(name)))
      ? distinct.sort((a, b) => Number(a) - Number(b))
      : distinct.sort();
  const classes = wanted ?? inOrder;
  const stranger = named.findIndex((name) => name !== "" && !classes.includes(name));
  if (stranger >= 0)
    throw new DataError(
      `${source}: ${rows[stranger].where}: ${column}: "${texts[stranger]}" is none of the classes ${classes.join(", ")}`,
    );
  if (classes.length > mostClasses)
    throw new DataError(`${source}: ${column} has ${classes.length} different values; is it a class?`);
  return {
    classes,
    of: (text) => (text === "" ? {} : { class: classes.indexOf(declared?.[text] ?? text) }),
  };
}

/** A case's numbers of the columns asked for; empty fields are left out. */
function auxiliaryOf(
  fields: Row["fields"],
  columns: readonly string[] | undefined,
  where: string,
): Pick<ClassifiedCase, "auxiliary"> {
  if (columns === undefined || columns.length === 0) return {};
  const entries = columns.flatMap((column): [string, number][] => {
    const text = (fields[column] ?? "").trim();
    if (text === "" || isMissing(text)) return [];
    if (!Number.isFinite(Number(text)))
      throw new DataError(`${where}: ${column}: expected a number as an auxiliary target, found "${text}"`);
    return [[column, Number(text)]];
  });
  return { auxiliary: Object.fromEntries(entries) };
}

const splits: Readonly<Record<string, string>> = {
  train: "train",
  training: "train",
  val: "validation",
  valid: "validation",
  validation: "validation",
  test: "test",
  testing: "test",
};

function splitOf(text: string | undefined, where: string): { split?: string } {
  if (!text) return {};
  const split = splits[text.toLowerCase()];
  if (split === undefined) throw new DataError(`${where}: split: expected train, validation or test, found "${text}"`);
  return { split };
}

function checkUnique(cases: readonly ClassifiedCase[], source: string): void {
  const seen = new Set<string>();
  for (const { id } of cases) {
    if (seen.has(id)) throw new DataError(`${source}: two cases are called ${id}; ids must be unique`);
    seen.add(id);
  }
}
