/**
 * `dataset.json` of the Medical Segmentation Decathlon (Antonelli et al. 2022) and of nnU-Net v2, which looks alike:
 *
 * | | Decathlon | nnU-Net v2 |
 * |---|---|---|
 * | labels | `{ "1": "Anterior" }` | `{ "Anterior": 1 }` |
 * | channels | `modality` | `channel_names` |
 * | cases | `training` and `test` lists | found in `imagesTr`, `labelsTr`, one file per channel |
 */
import { dirname, isAbsolute, resolve } from "node:path";
import { z } from "zod";
import { DataError } from "../errors.ts";
import { caseIds } from "./case-id.ts";
import type { DataCase, LabelClass, OpenedDataset } from "./dataset.ts";
import { checkDescription, nonEmptyPath } from "./description.ts";
import { casesInFolders } from "./folders.ts";

const labelled = z.object({ image: nonEmptyPath, label: nonEmptyPath });
const unlabelled = z.union([nonEmptyPath, z.object({ image: nonEmptyPath })]);
const description = z.object({
  name: z.string().optional(),
  labels: z.record(z.string(), z.union([z.string(), z.number(), z.array(z.number())])).optional(),
  modality: z.record(z.string(), z.string()).optional(),
  channel_names: z.record(z.string(), z.string()).optional(),
  file_ending: z.string().optional(),
  training: z.array(labelled).optional(),
  validation: z.array(labelled).optional(),
  test: z.array(unlabelled).optional(),
});

/**
 * Reads a parsed `dataset.json`; `file` is its path.
 * @throws DataError naming file and key.
 */
export async function readDecathlon(document: unknown, file: string): Promise<OpenedDataset> {
  const given = checkDescription(description, document, file);
  const root = dirname(file);
  const common = {
    name: given.name ?? root.split(/[\\/]/).at(-1) ?? "data set",
    root,
    source: file,
    labels: given.labels && labelClasses(given.labels, file),
    modality: channelNames(given.modality ?? given.channel_names ?? {}, file),
  };
  if (given.training === undefined) {
    if (given.channel_names === undefined) {
      throw new DataError(`${file}: training: expected a list of { image, label }, it is missing`);
    }
    const { cases, test } = await casesInFolders(root, { channelSuffix: true });
    return { ...common, cases, test };
  }
  const place = (path: string) => (isAbsolute(path) ? path : resolve(root, path));
  const listed: Omit<DataCase, "id">[] = [
    ...given.training.map(({ image, label }) => ({ image: place(image), label: place(label) })),
    ...(given.validation ?? []).map(({ image, label }) => ({
      image: place(image),
      label: place(label),
      split: "validation",
    })),
  ];
  const test = (given.test ?? []).map((item) => place(typeof item === "string" ? item : item.image));
  const ids = caseIds([...listed.map((item) => item.image), ...test], root);
  return {
    ...common,
    cases: listed.map((item, i) => ({ id: ids[i], ...item })),
    test: test.map((image, i) => ({ id: ids[listed.length + i], image, split: "test" })),
  };
}

/** `{ "0": "background" }` (Decathlon) or `{ "background": 0 }` (nnU-Net). */
function labelClasses(labels: Record<string, string | number | number[]>, file: string): LabelClass[] {
  return Object.entries(labels).map(([key, value]) => {
    if (Array.isArray(value)) {
      throw new DataError(`${file}: labels.${key}: regions of several values are not read; list every value once`);
    }
    if (typeof value === "number") return { index: value, name: key };
    if (!/^\d+$/.test(key)) {
      throw new DataError(`${file}: labels.${key}: expected a label value as the key, e.g. "1": "${value}"`);
    }
    return { index: Number(key), name: value };
  });
}

function channelNames(modality: Record<string, string>, file: string): string[] {
  return Object.keys(modality)
    .map((key) => {
      if (!/^\d+$/.test(key)) throw new DataError(`${file}: modality.${key}: expected channel numbers from 0 as keys`);
      return Number(key);
    })
    .sort((a, b) => a - b)
    .map((channel, i) => {
      if (channel !== i) throw new DataError(`${file}: modality: channel ${i} is missing`);
      return modality[String(channel)];
    });
}
