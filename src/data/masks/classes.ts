/**
 * A data set seen through the classes of a run: where both sides have names for their label values, names decide, so that a set which
 * counts its classes otherwise is scored right, and one with other classes is refused. Where one side has values alone, they decide.
 */
import { ConfigError } from "../../errors.ts";
import type { DataCase, Dataset, LabelClass } from "../types.ts";

/**
 * The data set with the run's values for its classes.
 * @param classes of the run, background first
 * @param run what stands for it in messages
 * @throws ConfigError where the names are not the same
 */
export function matchClasses(dataset: Dataset, classes: readonly LabelClass[], run: string): Dataset {
  if (dataset.labelsFrom === "discovered" || !areNamed(dataset.labels) || !areNamed(classes)) return dataset;
  const theirs = foreground(dataset.labels);
  const ours = foreground(classes);
  const found = ours.map(({ name }) => theirs.find((other) => sameName(other.name, name)));
  const missing = ours.filter((_, i) => found[i] === undefined);
  const strangers = theirs.filter((other) => !found.includes(other));
  if (missing.length > 0 || strangers.length > 0) {
    const list = (labels: readonly LabelClass[]): string => labels.map(({ name }) => `"${name}"`).join(", ");
    const example = `{ "data": …, "labels": { "${ours[0].name}": ["${theirs[0]?.name ?? "…"}"] } }`;
    throw new ConfigError(
      `${dataset.source}: has the classes ${list(theirs) || "none"}, ${run} has ${list(ours)}; ` +
        `classes are compared by name: pick and name them as the run does in a JSON file, ${example}`,
    );
  }
  if (ours.every(({ index }, i) => index === found[i]?.index)) return { ...dataset, labels: classes };
  const last = Math.max(...ours.map(({ index }) => index));
  const pick = Array.from({ length: last }, (_, k) => {
    const place = ours.findIndex(({ index }) => index === k + 1);
    return place < 0 ? [] : [(found[place] as LabelClass).index];
  });
  const renumber = (item: DataCase): DataCase => renumbered(item, pick, dataset.labels);
  return { ...dataset, labels: classes, cases: dataset.cases.map(renumber), test: dataset.test.map(renumber) };
}

function renumbered(item: DataCase, pick: readonly (readonly number[])[], labels: readonly LabelClass[]): DataCase {
  const { labelPick, labelKnown, ignoreLabel } = item;
  const ignored = ignoreLabel === undefined ? [] : [ignoreLabel];
  const outer = ignored.length === 0 ? pick : [...pick, ignored];
  const known = labelPick === undefined ? [...labels.map(({ index }) => index), ...ignored] : labelKnown;
  return {
    ...item,
    labelPick: outer.map((values) =>
      values.flatMap((value) => (labelPick === undefined ? [value] : (labelPick[value - 1] ?? []))),
    ),
    ...(known && { labelKnown: known }),
    ...(ignored.length > 0 && { ignoreLabel: outer.length }),
  };
}

const foreground = (labels: readonly LabelClass[]): LabelClass[] => labels.filter(({ index }) => index !== 0);

/** Whether somebody named the classes: `label 3` is what a value without a name is called. */
function areNamed(labels: readonly LabelClass[]): boolean {
  return foreground(labels).some(({ index, name }) => name !== `label ${index}`);
}

function sameName(a: string, b: string): boolean {
  const plain = (name: string): string => name.normalize("NFC").trim().toLowerCase();
  return plain(a) === plain(b);
}
