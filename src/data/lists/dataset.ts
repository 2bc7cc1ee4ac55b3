/**
 * What a data set is, and opening one, whichever layout it has:
 *
 * - Medical Segmentation Decathlon: a folder (or its `dataset.json`) that lists pairs of image and label;
 * - nnU-Net: a `dataset.json` with `channel_names`, cases found in `imagesTr` (`CASE_0000.nii.gz`) and `labelsTr`, or listed;
 * - the same folders without a `dataset.json`, or `images` and `labels`;
 * - a plain list: CSV, TSV or JSON with the columns `image`, `label` and optionally `case`, `split`, `group`;
 * - a part of any of them: JSON with `data` and what to take of it (`selection.ts`).
 *
 * Opening reads lists and file names, not voxels, except to find out the labels where nothing declares them.
 */
import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import { ConfigError, DataError } from "../../errors.ts";
import { discoverLabels } from "../masks/labels.ts";
import { leaveIgnoredOut } from "../masks/values.ts";
import type { Problem } from "../problem.ts";
import { readText } from "../text.ts";
import type { DataCase, Dataset, LabelClass, OpenedDataset } from "../types.ts";
import { readDecathlon } from "./decathlon.ts";
import { checkDescription } from "./description.ts";
import { readFolders } from "./folders.ts";
import { readCsvList, readJsonList } from "./list.ts";
import { select, viewSchema } from "./selection.ts";

export interface OpenOptions {
  /** What label values mean, where the data set does not say: `{ 0: "background", 1: "spleen" }`. */
  readonly labels?: Readonly<Record<number, string>>;
  /**
   * For `verifyDataset`, which reports rather than refuses: label files are not read to discover labels, and a case that
   * is listed again gets the id `case#2`. Default false.
   */
  readonly lenient?: boolean;
  readonly signal?: AbortSignal;
  /** Called while labels are discovered, after each file. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Opens a data set by the path of its folder, its `dataset.json`, or a list.
 * @throws DataError naming file and key where the description is missing or broken; ConfigError for a path that is no
 * data set.
 */
export async function openDataset(path: string, options: OpenOptions = {}): Promise<Dataset> {
  const listed = await openDescription(resolve(path), path);
  const numbered = options.lenient ? numberRepeated(listed) : listed;
  checkUnique(numbered);
  const given = options.labels && Object.entries(options.labels).map(([k, name]) => ({ index: Number(k), name }));
  const named = given === undefined ? numbered : leaveIgnoredOut({ ...numbered, labels: given });
  const opened = { ...named, problems: [...named.problems, ...unlabelledProblems(named)] };
  if (opened.labels) return { ...opened, labels: sortLabels(opened.labels, opened.source), labelsFrom: "declared" };
  if (options.lenient) return { ...opened, labels: [], labelsFrom: "discovered" };
  const labels = await discoverLabels(opened.cases, options.signal, options.onProgress);
  return { ...opened, labels, labelsFrom: "discovered" };
}

async function openDescription(absolute: string, asked: string, from: readonly string[] = []): Promise<OpenedDataset> {
  const found = await stat(absolute).catch((cause) => {
    throw new ConfigError(`${asked}: no such file or folder`, { cause });
  });
  if (found.isDirectory()) {
    const description = join(absolute, "dataset.json");
    if (!existsSync(description)) return readFolders(absolute);
    return readDecathlon(parseJson(await readText(description), description), description);
  }
  const extension = extname(absolute).toLowerCase();
  if (extension !== ".json" && extension !== ".csv" && extension !== ".tsv") {
    throw new ConfigError(`${asked}: not a data set; expected a folder, a dataset.json, or a list (.csv, .tsv, .json)`);
  }
  const text = await readText(absolute);
  if (extension !== ".json") return readCsvList(text, absolute);
  const document = parseJson(text, absolute);
  const fields = typeof document === "object" && document !== null ? Object.keys(document) : [];
  if (fields.includes("data")) return openPart(document, absolute, [...from, absolute]);
  const isDescription = ["training", "numTraining", "channel_names", "tensorImageSize"].some((k) => fields.includes(k));
  return isDescription || basename(absolute) === "dataset.json"
    ? readDecathlon(document, absolute)
    : readJsonList(document, absolute);
}

/** A part of another data set. `from` are the files that led here, this one last. */
async function openPart(document: unknown, file: string, from: readonly string[]): Promise<OpenedDataset> {
  const { data, $schema: _, ...selection } = checkDescription(viewSchema, document, file);
  const whole = resolve(dirname(file), data);
  if (from.includes(whole)) throw new DataError(`${file}: data: ${data} leads back to the file itself`);
  const opened = await openDescription(whole, `${file}: data: ${data}`, from);
  const name = selection.name ?? basename(file, extname(file));
  return { ...select(opened, { ...selection, name }, file), source: file };
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (cause) {
    throw new DataError(`${file}: not valid JSON (${(cause as Error).message})`, { cause });
  }
}

/** Labels in ascending order, each value and name once. */
function sortLabels(labels: readonly LabelClass[], file: string): readonly LabelClass[] {
  const sorted = [...labels].sort((a, b) => a.index - b.index);
  sorted.forEach((label, i) => {
    if (!Number.isInteger(label.index) || label.index < 0) {
      throw new DataError(
        `${file}: labels: "${label.name}" has the value ${label.index}; expected whole numbers from 0`,
      );
    }
    if (i > 0 && sorted[i - 1].index === label.index) {
      throw new DataError(
        `${file}: labels: "${sorted[i - 1].name}" and "${label.name}" share the value ${label.index}`,
      );
    }
    if (sorted.findIndex((other) => other.name === label.name) !== i) {
      throw new DataError(`${file}: labels: two values are called "${label.name}"`);
    }
  });
  if (sorted.length === 0 || sorted[0].index !== 0) {
    throw new DataError(`${file}: labels: the value 0 (background) is missing`);
  }
  return sorted;
}

/** Cases that nothing can be learnt from, where others have labels; images alone are there to be predicted. */
function unlabelledProblems({ cases }: OpenedDataset): Problem[] {
  const bare = cases.filter(({ label }) => label === undefined);
  if (bare.length === cases.length) return [];
  const message = "has no label, and is not listed as a test case";
  return bare.map(({ id }) => ({ severity: "error", case: id, rule: "missing-label", message }));
}

function numberRepeated(dataset: OpenedDataset): OpenedDataset {
  const times = new Map<string, number>();
  const number = (item: DataCase): DataCase => {
    const time = (times.get(item.id) ?? 0) + 1;
    times.set(item.id, time);
    return time === 1 ? item : { ...item, id: `${item.id}#${time}` };
  };
  return { ...dataset, cases: dataset.cases.map(number), test: dataset.test.map(number) };
}

function checkUnique(dataset: OpenedDataset): void {
  const seen = new Map<string, DataCase>();
  for (const item of [...dataset.cases, ...dataset.test]) {
    const other = seen.get(item.id);
    if (other) {
      const images = other.image === item.image ? `${item.image} twice` : `${other.image} and ${item.image}`;
      throw new DataError(`${dataset.source}: two cases are called ${item.id} (${images}); ids must be unique`);
    }
    seen.set(item.id, item);
  }
}
