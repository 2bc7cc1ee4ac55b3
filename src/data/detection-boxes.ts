/** Collecting the boxes of an item: sound ones are kept, the rest is named and counted. */
import { type Axes, type BoxProblem, boxProblem, clipBoxes, formatBox } from "../boxes/index.ts";
import { DataError } from "../errors.ts";
import { readImageSize } from "../files/index.ts";
import type { DetectionClass, DetectionItem, DetectionProblem, DetectionRule } from "./detection.ts";

/** A box may reach this far over the edge, in pixels: annotation tools disagree about the last one. */
const edgeTolerance = 1;

export interface GivenBox {
  /** Its number in the file, from 1. */
  readonly number: number;
  /** What it is called in messages: `object 3 (RBC)`. */
  readonly what: string;
  /** Half-open corners in pixels or voxels. */
  readonly corners: readonly number[];
  /** As it stands in the file, where that is not the same. */
  readonly asWritten?: readonly number[];
  /** Place in the classes; `undefined` for an unknown class. */
  readonly label: number | undefined;
  readonly className?: string;
  readonly difficult?: boolean;
  readonly crowd?: boolean;
  readonly area?: number;
}

/** What is found while a data set is read. */
export class Problems {
  readonly list: DetectionProblem[] = [];
  skipped = 0;

  add(problem: DetectionProblem): void {
    this.list.push(problem);
  }
}

type ItemBoxes = Pick<DetectionItem, "boxes" | "labels" | "difficult" | "crowd" | "areas">;

const rules: Readonly<Record<BoxProblem, { readonly rule: DetectionRule; readonly text: string }>> = {
  "not finite": { rule: "not-finite", text: "has a corner that is not a number" },
  inverted: { rule: "inverted", text: "is inverted: its high corner is below its low one" },
  degenerate: { rule: "degenerate", text: "has no extent: a side of length 0" },
  outside: { rule: "outside", text: "lies outside the image" },
  beyond: { rule: "beyond", text: "reaches beyond the image" },
};

/**
 * Sound boxes as arrays; the others into `problems`. What reaches over the edge is cut there, what lies outside is left out.
 * @param file the annotation file as messages name it
 * @param size of the picture or volume, where it is known
 */
export function collectBoxes(
  given: readonly GivenBox[],
  where: { readonly id: string; readonly file: string; readonly axes: Axes; readonly size?: readonly number[] },
  problems: Problems,
): ItemBoxes {
  const { axes, size, id, file } = where;
  const kept: { readonly box: Float64Array; readonly from: GivenBox; readonly label: number }[] = [];
  const withAreas = given.some(({ area }) => area !== undefined);
  for (const from of given) {
    const shown = Float64Array.from(from.asWritten ?? from.corners);
    const box = Float64Array.from(from.corners);
    const report = (severity: DetectionProblem["severity"], rule: DetectionRule, text: string): void => {
      problems.add({ severity, case: id, rule, message: `${file}: ${from.what}: ${text}`, box: from.number });
      if (severity === "error") problems.skipped++;
    };
    const wrong = boxProblem(shown, 0, axes) ?? boxProblem(box, 0, axes, size, edgeTolerance);
    if (wrong !== undefined && wrong !== "beyond") {
      const of = size !== undefined && wrong === "outside" ? ` of ${size.join("×")}` : "";
      report("error", rules[wrong].rule, `box ${formatBox(shown, 0, axes)} ${rules[wrong].text}${of}; left out`);
      continue;
    }
    if (from.label === undefined) {
      report("error", "unknown-class", `class ${JSON.stringify(from.className ?? "")} is not known; left out`);
      continue;
    }
    if (wrong === "beyond") {
      const { rule, text } = rules.beyond;
      report("warning", rule, `box ${formatBox(shown, 0, axes)} ${text} of ${size?.join("×")}; cut at the edge`);
    }
    kept.push({ box: size === undefined ? box : clipBoxes(box, size, axes), from, label: from.label });
  }
  const boxes = new Float64Array(kept.length * 2 * axes);
  kept.forEach(({ box }, i) => {
    boxes.set(box, i * 2 * axes);
  });
  return {
    boxes,
    labels: Int32Array.from(kept, ({ label }) => label),
    difficult: Uint8Array.from(kept, ({ from }) => (from.difficult ? 1 : 0)),
    crowd: Uint8Array.from(kept, ({ from }) => (from.crowd ? 1 : 0)),
    ...(withAreas ? { areas: Float64Array.from(kept, ({ from }) => from.area ?? 0) } : {}),
  };
}

/** What the annotation says of a picture's size, or the picture itself; `undefined` where it cannot be read. */
export async function pictureSize(
  declared: readonly number[] | undefined,
  image: string,
): Promise<readonly number[] | undefined> {
  if (declared !== undefined) return declared;
  // A picture that is missing or damaged is reported by whoever reads it.
  const size = await readImageSize(image).catch(() => undefined);
  return size && [size.width, size.height];
}

/** Numbers of a file to numbers; whatever is none becomes NaN and is reported with its box. */
export function numberOf(text: unknown): number {
  if (typeof text === "number") return text;
  return typeof text === "string" && text.trim() !== "" ? Number(text) : Number.NaN;
}

/** Classes by name in the order asked for, or in the order of names. */
export function classesByName(
  found: Iterable<string>,
  asked: readonly string[] | undefined,
  source: string,
): DetectionClass[] {
  const names = asked ?? [...new Set(found)].sort();
  names.forEach((name, i) => {
    if (names.indexOf(name) !== i) throw new DataError(`${source}: two classes are called "${name}"`);
  });
  return names.map((name, id) => ({ id, name }));
}

const splitNames: Readonly<Record<string, NonNullable<DetectionItem["split"]>>> = {
  train: "train",
  training: "train",
  val: "validation",
  valid: "validation",
  validation: "validation",
  test: "test",
  testing: "test",
};

/** The part of a data set that a word stands for. */
export function splitNamed(word: string | undefined): DetectionItem["split"] {
  return word === undefined ? undefined : splitNames[word.toLowerCase()];
}

/** The part that a file's or folder's name speaks of: `instances_val2017.json`, `valid`. */
export function splitWithin(name: string): DetectionItem["split"] {
  for (const word of name.toLowerCase().split(/[^a-z]+/)) if (splitNamed(word) !== undefined) return splitNamed(word);
  return undefined;
}
