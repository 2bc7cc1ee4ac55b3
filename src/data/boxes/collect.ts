/** Collecting the boxes of an item: sound ones are taken, the rest is named and counted. */
import { type Axes, type BoxProblem, boxProblem, clipBoxes, formatBox } from "../../boxes/index.ts";
import { ConfigError } from "../../errors.ts";
import { counted } from "../counted.ts";
import { type Problem, type ProblemRule, problemEffects } from "../problem.ts";
import type { DetectionClass, DetectionDataset, DetectionItem, OpenDetectionOptions, WorldPlace } from "./types.ts";

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
  /** Why its corners are no numbers, where the file's own words say more. */
  readonly wrong?: string;
  /** Place in the classes; `undefined` for one that is not among them. */
  readonly label: number | undefined;
  readonly className?: string;
  readonly difficult?: boolean;
  readonly crowd?: boolean;
  readonly area?: number;
  /** What the box was made from. */
  readonly finding?: WorldPlace;
}

/** What is found while a data set is read. */
export class Problems {
  readonly list: Problem[] = [];
  /** Boxes, images and annotation files that are left out. */
  private boxes = 0;
  private images = 0;
  private files = 0;
  private readonly unwanted = new Map<string, number>();
  private readonly otherClasses: OpenDetectionOptions["otherClasses"];

  constructor({ otherClasses }: Pick<OpenDetectionOptions, "otherClasses"> = {}) {
    this.otherClasses = otherClasses;
  }

  /**
   * What stops or costs something is an error, what is worth a look a warning.
   * @param left out with it: boxes, and whether an image or a whole annotation file
   */
  add(
    problem: Omit<Problem, "severity"> & Partial<Pick<Problem, "severity">>,
    left: { readonly boxes?: number; readonly images?: number; readonly files?: number } = {},
  ): void {
    const severity = problemEffects[problem.rule] === "noted" ? "warning" : "error";
    this.list.push({ severity, ...problem });
    this.boxes += left.boxes ?? 0;
    this.images += left.images ?? 0;
    this.files += left.files ?? 0;
  }

  /** Whether a box of another class than those asked for is counted as not wanted. */
  leaveAway(className: string): boolean {
    if (this.otherClasses !== "unwanted") return false;
    this.unwanted.set(className, (this.unwanted.get(className) ?? 0) + 1);
    return true;
  }

  /** All of it, at the end of reading. @param name of the data set, `files` its annotation files */
  done(name: string, files: number): Pick<DetectionDataset, "problems" | "skipped" | "leftOut"> {
    const notes = [...this.unwanted].map(([className, boxes]): Problem => {
      const message = `class ${JSON.stringify(className)} was not asked for: its ${boxesText(boxes)} are no objects here`;
      return { severity: "warning", case: name, rule: "unwanted-class", message };
    });
    const leftOut = { files: this.files, of: files, images: this.images };
    return { problems: [...this.list, ...notes], skipped: this.boxes, leftOut };
  }
}

type ItemBoxes = Pick<DetectionItem, "boxes" | "labels" | "difficult" | "crowd" | "areas" | "findings">;

