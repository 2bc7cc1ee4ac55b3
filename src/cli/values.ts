/**
 * Parsers for option values, to be handed to commander's `.option(flags, description, parser)`. Each refuses what it
 * does not take with the rule that was broken; the frame puts the option's name in front.
 */
import { InvalidArgumentError } from "commander";
import type { Axis } from "../augment/index.ts";
import { didYouMean } from "../text/index.ts";

export interface Bounds {
  min?: number;
  max?: number;
}

/** A whole number, e.g. `--epochs 16`. */
export function wholeNumber(bounds: Bounds = {}): (text: string) => number {
  return (text) => {
    if (!/^[+-]?\d+$/.test(text.trim()) || !Number.isSafeInteger(Number(text))) {
      throw new InvalidArgumentError("must be a whole number");
    }
    return within(Number(text), bounds);
  };
}

/** A number, e.g. `--lr 1e-3`. */
export function decimal(bounds: Bounds = {}): (text: string) => number {
  return (text) => {
    const value = text.trim() === "" ? Number.NaN : Number(text);
    if (!Number.isFinite(value)) throw new InvalidArgumentError("must be a number");
    return within(value, bounds);
  };
}

/** Whole numbers above 0, one per axis, separated by commas: `--patch 48,64,48` (x, y, z). */
export function sizes(count: number): (text: string) => number[] {
  return (text) => {
    const values = text.split(",").map((part) => (/^\s*\d+\s*$/.test(part) ? Number(part) : Number.NaN));
    if (values.length !== count || !values.every((value) => Number.isSafeInteger(value) && value > 0)) {
      const example = [48, 64, 48].slice(0, count).join(",");
      throw new InvalidArgumentError(`must be ${count} whole numbers above 0 separated by commas, e.g. ${example}`);
    }
    return values;
  };
}

/** Numbers above 0, one per axis, separated by commas: `--spacing 1,1,1.5` (x, y, z; millimetres). */
export function decimals(count: number): (text: string) => number[] {
  return (text) => {
    const values = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
    if (values.length !== count || !values.every((value) => Number.isFinite(value) && value > 0)) {
      const example = [1, 1, 1.5].slice(0, count).join(",");
      throw new InvalidArgumentError(`must be ${count} numbers above 0 separated by commas, e.g. ${example}`);
    }
    return values;
  };
}

/** One of some words, e.g. `--use best`. */
export function oneOf<Word extends string>(words: readonly Word[]): (text: string) => Word {
  return (text) => {
    const word = words.find((one) => one === text);
    if (word === undefined)
      throw new InvalidArgumentError(
        `must be one of ${words.join(", ")}${text.length > 3 ? didYouMean(text, words) : ""}`,
      );
    return word;
  };
}

/** The weights of a run that are used: `--use last`. */
export const whichWeights = oneOf(["last", "best"]);

/** A part of a run's data: `--split validation`. */
export const whichSplit = oneOf(["heldOut", "validation", "train"]);

/** What `--device` takes, for its help. */
export const deviceHelp = "cpu; webgpu and cuda are experimental, docs/how-to/gpu.md says what they need";

/** What computes: `--device cuda`. */
export const whichDevice = oneOf(["cpu", "webgpu", "cuda"]);

/** How a segmentation's label maps are written. */
export const segmentationFormats = ["nifti", "seg", "seg-fractional"] as const;
export const segmentationFormat = oneOf(segmentationFormats);

/** Axes of the patient, separated by commas or not: `x`, `x,y`, `xyz`. */
export function axes(text: string): Axis[] {
  const names = text.replaceAll(/[\s,]/g, "").split("");
  if (names.length === 0 || !names.every((name): name is Axis => name === "x" || name === "y" || name === "z"))
    throw new InvalidArgumentError("must be axes among x, y, z separated by commas, e.g. x,y");
  return [...new Set(names as Axis[])];
}

/** Which components of a prediction are kept, as a configuration has it; `null` for all. */
export type KeptComponents = number | { foreground: number } | { classes: Record<string, number> } | null;

/**
 * Which components of a prediction are kept: `none`, `foreground`, `foreground:2`, `2` (of each class), `liver:1,spleen:1`.
 * @throws InvalidArgumentError for anything else
 */
export function keptComponents(text: string): KeptComponents {
  const words = text.split(",").map((word) => word.trim());
  if (text === "none") return null;
  if (text === "foreground") return { foreground: 1 };
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  const named = words.map((word) => /^(.+):([1-9]\d*)$/.exec(word));
  if (!named.every((match) => match !== null))
    throw new InvalidArgumentError(
      "must be foreground, foreground:2, a number of each class, classes such as liver:1,spleen:1, or none",
    );
  const classes = Object.fromEntries(named.map(([, name, count]) => [name, Number(count)]));
  return named.length === 1 && Object.hasOwn(classes, "foreground") ? { foreground: classes.foreground } : { classes };
}

/** The text that {@link keptComponents} reads as this value. */
export function keptComponentsText(kept: KeptComponents): string {
  if (kept === null) return "none";
  if (typeof kept === "number") return String(kept);
  if ("foreground" in kept) return kept.foreground === 1 ? "foreground" : `foreground:${kept.foreground}`;
  return Object.entries(kept.classes)
    .map(([name, count]) => `${name}:${count}`)
    .join(",");
}

/** What the option of {@link keptComponents} says of itself, before its default. */
export const keptComponentsHelp =
  "largest connected components kept in predictions: foreground (of all classes together), foreground:2, a number (of each class, lesions too), classes such as liver:1,spleen:1, or none";

/** An amount of memory in bytes: `2.5GB`, `800MB` (powers of 1000), `2GiB` (of 1024). */
export function memorySize(text: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([kmgt])(i?)b\s*$/i.exec(text);
  if (match === null || Number(match[1]) === 0) throw new InvalidArgumentError("must be a size such as 2.5GB or 800MB");
  const step = match[3] === "" ? 1000 : 1024;
  return Math.floor(Number(match[1]) * step ** ("kmgt".indexOf(match[2].toLowerCase()) + 1));
}

function within(value: number, { min, max }: Bounds): number {
  if ((min !== undefined && value < min) || (max !== undefined && value > max)) {
    const rule =
      min !== undefined && max !== undefined
        ? `between ${min} and ${max}`
        : min !== undefined
          ? `at least ${min}`
          : `at most ${max}`;
    throw new InvalidArgumentError(`must be ${rule}`);
  }
  return value;
}

/** Lowest and highest value, which may be below 0, separated by a comma: `--window=-200,250` (HU). */
export function lowHigh(text: string): number[] {
  const values = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  if (values.length !== 2 || !values.every(Number.isFinite))
    throw new InvalidArgumentError("must be two numbers separated by a comma, e.g. -1000,400");
  return values;
}
