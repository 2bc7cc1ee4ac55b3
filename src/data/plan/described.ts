/**
 * A list of cases out of a data set that describes itself. A CSV of paths says nothing about channels and classes; where all its images
 * are those of one folder with a `dataset.json` (Decathlon, nnU-Net), what stands there holds for the list, too: names of channels and
 * classes, values that make up a class, files with further channels. So a list leads to the same plan as the folder it was made from.
 * What the list says itself comes first.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { readDecathlon } from "../lists/decathlon.ts";
import { readJson } from "../text.ts";
import type { DataCase, OpenedDataset } from "../types.ts";

/** What a list says itself, and need not be looked up. */
export interface SaidByList {
  readonly name?: boolean;
  readonly labels?: boolean;
  readonly modality?: boolean;
  /** Ids that the list gives its cases. */
  readonly ids: ReadonlySet<string>;
}

/**
 * The list with what the description of its folder says; the list itself where there is none.
 * @throws DataError where the description is broken
 */
export async function withDescription(list: OpenedDataset, said: SaidByList): Promise<OpenedDataset> {
  const listed = [...list.cases, ...list.test];
  const whole = await descriptionOf(listed, list.source);
  if (whole === undefined) return list;
  const byImage = new Map([...whole.cases, ...whole.test].map((item) => [item.image, item]));
  if (!listed.every(({ image }) => byImage.has(image))) return list;
  // Other label maps (a second reader's, say) may mean something else by their values.
  const isTruth = listed.every(({ image, label }) => label === undefined || byImage.get(image)!.label === label);
  const takesLabels = said.labels !== true && isTruth;
  const take = (item: DataCase): DataCase => {
    const { id, moreChannels, labelPick, labelKnown, ignoreLabel } = byImage.get(item.image)!;
    return {
      ...item,
      ...(!said.ids.has(item.id) && { id }),
      ...(moreChannels && { moreChannels }),
      ...(takesLabels && labelPick && { labelPick }),
      ...(takesLabels && labelKnown && { labelKnown }),
      ...(takesLabels && ignoreLabel !== undefined && { ignoreLabel }),
    };
  };
  return {
    ...list,
    ...(said.name !== true && { name: whole.name }),
    ...(takesLabels && { labels: whole.labels }),
    ...(said.modality !== true && { modality: whole.modality }),
    cases: list.cases.map(take),
    test: list.test.map(take),
  };
}

/** The description of the one folder that all images lie in, in a folder of it each. */
async function descriptionOf(cases: readonly DataCase[], source: string): Promise<OpenedDataset | undefined> {
  const roots = new Set(cases.map(({ image }) => dirname(dirname(image))));
  const [root] = roots;
  if (roots.size !== 1) return undefined;
  const file = join(root, "dataset.json");
  if (file === source || !existsSync(file)) return undefined;
  const document = await readJson(file);
  const keys = typeof document === "object" && document !== null ? Object.keys(document) : [];
  const describes = ["training", "dataset", "channel_names"].some((key) => keys.includes(key));
  return describes ? readDecathlon(document, file) : undefined;
}