const rules: Readonly<Record<BoxProblem, { readonly rule: ProblemRule; readonly text: string }>> = {
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
  const taken: { readonly box: Float64Array; readonly from: GivenBox; readonly label: number }[] = [];
  const withAreas = given.some(({ area }) => area !== undefined);
  for (const from of given) {
    const shown = Float64Array.from(from.asWritten ?? from.corners);
    const box = Float64Array.from(from.corners);
    const report = (rule: ProblemRule, text: string, left: number): void =>
      problems.add({ case: id, rule, message: `${file}: ${from.what}: ${text}`, box: from.number }, { boxes: left });
    const wrong = boxProblem(shown, 0, axes) ?? boxProblem(box, 0, axes, size, edgeTolerance);
    if (wrong !== undefined && wrong !== "beyond") {
      const of = size !== undefined && wrong === "outside" ? ` of ${size.join("×")}` : "";
      const text =
        wrong === "not finite" && from.wrong ? from.wrong : `box ${formatBox(shown, 0, axes)} ${rules[wrong].text}`;
      report(rules[wrong].rule, `${text}${of}; left out`, 1);
      continue;
    }
    if (from.label === undefined && problems.leaveAway(from.className ?? "")) continue;
    if (from.label === undefined) {
      const text = from.className ? `class ${JSON.stringify(from.className)} is not known` : "has no class";
      report("unknown-class", `${text}; left out`, 1);
      continue;
    }
    if (wrong === "beyond") {
      const { rule, text } = rules.beyond;
      report(rule, `box ${formatBox(shown, 0, axes)} ${text} of ${size?.join("×")}; cut at the edge`, 0);
    }
    taken.push({ box: size === undefined ? box : clipBoxes(box, size, axes), from, label: from.label });
  }
  const boxes = new Float64Array(taken.length * 2 * axes);
  taken.forEach(({ box }, i) => {
    boxes.set(box, i * 2 * axes);
  });
  const findings = taken.flatMap(({ from }) => from.finding ?? []);
  return {
    boxes,
    labels: Int32Array.from(taken, ({ label }) => label),
    difficult: Uint8Array.from(taken, ({ from }) => (from.difficult ? 1 : 0)),
    crowd: Uint8Array.from(taken, ({ from }) => (from.crowd ? 1 : 0)),
    ...(withAreas ? { areas: Float64Array.from(taken, ({ from }) => from.area ?? 0) } : {}),
    ...(findings.length > 0 && findings.length === taken.length ? { findings } : {}),
  };
}

/** `1 box`, `3 boxes`. */
export function boxesText(boxes: number): string {
  return boxes === 1 ? "1 box" : `${boxes} boxes`;
}

/** What was left out of a data set, for people: `2 of 15 annotation files, 1 image and 3 boxes left out`; empty for nothing. */
export function leftOutText({ leftOut, skipped }: Pick<DetectionDataset, "leftOut" | "skipped">): string {
  const { files, of, images } = leftOut;
  const parts = [
    ...(files > 0 ? [`${files} of ${counted(of, "annotation file")}`] : []),
    ...(images > 0 ? [counted(images, "image")] : []),
    ...(skipped > 0 ? [boxesText(skipped)] : []),
  ];
  if (parts.length === 0) return "";
  return `${[parts.slice(0, -1).join(", "), parts.at(-1)].filter(Boolean).join(" and ")} left out`;
}

/** Numbers of a file to numbers; whatever is none becomes NaN and is reported with its box. */
export function numberOf(text: unknown): number {
  if (typeof text === "number") return text;
  return typeof text === "string" && text.trim() !== "" ? Number(text) : Number.NaN;
}

/** Classes by name in the order asked for, or in the order of names. @throws ConfigError for a name that is asked for twice */
export function classesByName(
  found: Iterable<string>,
  asked: readonly string[] | undefined,
  source: string,
): DetectionClass[] {
  const names = asked ?? [...new Set(found)].sort();
  checkAsked(names, source);
  return names.map((name, id) => ({ id, name }));
}

/**
 * Classes of a set that gives them numbers, in the order asked for, or as they are. A class that the set does not have gets a
 * number that none of its classes has.
 */
export function classesByNumber(
  declared: readonly DetectionClass[],
  asked: readonly string[] | undefined,
  source: string,
): DetectionClass[] {
  if (asked === undefined) return [...declared];
  checkAsked(asked, source);
  let free = Math.max(0, ...declared.map(({ id }) => id + 1));
  return asked.map((name) => declared.find((one) => one.name === name) ?? { id: free++, name });
}

function checkAsked(names: readonly string[], source: string): void {
  names.forEach((name, i) => {
    if (names.indexOf(name) !== i) throw new ConfigError(`classes: "${name}" is asked for twice (${source})`);
  });
}

/** Names for items, each once: `a`, then `a#2` for another of that name. */
export class Ids {
  private readonly taken = new Set<string>();

  next(name: string): string {
    let id = name;
    for (let times = 2; this.taken.has(id); times++) id = `${name}#${times}`;
    this.taken.add(id);
    return id;
  }
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
