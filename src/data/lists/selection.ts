/**
 * A part of a data set, seen as a data set of its own: some labels, picked and merged; some channels; some cases. Written
 * as a JSON file that names the whole and says what to take of it, it opens like any other data set:
 *
 *     { "name": "liver", "data": "Task03_Liver", "labels": { "liver": ["liver", "cancer"] } }
 */
import { z } from "zod";
import { DataError } from "../../errors.ts";
import { ignoreName } from "../masks/values.ts";
import type { DataCase, LabelClass, LabelPick, OpenedDataset } from "../types.ts";
import { nonEmptyPath } from "./description.ts";

const valueOrName = z.union([z.number().int().positive("a label value is a whole number from 1"), z.string().min(1)]);

/** Labels picked: what each is called → value or name in the whole data set, or several that become one. */
export const labelPickSchema = z.record(z.string().min(1), z.union([valueOrName, z.array(valueOrName).min(1)]));
export const channelPickSchema = z.array(z.union([z.number().int().min(0), z.string().min(1)])).min(1);

/** The zod schema of what is taken of a data set. */
export const selectionSchema = z.strictObject({
  /** What the part is called. */
  name: z.string().min(1).optional(),
  /** `{ "liver": [5] }`, `{ "liver": ["liver", "cancer"] }`: numbered 1, 2, … as written; all else is background. */
  labels: labelPickSchema.optional(),
  /** By number from 0, or by the names that the data set gives its channels. */
  channels: channelPickSchema.optional(),
  /** Ids of the cases to take; all by default. */
  cases: z.array(z.string()).min(1).optional(),
  /** Ids of cases to leave out. */
  exclude: z.array(z.string()).optional(),
  /** One name per channel, e.g. `["CT"]`; the whole set's by default. */
  modality: z.array(z.string()).optional(),
  /** `"own"`: label maps lie on grids of their own, and are brought to their image's by the affines (nearest voxel). */
  labelGrid: z.literal("own").optional(),
});

/** A file that names the whole beside what it takes of it; `$schema` is for editors. */
export const viewSchema = selectionSchema.extend({
  $schema: z.string().optional(),
  /** Folder or list of the data set, as a path from the file's folder. */
  data: nonEmptyPath,
});

export type Selection = z.output<typeof selectionSchema>;

/**
 * The part of a data set that a selection names.
 * @param where what stands in front of messages: the file, or the place in a configuration
 * @throws DataError for labels, channels or cases that the data set does not have
 */
export function select<D extends OpenedDataset>(whole: D, selection: Selection, where: string): D {
  const picked = selection.labels && resolveLabels(whole, selection.labels, where);
  const channels = selection.channels && resolveChannels(whole, selection.channels, where);
  const modality = selection.modality ?? (channels && whole.modality.length > 0 ? namesOf(whole, channels) : undefined);
  const narrow = (item: DataCase): DataCase => ({
    ...item,
    ...(picked && pickedOf(item, whole, picked)),
    ...(channels && { channelPick: channels.map((channel) => item.channelPick?.[channel] ?? channel) }),
    ...(selection.labelGrid && { labelGrid: selection.labelGrid }),
  });
  const { wanted, left } = chosenCases(whole, selection, where);
  const keep = ({ id }: Pick<DataCase, "id">): boolean => (wanted === undefined || wanted.has(id)) && !left.has(id);
  const ids = new Set([...whole.cases, ...whole.test].map(({ id }) => id));
  return {
    ...whole,
    // Of cases that are not taken, nothing needs saying.
    problems: whole.problems.filter(({ case: id }) => !ids.has(id) || keep({ id })),
    ...(selection.name && { name: selection.name }),
    ...(picked && { labels: picked.classes }),
    ...(modality && { modality }),
    cases: whole.cases.filter(keep).map(narrow),
    test: whole.test.filter(keep).map(narrow),
  };
}

/** The picked classes, numbered from 1 behind the background, the values that make up each, and those that do not count. */
interface Picked {
  readonly classes: readonly LabelClass[];
  readonly pick: LabelPick;
  readonly ignored: readonly number[];
}

