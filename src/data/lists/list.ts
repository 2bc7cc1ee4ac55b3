/**
 * A plain list of cases. CSV or TSV with a header, or JSON: an array of rows, or `{ name, labels, modality, cases }`.
 * `labels` gives values their names (`{ "1": "liver" }`) or picks and merges values (`{ "liver": [5] }`, see `selection.ts`).
 * Columns: `image`, and optionally `label`, `case` (its id), `split` (`train`, `validation`, `test`) and `group` (the
 * patient). Relative paths start from the list's folder.
 */
import { basename, dirname, extname, isAbsolute, resolve } from "node:path";
import { z } from "zod";
import { DataError } from "../../errors.ts";
import { caseIds } from "../case-id.ts";
import { isMissing, parseCsv, withKnownNames } from "../csv.ts";
import { leaveIgnoredOut } from "../masks/values.ts";
import { withDescription } from "../plan/described.ts";
import type { DataCase, OpenedDataset } from "../types.ts";
import { checkDescription, nonEmptyPath } from "./description.ts";
import { channelPickSchema, labelPickSchema, select } from "./selection.ts";
import { fileFinder } from "./volume-files.ts";

const row = z.object({
  image: nonEmptyPath,
  label: nonEmptyPath.nullish(),
  case: z.union([z.string().min(1), z.number()]).nullish(),
  split: z.string().nullish(),
  group: z.union([z.string(), z.number()]).nullish(),
});
type Row = z.output<typeof row>;

const document = z.object({
  name: z.string().optional(),
  labels: z
    .union([z.record(z.string().regex(/^\d+$/, "expected label values as keys"), z.string()), labelPickSchema])
    .optional(),
  channels: channelPickSchema.optional(),
  labelGrid: z.literal("own").optional(),
  modality: z.array(z.string()).optional(),
  cases: z.array(row),
});

/**
 * A CSV or TSV list; `file` is its path.
 * @throws DataError naming file, line and column.
 */
export async function readCsvList(text: string, file: string): Promise<OpenedDataset> {
  const { columns, rows } = withKnownNames(parseCsv(text, file), ["image", "label", "case", "split", "group"]);
  if (!columns.includes("image")) {
    throw new DataError(`${file}: line 1: no column "image"; found ${columns.map((c) => `"${c}"`).join(", ")}`);
  }
  const listed = rows.map(({ line, fields }): Row => {
    if (fields.image === "") throw new DataError(`${file}: line ${line}: image: expected a path, it is empty`);
    // An empty field says nothing, like an absent column.
    const field = (name: string) => (isMissing(fields[name] ?? "") ? undefined : fields[name] || undefined);
    return {
      image: fields.image,
      label: field("label"),
      case: fields.case || undefined,
      split: field("split"),
      group: field("group"),
    };
  });
  const list = datasetOf(listed, file, {}, (i) => `line ${rows[i].line}`);
  return withDescription(list, { ids: idsOf(listed) });
}

/**
 * A parsed JSON list; `file` is its path.
 * @throws DataError naming file and key.
 */
export async function readJsonList(given: unknown, file: string): Promise<OpenedDataset> {
  if (Array.isArray(given)) {
    const rows = checkDescription(z.array(row), given, file);
    return withDescription(
      datasetOf(rows, file, {}, (i) => `[${i}]`),
      { ids: idsOf(rows) },
    );
  }
  const { cases, labels, channels, labelGrid, ...about } = checkDescription(document, given, file);
  // A value's name is a text; whatever else a key leads to is a pick.
  const isNames = labels === undefined || Object.entries(labels).every(([key, to]) => isValue(key) && isName(to));
  const named = { ...about, labels: isNames ? (labels as Record<string, string> | undefined) : undefined };
  const own = datasetOf(cases, file, named, (i) => `cases[${i}]`);
  const said = { name: about.name !== undefined, labels: labels !== undefined };
  const listed = await withDescription(own, { ...said, modality: about.modality !== undefined, ids: idsOf(cases) });
  return select(listed, { labels: isNames ? undefined : labels, channels, labelGrid }, file);
}

/** The ids that rows give themselves. */
function idsOf(rows: readonly Row[]): ReadonlySet<string> {
  return new Set(rows.flatMap((r) => (r.case == null ? [] : [String(r.case)])));
}

const isValue = (key: string): boolean => /^\d+$/.test(key);
const isName = (to: unknown): boolean => typeof to === "string";

const splits: Readonly<Record<string, string>> = {
  train: "train",
  training: "train",
  val: "validation",
  valid: "validation",
  validation: "validation",
  test: "test",
  testing: "test",
};

function datasetOf(
  rows: readonly Row[],
  file: string,
  about: { name?: string; labels?: Record<string, string>; modality?: string[] },
  where: (row: number) => string,
): OpenedDataset {
  if (rows.length === 0) throw new DataError(`${file}: no cases in it`);
  const root = dirname(file);
  const place = (path: string) => (isAbsolute(path) ? path : resolve(root, path));
  const ids = caseIds(
    rows.map((r) => place(r.image)),
    root,
  );
  const { find } = fileFinder();
  const all = rows.map((r, i): DataCase => {
    const split = r.split ? splits[r.split.toLowerCase()] : undefined;
    if (r.split && split === undefined) {
      throw new DataError(`${file}: ${where(i)}: split: expected train, validation or test, found "${r.split}"`);
    }
    return {
      id: r.case != null ? String(r.case) : ids[i],
      image: find(place(r.image)),
      ...(r.label ? { label: find(place(r.label)) } : {}),
      ...(split ? { split } : {}),
      ...(r.group != null && r.group !== "" ? { group: String(r.group) } : {}),
    };
  });
  return leaveIgnoredOut({
    name: about.name ?? basename(file, extname(file)),
    root,
    source: file,
    labels: about.labels && Object.entries(about.labels).map(([k, name]) => ({ index: Number(k), name })),
    modality: about.modality ?? [],
    cases: all.filter((item) => item.split !== "test"),
    test: all.filter((item) => item.split === "test"),
    problems: [],
  });
}
