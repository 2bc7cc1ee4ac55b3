/**
 * Checking a data set case by case before anything is trained on it: what is broken, what is odd, and which is which.
 *
 * An *error* is a case that training or evaluation cannot use, or would be wrong with; a *warning* is worth a look. A
 * broken case never throws: it becomes a finding, and the next case is checked. One case is in memory at a time.
 */
import { access } from "node:fs/promises";
import { basename, relative } from "node:path";
import { GeometryError } from "../../errors.ts";
import { fileOf, readVolume } from "../../files/index.ts";
import { gridDifference, spacingOf } from "../../volume/affine.ts";
import type { LoadedVolume } from "../../volume/formats/header.ts";
import { eachAxis, type Grid, type Vec3, type Volume } from "../../volume/types.ts";
import { counted } from "../counted.ts";
import type { ClassificationDataset } from "../labels/classification.ts";
import { affineToleranceMm, labelGridProblem } from "../masks/grid.ts";
import { countLabels } from "../masks/labels.ts";
import { ignoreName } from "../masks/values.ts";
import { labelProblems, placedLabel, takenOf } from "../prepare/read-case.ts";
import { scanVoxels } from "../prepare/scan.ts";
import type { Problem } from "../problem.ts";
import type { DataCase, Dataset, LabelClass } from "../types.ts";

/** What was seen of one case; fields are absent where the file could not tell. */
export interface VerifiedCase {
  readonly id: string;
  readonly errors: number;
  readonly warnings: number;
  /** Voxels along x, y, z. */
  readonly size?: Vec3;
  readonly spacingMm?: Vec3;
  readonly channels?: number;
  /** Smallest and largest finite value of the image. */
  readonly range?: readonly [number, number];
  /** Voxels per label value. */
  readonly labelVoxels?: Readonly<Record<number, number>>;
}

export interface Verification {
  readonly dataset: string;
  /** Those of opening the data set first. */
  readonly findings: readonly Problem[];
  readonly cases: readonly VerifiedCase[];
  readonly summary: {
    readonly cases: number;
    readonly errors: number;
    readonly warnings: number;
    /** Cases with at least one error. */
    readonly broken: number;
    /** Every label value declared or seen: in how many cases, and in how many voxels of all. */
    readonly labels: readonly (LabelClass & { readonly cases: number; readonly voxels: number })[];
    /** Per axis, over the images that could be read. */
    readonly medianSize?: Vec3;
    readonly medianSpacingMm?: Vec3;
  };
}

export interface VerifyOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number, id: string) => void;
  readonly onFinding?: (finding: Problem) => void;
  /** The largest decoded volume that is read, in bytes. */
  readonly maxBytes?: number;
  /** `false`: cases need no label map, as those that have a class. Default true. */
  readonly labelMaps?: boolean;
}

/**
 * Verifies every case, the test cases included. Throws only what `signal` was aborted with.
 */
export async function verifyDataset(dataset: Dataset, options: VerifyOptions = {}): Promise<Verification> {
  const findings: Problem[] = [];
  const find = (finding: Problem): void => {
    findings.push(finding);
    options.onFinding?.(finding);
  };
  // A case without a label is found again when its turn comes.
  for (const problem of dataset.problems)
    if (problem.rule !== "missing-label" || options.labelMaps === false) find(problem);
  const cases: VerifiedCase[] = [];
  const seen: Seen = { images: new Map(), labels: new Map(), channels: dataset.modality.length || undefined };
  const all = [...dataset.cases, ...dataset.test];
  const trained = new Set(dataset.cases);
  for (const item of all) {
    options.signal?.throwIfAborted();
    let errors = 0;
    let warnings = 0;
    const report: Report = (severity, rule, message, more) => {
      if (severity === "error") errors++;
      else warnings++;
      find({ severity, case: item.id, rule, message, ...more });
    };
    const facts = await verifyCase(dataset, item, trained.has(item), seen, report, options);
    cases.push({ id: item.id, errors, warnings, ...facts });
    options.onProgress?.(cases.length, all.length, item.id);
    // Reading and hashing small files hardly yields; this lets Ctrl-C and progress through.
    await new Promise((resolve) => setImmediate(resolve));
  }
  const labels = labelSummary(dataset, cases);
  for (const label of labels) {
    if (label.index === 0 || label.cases > 0 || !cases.some((c) => c.labelVoxels)) continue;
    if (label.name === ignoreName && !dataset.labels.some(({ index }) => index === label.index)) continue;
    find({
      severity: "warning",
      case: dataset.name,
      rule: "unused-label",
      message: `label ${label.index} (${label.name}) is declared but occurs in no case`,
    });
  }
  return {
    dataset: dataset.name,
    findings,
    cases,
    summary: {
      cases: cases.length,
      errors: findings.filter((f) => f.severity === "error").length,
      warnings: findings.filter((f) => f.severity === "warning").length,
      broken: cases.filter((c) => c.errors > 0).length,
      labels,
      ...medians(cases),
    },
  };
}

