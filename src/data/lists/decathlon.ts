/**
 * `dataset.json` of the Medical Segmentation Decathlon (Antonelli et al. 2022), of nnU-Net v1, which writes the same with one file a
 * channel, and of nnU-Net v2, which looks alike:
 *
 * | | Decathlon, nnU-Net v1 | nnU-Net v2 |
 * |---|---|---|
 * | labels | `{ "1": "Anterior" }` | `{ "Anterior": 1, "whole": [1, 2], "ignore": 3 }` |
 * | channels | `modality` | `channel_names` |
 * | cases | `training` and `test` lists | `dataset`, or found in `imagesTr`, `labelsTr`, one file per channel |
 *
 * Keys that say how images are read are read or refused by name: `file_ending`, `overwrite_image_reader_writer`,
 * `regions_class_order`. Those that only describe (`reference`, `licence`, `tensorImageSize`) are left alone.
 */
import { dirname, isAbsolute, resolve } from "node:path";
import { z } from "zod";
import { DataError } from "../../errors.ts";
import { caseIds } from "../case-id.ts";
import { describedLabels } from "../masks/nnunet.ts";
import type { Problem } from "../problem.ts";
import type { DataCase, OpenedDataset } from "../types.ts";
import { checkDescription, nonEmptyPath } from "./description.ts";
import { casesInFolders, type FoundCases, testCases } from "./folders.ts";
import { checkEnding, fileFinder } from "./volume-files.ts";

const labelled = z.object({ image: nonEmptyPath, label: nonEmptyPath });
const unlabelled = z.union([nonEmptyPath, z.object({ image: nonEmptyPath })]);
const description = z.object({
  name: z.string().optional(),
  labels: z.record(z.string(), z.union([z.string(), z.number(), z.array(z.number())])).optional(),
  regions_class_order: z.array(z.number()).optional(),
  modality: z.record(z.string(), z.string()).optional(),
  channel_names: z.record(z.string(), z.string()).optional(),
  file_ending: z.string().min(1).optional(),
  overwrite_image_reader_writer: z.string().nullish(),
  numTraining: z.number().optional(),
  training: z.array(labelled).optional(),
  validation: z.array(labelled).optional(),
  test: z.array(unlabelled).optional(),
  dataset: z.record(z.string(), z.object({ images: z.array(nonEmptyPath).min(1), label: nonEmptyPath })).optional(),
});
type Description = z.output<typeof description>;

/**
 * Reads a parsed `dataset.json`; `file` is its path.
 * @throws DataError naming file and key.
 */
export async function readDecathlon(document: unknown, file: string): Promise<OpenedDataset> {
  const given = checkDescription(description, document, file);
  checkReader(given, file);
  const root = dirname(file);
  const name = given.name ?? root.split(/[\\/]/).at(-1) ?? "data set";
  const channels = given.channel_names ?? given.modality;
  const modality = channelNames(channels ?? {}, given.channel_names ? "channel_names" : "modality", file);
  const described = given.labels && describedLabels(given.labels, given.regions_class_order, file);
  const found = await foundCases(given, root, file, modality.length);
  const take = (item: DataCase): DataCase => ({ ...item, ...described?.taken });
  return {
    name,
    root,
    source: file,
    labels: described?.labels,
    modality,
    cases: found.cases.map(take),
    test: found.test.map(take),
    problems: [...found.problems, ...countProblem(name, given, found.cases.length)],
  };
}

async function foundCases(given: Description, root: string, file: string, channels: number): Promise<FoundCases> {
  const folders = { channelSuffix: true, ending: given.file_ending };
  if (given.dataset !== undefined) {
    const { test, problems } = await testCases(root, folders);
    return { cases: namedCases(given.dataset, root, file), test, problems };
  }
  if (given.training !== undefined) return listedCases(given, given.training, root, channels);
  if (given.channel_names !== undefined) return casesInFolders(root, folders);
  throw new DataError(`${file}: training: expected a list of { image, label }, it is missing`);
}

/** nnU-Net's explicit list: the files of each case, wherever they lie. */
function namedCases(dataset: NonNullable<Description["dataset"]>, root: string, file: string): DataCase[] {
  const { find } = fileFinder();
  return Object.entries(dataset).map(([key, { images, label }]) => {
    const place = (path: string, where: string): string => {
      if (path.includes("$"))
        throw new DataError(`${file}: dataset.${key}.${where}: ${path}: variables in paths are not replaced`);
      return find(isAbsolute(path) ? path : resolve(root, path));
    };
    const [image, ...moreChannels] = images.map((path, i) => place(path, `images[${i}]`));
    return {
      id: key.normalize("NFC"),
      image,
      ...(moreChannels.length > 0 ? { moreChannels } : {}),
      label: place(label, "label"),
    };
  });
}

/** The lists of the Decathlon. nnU-Net v1 lists images by the names they have without their channel numbers. */
function listedCases(
  given: Description,
  training: NonNullable<Description["training"]>,
  root: string,
  channels: number,
): FoundCases {
  const finder = fileFinder();
  const place = (path: string): string => (isAbsolute(path) ? path : resolve(root, path));
  const listed = [
    ...training.map((item) => ({ ...item, split: undefined })),
    ...(given.validation ?? []).map((item) => ({ ...item, split: "validation" })),
  ];
  const test = (given.test ?? []).map((item) => place(typeof item === "string" ? item : item.image));
  const images = listed.map((item) => place(item.image));
  const ids = caseIds([...images, ...test], root);
  return {
    cases: listed.map(({ label, split }, i) => ({
      id: ids[i],
      ...finder.channels(images[i], channels),
      label: finder.find(place(label)),
      ...(split === undefined ? {} : { split }),
    })),
    test: test.map((image, i) => ({
      id: ids[images.length + i],
      ...finder.channels(image, channels),
      split: "test",
    })),
    problems: [],
  };
}

/** nnU-Net's readers of volumes; what they do differently (axes, orientation) every image is brought to by the plan. */
const volumeReaders = ["SimpleITKIO", "SimpleITKIOWithReorient", "NibabelIO", "NibabelIOWithReorient"];

function checkReader({ file_ending: ending, overwrite_image_reader_writer: reader }: Description, file: string): void {
  if (ending !== undefined) checkEnding(ending, `${file}: file_ending`);
  if (reader == null || reader === "None" || volumeReaders.includes(reader)) return;
  throw new DataError(
    `${file}: overwrite_image_reader_writer: ${reader} is not known; expected one of ${volumeReaders.join(", ")}, or no such key`,
  );
}

function countProblem(name: string, { numTraining }: Description, cases: number): Problem[] {
  if (numTraining === undefined || numTraining === cases) return [];
  const message = `numTraining is ${numTraining}, ${cases} ${cases === 1 ? "case is" : "cases are"} there`;
  return [{ severity: "warning", case: name, rule: "case-count", message }];
}

function channelNames(channels: Record<string, string>, key: string, file: string): string[] {
  return Object.keys(channels)
    .map((number) => {
      if (!/^\d+$/.test(number))
        throw new DataError(`${file}: ${key}.${number}: expected channel numbers from 0 as keys`);
      return Number(number);
    })
    .sort((a, b) => a - b)
    .map((channel, i) => {
      if (channel !== i) throw new DataError(`${file}: ${key}: channel ${i} is missing`);
      return channels[String(channel)];
    });
}
