/**
 * Checking a detection data set: what was found wrong with its annotations while it was opened, and then every picture or
 * volume itself. A broken item never throws; it becomes a finding, and the next one is looked at.
 */
import { access } from "node:fs/promises";
import { relative } from "node:path";
import { readImage2d, readVolume } from "../../files/index.ts";
import { counted } from "../counted.ts";
import { scanVoxels } from "../prepare/scan.ts";
import type { Problem, ProblemRule } from "../problem.ts";
import type { DetectionDataset, DetectionItem } from "./types.ts";

export interface DetectionVerification {
  readonly dataset: string;
  readonly format: DetectionDataset["format"];
  readonly findings: readonly Problem[];
  readonly summary: {
    readonly images: number;
    readonly errors: number;
    readonly warnings: number;
    /** Items with at least one error. */
    readonly broken: number;
    readonly boxes: number;
    /** Boxes that training leaves out. */
    readonly skipped: number;
    /** Images without any object. */
    readonly empty: number;
    readonly splits: Readonly<Record<string, number>>;
    readonly classes: readonly DetectionClassSummary[];
  };
}

export interface DetectionClassSummary {
  readonly name: string;
  readonly boxes: number;
  readonly images: number;
  /** Geometric mean of a box's sides in pixels or voxels, over boxes: smallest, median, largest. */
  readonly side: readonly [min: number, median: number, max: number] | null;
}

export interface VerifyDetectionOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number, id: string) => void;
  /** Whether pictures and volumes are read, not only their annotations. Default true. */
  readonly readImages?: boolean;
}

/** Throws only what `signal` was aborted with. */
export async function verifyDetection(
  dataset: DetectionDataset,
  options: VerifyDetectionOptions = {},
): Promise<DetectionVerification> {
  const findings: Problem[] = [...dataset.problems];
  const seen = new Map<string, DetectionItem>();
  const reported = new Set(findings.filter(({ rule }) => rule === "size-mismatch").map((finding) => finding.case));
  let done = 0;
  for (const item of dataset.items) {
    options.signal?.throwIfAborted();
    if (options.readImages ?? true) {
      const report = (severity: Problem["severity"], rule: ProblemRule, message: string): void => {
        // Opening has looked at sizes already.
        if (rule === "size-mismatch" && reported.has(item.id)) return;
        findings.push({ severity, case: item.id, rule, message });
      };
      await verifyImage(dataset, item, seen, report);
    }
    options.onProgress?.(++done, dataset.items.length, item.id);
  }
  const classes = dataset.classes.map((_, k) => classSummary(dataset, k));
  for (const { name, boxes } of classes) {
    if (boxes > 0) continue;
    const message = `class "${name}" has no box`;
    findings.push({ severity: "warning", case: dataset.name, rule: "unused-class", message });
  }
  const splits: Record<string, number> = {};
  for (const { split = "unassigned" } of dataset.items) splits[split] = (splits[split] ?? 0) + 1;
  const errors = findings.filter(({ severity }) => severity === "error");
  return {
    dataset: dataset.name,
    format: dataset.format,
    findings,
    summary: {
      images: dataset.items.length,
      errors: errors.length,
      warnings: findings.length - errors.length,
      broken: new Set(errors.map((finding) => finding.case)).size,
      boxes: dataset.items.reduce((sum, { labels }) => sum + labels.length, 0),
      skipped: dataset.skipped,
      empty: dataset.items.filter(({ labels }) => labels.length === 0).length,
      splits,
      classes,
    },
  };
}

async function verifyImage(
  { root, axes }: DetectionDataset,
  item: DetectionItem,
  seen: Map<string, DetectionItem>,
  report: (severity: Problem["severity"], rule: ProblemRule, message: string) => void,
): Promise<void> {
  const name = relative(root, item.image) || item.image;
  try {
    await access(item.image);
  } catch {
    report("error", "missing-file", `image ${name} is missing`);
    return;
  }
  try {
    const { size, voxels } = axes === 2 ? await picture(item.image) : await volume(item.image);
    if (item.size?.some((n, axis) => n !== size[axis])) {
      const fact = `annotation says ${item.size.join("×")}, the image is ${size.join("×")}`;
      report("error", "size-mismatch", `${name}: ${fact}`);
    }
    const { notFinite, min, max, hash } = scanVoxels(voxels);
    if (notFinite > 0) {
      report("error", "not-finite", `${name} has ${counted(notFinite, "voxel")} with NaN or infinity`);
    }
    if (!(max > min)) report("warning", "constant-image", `${name} has one value everywhere`);
    const twin = seen.get(hash);
    if (twin === undefined) seen.set(hash, item);
    else if (twin.split !== item.split) {
      const [one, other] = [twin.split, item.split].map((split) => split ?? "no part");
      report("error", "duplicate", `${name} is the same picture as ${twin.id}, one in ${one}, one in ${other}`);
    } else report("warning", "duplicate", `${name} is the same picture as ${twin.id}`);
  } catch (error) {
    report("error", "unreadable", (error as Error).message.replaceAll(item.image, name));
  }
}

async function picture(path: string) {
  const { width, height, channels, data } = await readImage2d(path);
  const affine = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  return { size: [width, height], voxels: { size: [width, height, 1] as const, affine, channels, data } };
}

async function volume(path: string) {
  const voxels = await readVolume(path);
  return { size: voxels.size, voxels };
}

function classSummary({ items, classes, axes }: DetectionDataset, label: number): DetectionClassSummary {
  const sides: number[] = [];
  let images = 0;
  for (const { labels, boxes } of items) {
    let found = false;
    for (let i = 0; i < labels.length; i++) {
      if (labels[i] !== label) continue;
      found = true;
      let extent = 1;
      for (let a = 0; a < axes; a++) extent *= boxes[2 * axes * i + axes + a] - boxes[2 * axes * i + a];
      sides.push(extent ** (1 / axes));
    }
    if (found) images++;
  }
  sides.sort((a, b) => a - b);
  const side = sides.length === 0 ? null : ([sides[0], sides[sides.length >> 1], sides[sides.length - 1]] as const);
  return { name: classes[label].name, boxes: sides.length, images, side };
}
