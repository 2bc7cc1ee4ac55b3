/**
 * The labels of a `dataset.json`: the Decathlon's values with names, or nnU-Net's names with values, with regions (`[1, 2]`, several
 * values that are one class), the values that regions are written as (`regions_class_order`), and the label `ignore`.
 */
import { DataError } from "../../errors.ts";
import type { DataCase, LabelClass } from "../types.ts";
import { ignoreName } from "./values.ts";

/** Classes, and what every case takes of its label map to have them. */
export interface DescribedLabels {
  readonly labels: readonly LabelClass[];
  readonly taken: Pick<DataCase, "labelPick" | "labelKnown" | "ignoreLabel">;
}

interface Region {
  readonly name: string;
  readonly values: readonly number[];
}

/**
 * @param order values that regions are written as, in the order of the labels; 1, 2, … where left out
 * @throws DataError for labels that cannot be understood, and for regions that share a value
 */
export function describedLabels(
  given: Readonly<Record<string, string | number | readonly number[]>>,
  order: readonly number[] | undefined,
  file: string,
): DescribedLabels {
  const regions = Object.entries(given).map(([key, value]): Region => {
    if (Array.isArray(value)) return { name: key, values: value as readonly number[] };
    if (typeof value === "number") return { name: key, values: [value] };
    if (!/^\d+$/.test(key)) {
      throw new DataError(`${file}: labels.${key}: expected a label value as the key, e.g. "1": "${value}"`);
    }
    return { name: value as string, values: [Number(key)] };
  });
  for (const { name, values } of regions) {
    if (values.length === 0) throw new DataError(`${file}: labels.${name}: names no value`);
  }
  // As in nnU-Net, a list of one value is that value.
  if (regions.every(({ values }) => values.length === 1)) return plain(regions);
  checkDisjoint(regions, file);
  return merged(regions, order, file);
}

function plain(regions: readonly Region[]): DescribedLabels {
  const ignored = regions.find(({ name }) => name === ignoreName);
  return {
    labels: regions.filter((region) => region !== ignored).map(({ name, values }) => ({ index: values[0], name })),
    taken: ignored === undefined ? {} : { ignoreLabel: ignored.values[0] },
  };
}

/** Values that are one class become one. */
function merged(regions: readonly Region[], order: readonly number[] | undefined, file: string): DescribedLabels {
  const background = regions.find(({ values }) => values.includes(0));
  const ignored = regions.find(({ name }) => name === ignoreName);
  const classes = regions.filter((region) => region !== background && region !== ignored);
  const written = order ?? classes.map((_, k) => k + 1);
  const isOrder = written.every((value, i) => Number.isInteger(value) && value > 0 && written.indexOf(value) === i);
  if (written.length !== classes.length || !isOrder) {
    const names = classes.map(({ name }) => name).join(", ");
    throw new DataError(
      `${file}: regions_class_order: ${written.join(", ")}; expected one value above 0 for each of ${names}, all different`,
    );
  }
  const last = Math.max(...written);
  const pick = Array.from({ length: last }, (_, k) => classes[written.indexOf(k + 1)]?.values ?? []);
  return {
    labels: [
      { index: 0, name: background?.name ?? "background" },
      ...classes.map(({ name }, k) => ({ index: written[k], name })),
    ],
    taken: {
      labelPick: ignored === undefined ? pick : [...pick, ignored.values],
      labelKnown: regions.flatMap(({ values }) => values),
      ...(ignored === undefined ? {} : { ignoreLabel: last + 1 }),
    },
  };
}

function checkDisjoint(regions: readonly Region[], file: string): void {
  const owner = new Map<number, string>();
  for (const { name, values } of regions) {
    for (const value of values) {
      if (!Number.isInteger(value) || value < 0)
        throw new DataError(`${file}: labels.${name}: has the value ${value}; expected whole numbers from 0`);
      const other = owner.get(value);
      if (other !== undefined)
        throw new DataError(
          `${file}: labels.${name}: the value ${value} belongs to "${other}" already; regions that overlap ` +
            "(nnU-Net's region-based training, one sigmoid a region) are not trained here: give each value to one class",
        );
      owner.set(value, name);
    }
  }
}