/** Images, and masks where there are any, of a data set whose cases have classes. */
export async function verifyClassification(
  { name, root, source, modality, cases, test, problems }: ClassificationDataset,
  options: Omit<VerifyOptions, "labelMaps"> = {},
): Promise<Verification> {
  const about = { name, root, source, modality, cases, test, problems, labels: [], labelsFrom: "discovered" } as const;
  return verifyDataset(about, { ...options, labelMaps: false });
}

/** One line, as `medvox verify` prints it: `error    spleen_29: label is 512×512×89, image is 512×512×90`. */
export function formatFinding(finding: Pick<Problem, "severity" | "case" | "message">): string {
  return `${finding.severity.padEnd(9)}${finding.case}: ${finding.message}`;
}

type Report = (
  severity: Problem["severity"],
  rule: Problem["rule"],
  message: string,
  more?: Pick<Problem, "value" | "voxels">,
) => void;

/** What earlier cases had, to compare with. */
interface Seen {
  readonly images: Map<string, DataCase>;
  readonly labels: Map<string, DataCase>;
  /** What the first readable image (or the description) says. */
  channels: number | undefined;
}

async function verifyCase(
  dataset: Dataset,
  item: DataCase,
  trained: boolean,
  seen: Seen,
  report: Report,
  { maxBytes, labelMaps = true }: Pick<VerifyOptions, "maxBytes" | "labelMaps">,
): Promise<Omit<VerifiedCase, "id" | "errors" | "warnings">> {
  const name = (path: string) => relative(dataset.root, path) || basename(path);
  const load = async (path: string, what: string): Promise<LoadedVolume | undefined> => {
    try {
      await access(fileOf(path));
    } catch {
      report("error", "missing-file", `${what} ${name(path)} is missing`);
      return undefined;
    }
    try {
      return await readVolume(path, { maxBytes });
    } catch (error) {
      const text = (error instanceof Error ? error.message : String(error)).replaceAll(path, name(path));
      report("error", error instanceof GeometryError ? "geometry" : "unreadable", `${what} cannot be used: ${text}`);
      return undefined;
    }
  };
  const image = await verifyImage(item, load, trained, seen, dataset, report);
  if (item.label === undefined) {
    if (trained && labelMaps) report("error", "missing-label", "has no label, and is not listed as a test case");
    return image?.facts ?? {};
  }
  const label = await load(item.label, "label");
  if (label === undefined) return image?.facts ?? {};
  if (label.channels !== 1) report("error", "channels", `label has ${label.channels} channels, must have one`);
  const { counts, fractional, fractionalExample } = countLabels(label.data);
  if (fractional > 0) {
    const value = Number(fractionalExample?.toPrecision(6));
    report(
      "error",
      "fractional-label",
      `label has ${counted(fractional, "voxel")} without a whole number, such as ${value}`,
    );
    return { ...image?.facts, labelVoxels: Object.fromEntries(counts) };
  }
  const taken = takenOf(label, placedLabel(label, item), image?.grid);
  const off = image && labelGridProblem(taken, image.grid);
  if (off) report(off.severity, off.rule, off.message);
  return { ...image?.facts, labelVoxels: verifyLabel(dataset, item, taken, seen, report) };
}

