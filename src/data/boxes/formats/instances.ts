/**
 * nnDetection's layout: `imagesTr` and `labelsTr`, in the folder or in its `raw_splitted`, label maps whose values number the
 * objects, and beside each a `CASE.json` that says which class an object has. Its `dataset.json` names the classes from 0,
 * and lists no cases; without it, classes are called by their numbers.
 */
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { z } from "zod";
import { DataError } from "../../../errors.ts";
import { caseName, volumeExtension } from "../../../files/index.ts";
import { checkDescription } from "../../lists/description.ts";
import { casesInFolders } from "../../lists/folders.ts";
import { readJson } from "../../text.ts";
import type { DataCase, Dataset } from "../../types.ts";
import type { DetectionClass } from "../types.ts";

export interface InstanceSet extends Pick<Dataset, "name" | "root" | "source" | "cases" | "test"> {
  readonly classes: readonly DetectionClass[];
}

const description = z.looseObject({
  name: z.string().nullish(),
  labels: z.record(z.string().regex(/^\d+$/, "expected class numbers from 0 as keys"), z.string()),
});

/**
 * A folder, or its `dataset.json`, in nnDetection's layout; `undefined` for another.
 * @throws DataError naming file and key where its description is broken
 */
export async function readInstanceSet(path: string): Promise<InstanceSet | undefined> {
  const isFile = (await stat(path)).isFile();
  const root = isFile ? dirname(path) : path;
  const file = isFile ? path : join(root, "dataset.json");
  const hasFile = isFile || (await stat(file).catch(() => undefined))?.isFile() === true;
  const document = hasFile ? await readJson(file) : undefined;
  if (document !== undefined && !isDescription(document)) return undefined;
  const splitted = join(root, "raw_splitted");
  const folder = (await stat(join(splitted, "imagesTr")).catch(() => undefined))?.isDirectory() ? splitted : root;
  if (document === undefined && !(await hasInstances(join(folder, "labelsTr")))) return undefined;
  const { cases, test } = await casesInFolders(folder, {});
  const about = { root, source: hasFile ? file : root, cases, test: await withLabels(test, join(folder, "labelsTs")) };
  if (document !== undefined) {
    const { name, labels } = checkDescription(description, document, file);
    const classes = Object.entries(labels).map(([id, label]) => ({ id: Number(id), name: label }));
    const twin = classes.find((one, i) => classes.findIndex((other) => other.name === one.name) !== i);
    if (twin !== undefined) throw new DataError(`${file}: labels: two classes are called "${twin.name}"`);
    return { ...about, name: name || basename(root), classes: classes.sort((a, b) => a.id - b.id) };
  }
  const used = new Set<number>();
  for (const { label } of [...about.cases, ...about.test]) {
    for (const kind of Object.values((label && (await readInstances(label))) ?? {})) used.add(kind);
  }
  const classes = [...used].sort((a, b) => a - b).map((id) => ({ id, name: String(id) }));
  return { ...about, name: basename(root), classes };
}

/** The Decathlon's lists its cases, nnU-Net's names channels; nnDetection's has keys that neither has. */
function isDescription(document: unknown): boolean {
  if (typeof document !== "object" || document === null) return false;
  const has = (key: string): boolean => key in document;
  return !has("training") && !has("channel_names") && ["dim", "modalities", "target_class"].some(has);
}

async function hasInstances(labels: string): Promise<boolean> {
  const names = await readdir(labels).catch(() => [] as string[]);
  for (const name of names.filter((one) => one.endsWith(".json") && !one.startsWith("."))) {
    const document = await readJson(join(labels, name)).catch(() => undefined);
    return typeof document === "object" && document !== null && "instances" in document;
  }
  return false;
}

async function withLabels(test: readonly DataCase[], folder: string): Promise<DataCase[]> {
  const names = await readdir(folder).catch(() => [] as string[]);
  const labels = new Map(names.filter((name) => volumeExtension(name)).map((name) => [caseName(name), name]));
  return test.map((item) => {
    const label = labels.get(item.id);
    return label === undefined ? item : { ...item, label: join(folder, label) };
  });
}

const instancesDocument = z.looseObject({ instances: z.record(z.string(), z.coerce.number()) });

/** The list of instances beside a label map: value to class. @throws DataError where it is broken */
export async function readInstances(label: string): Promise<Readonly<Record<string, number>> | undefined> {
  const file = join(dirname(label), instancesFile(label));
  if (!(await stat(file).catch(() => undefined))?.isFile()) return undefined;
  return checkDescription(instancesDocument, await readJson(file), file).instances;
}

/** Its name. */
export function instancesFile(label: string): string {
  return `${caseName(label) || basename(label, volumeExtension(label) ?? extname(label))}.json`;
}