/** What becomes of a case's label map: the picked values, and behind them what does not count. */
function pickedOf(
  { labelPick, labelKnown, ignoreLabel }: DataCase,
  { labels }: OpenedDataset,
  { pick, ignored }: Picked,
): Pick<DataCase, "labelPick" | "labelKnown" | "ignoreLabel"> {
  const before = ignoreLabel === undefined ? [] : [ignoreLabel];
  const notCounted = [...before, ...ignored];
  const outer = notCounted.length === 0 ? pick : [...pick, notCounted];
  const known = labelPick === undefined ? labels && [...labels.map(({ index }) => index), ...before] : labelKnown;
  return {
    labelPick: composed(labelPick, outer),
    ...(known && { labelKnown: known }),
    ...(notCounted.length > 0 && { ignoreLabel: outer.length }),
  };
}

function resolveLabels(
  { name, labels }: OpenedDataset,
  asked: NonNullable<Selection["labels"]>,
  where: string,
): Picked {
  const owner = new Map<number, string>();
  const known = labels?.map((label) => `${label.index} ${label.name}`).join(", ");
  const values = Object.entries(asked).map(([to, from]) =>
    [from].flat().map((given) => {
      const found = labels?.find((label) => (typeof given === "number" ? label.index : label.name) === given);
      if (found === undefined && (labels !== undefined || typeof given === "string")) {
        const rule = labels === undefined ? "declares no label names; give values" : `has the labels ${known}`;
        throw new DataError(`${where}: labels.${to}: ${JSON.stringify(given)} is not known; ${name} ${rule}`);
      }
      const value = found?.index ?? (given as number);
      if (value === 0) throw new DataError(`${where}: labels.${to}: the background (0) cannot be picked`);
      const other = owner.get(value);
      if (other !== undefined) {
        throw new DataError(`${where}: labels.${to}: the value ${value} belongs to "${other}" already`);
      }
      owner.set(value, to);
      return value;
    }),
  );
  const names = Object.keys(asked);
  if (names.includes("background")) {
    throw new DataError(`${where}: labels.background: whatever is not picked is background; leave it out`);
  }
  const classes = names.filter((to) => to !== ignoreName);
  return {
    classes: [{ index: 0, name: "background" }, ...classes.map((to, k) => ({ index: k + 1, name: to }))],
    pick: values.filter((_, i) => names[i] !== ignoreName),
    ignored: values.filter((_, i) => names[i] === ignoreName).flat(),
  };
}

function resolveChannels(
  { name, modality }: OpenedDataset,
  asked: NonNullable<Selection["channels"]>,
  where: string,
): number[] {
  return asked.map((given) => {
    const channel = typeof given === "number" ? given : modality.indexOf(given);
    if (channel < 0 || (modality.length > 0 && channel >= modality.length)) {
      const known = modality.map((what, i) => `${i} ${what}`).join(", ") || "no named channels";
      throw new DataError(`${where}: channels: ${JSON.stringify(given)} is not known; ${name} has ${known}`);
    }
    return channel;
  });
}

function namesOf({ modality }: OpenedDataset, channels: readonly number[]): string[] {
  return channels.map((channel) => modality[channel]);
}

function composed(inner: LabelPick | undefined, outer: LabelPick): LabelPick {
  return inner === undefined ? outer : outer.map((values) => values.flatMap((value) => inner[value - 1] ?? []));
}

function chosenCases(
  { name, cases, test }: OpenedDataset,
  { cases: asked, exclude = [] }: Selection,
  where: string,
): { wanted: ReadonlySet<string> | undefined; left: ReadonlySet<string> } {
  const ids = new Set([...cases, ...test].map(({ id }) => id));
  for (const [key, list] of Object.entries({ cases: asked ?? [], exclude })) {
    const unknown = list.find((id) => !ids.has(id));
    if (unknown !== undefined) throw new DataError(`${where}: ${key}: ${name} has no case ${unknown}`);
  }
  return { wanted: asked && new Set(asked), left: new Set(exclude) };
}