/** Checks the image, all its files; returns the grid of the first and what is worth reporting. */
async function verifyImage(
  item: DataCase,
  load: (path: string, what: string) => Promise<Volume | undefined>,
  trained: boolean,
  seen: Seen,
  dataset: Dataset,
  report: Report,
): Promise<{ grid: Grid; facts: Omit<VerifiedCase, "id" | "errors" | "warnings" | "labelVoxels"> } | undefined> {
  let first: Grid | undefined;
  let channels = 0;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  let hash = "";
  for (const [i, path] of [item.image, ...(item.moreChannels ?? [])].entries()) {
    const what = i === 0 ? "image" : `channel ${i}`;
    const volume = await load(path, what);
    if (volume === undefined) return undefined;
    if (first) {
      const difference = gridDifference(first, volume, affineToleranceMm);
      if (difference) report("error", "size-mismatch", `${what} is not on the grid of the first: ${difference}`);
    } else {
      first = { size: volume.size, affine: volume.affine };
      if (volume.size.includes(1)) {
        report(
          "warning",
          "one-slice",
          `image is ${volume.size.join("×")}: an axis of one voxel has nothing to learn in 3D`,
        );
      }
    }
    channels += volume.channels;
    const scan = scanVoxels(volume);
    hash += scan.hash;
    if (scan.notFinite > 0) {
      report("error", "not-finite", `${what} has ${counted(scan.notFinite, "voxel")} with NaN or infinity`);
    }
    if (!(scan.max > scan.min)) {
      const value = Number.isNaN(scan.min) ? "no finite value" : `the value ${scan.min} everywhere`;
      report("error", "constant-image", `${what} has ${value}: there is nothing to see in it`);
    }
    min = Math.min(min, scan.min);
    max = Math.max(max, scan.max);
  }
  if (first === undefined) return undefined;
  const beyond = item.channelPick?.find((channel) => channel >= channels);
  if (beyond !== undefined) {
    report("error", "channels", `image has ${counted(channels, "channel")}, channel ${beyond} (from 0) is asked for`);
  }
  channels = item.channelPick?.length ?? channels;
  seen.channels ??= channels;
  if (channels !== seen.channels) {
    const rule = dataset.modality.length
      ? `${basename(dataset.source)} says ${seen.channels}`
      : `others have ${seen.channels}`;
    report("error", "channels", `image has ${counted(channels, "channel")}, ${rule}`);
  }
  const twin = seen.images.get(hash);
  if (twin === undefined) seen.images.set(hash, item);
  else if (twin.image === item.image) {
    report("error", "duplicate", `image ${relative(dataset.root, item.image)} is listed before, as ${twin.id}`);
  } else {
    const leak = !trained && dataset.cases.includes(twin);
    const rule = leak ? "a test case must not be trained on" : "keep one of them, or both on one side of a split";
    report(leak ? "error" : "warning", "duplicate", `image has the same voxels as ${twin.id}: ${rule}`);
  }
  const facts = { size: first.size, spacingMm: spacingOf(first.affine), channels, range: [min, max] as const };
  return { grid: first, facts };
}

/** Values of a label map that is whole numbers throughout. */
function verifyLabel(
  dataset: Dataset,
  item: DataCase,
  label: ReturnType<typeof takenOf<Volume>>,
  seen: Seen,
  report: Report,
): Readonly<Record<number, number>> {
  const { counts } = countLabels(label.data);
  const values = [...counts.keys()].sort((a, b) => a - b);
  if (dataset.labelsFrom === "declared") {
    const classes = dataset.labels.map(({ index }) => index);
    for (const { severity, rule, message, value, voxels } of labelProblems(item, label, classes, dataset.source))
      report(severity, rule, message, { value, voxels });
  }
  if (!values.some((value) => value !== 0)) {
    report("warning", "empty-label", "label has no foreground: every voxel is 0");
  } else {
    const { hash } = scanVoxels(label);
    const twin = seen.labels.get(hash);
    if (twin === undefined) seen.labels.set(hash, item);
    // The same case listed again was reported with its image.
    else if (twin.image !== item.image)
      report("warning", "duplicate", `label has the same voxels as that of ${twin.id}`);
  }
  return Object.fromEntries(values.map((value) => [value, counts.get(value) as number]));
}

function labelSummary(dataset: Dataset, cases: readonly VerifiedCase[]): Verification["summary"]["labels"] {
  const names = new Map(dataset.labels.map((label) => [label.index, label.name]));
  for (const { ignoreLabel } of dataset.cases) if (ignoreLabel !== undefined) names.set(ignoreLabel, ignoreName);
  const totals = new Map([...names.keys()].map((index) => [index, { cases: 0, voxels: 0 }]));
  for (const { labelVoxels } of cases) {
    for (const [key, count] of Object.entries(labelVoxels ?? {})) {
      const total = totals.get(Number(key)) ?? { cases: 0, voxels: 0 };
      totals.set(Number(key), { cases: total.cases + 1, voxels: total.voxels + count });
    }
  }
  return [...totals]
    .sort(([a], [b]) => a - b)
    .map(([index, total]) => ({
      index,
      name: names.get(index) ?? (index === 0 ? "background" : `label ${index}`),
      ...total,
    }));
}

function medians(cases: readonly VerifiedCase[]): { medianSize?: Vec3; medianSpacingMm?: Vec3 } {
  const sizes = cases.flatMap((c) => (c.size ? [c.size] : []));
  const spacings = cases.flatMap((c) => (c.spacingMm ? [c.spacingMm] : []));
  if (sizes.length === 0) return {};
  const of = (rows: readonly Vec3[]): Vec3 => eachAxis((axis) => median(rows.map((r) => r[axis])));
  return { medianSize: of(sizes), medianSpacingMm: of(spacings) };
}

/** The middle value; of an even number, the lower of the two in the middle, so that sizes stay whole. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[(sorted.length - 1) >> 1];
}
