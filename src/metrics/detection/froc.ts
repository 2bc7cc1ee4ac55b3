/**
 * Free-response ROC: sensitivity against false positives per scan, by the rules of LUNA16 (Setio et al. 2017), and its
 * competition performance metric (CPM), the mean sensitivity at 1/8, 1/4, 1/2, 1, 2, 4 and 8.
 *
 * The rules, as the challenge's evaluation applies them:
 * - a mark hits a finding where its distance from the centre is below the finding's radius;
 * - of several marks on one finding the best counts, and the others are no false positives; a mark may hit two findings;
 * - marks on excluded findings (too small, or marked by too few readers) count neither way;
 * - of more than 100 marks in a scan, those above the score of the 101st count;
 * - between the points of the curve, and between equal scores, sensitivity is interpolated linearly; beyond its last point
 *   the curve stays level.
 */
import { ConfigError } from "../../errors.ts";
import { random } from "../../random.ts";
import type { Vec3 } from "../../volume/types.ts";
import { percentile } from "../segmentation/surface.ts";

export interface FrocFinding {
  readonly centreMm: Vec3;
  /** Below 0 where unknown, which stands for 10 mm. */
  readonly diameterMm: number;
}

export interface FrocMark {
  readonly centreMm: Vec3;
  readonly score: number;
}

export interface FrocScan {
  readonly scan: string;
  readonly findings: readonly FrocFinding[];
  readonly excluded?: readonly FrocFinding[];
  readonly marks: readonly FrocMark[];
}

export interface FrocOptions {
  /** Default LUNA16's seven. */
  readonly falsePositiveRates?: readonly number[];
  /** Default 100. */
  readonly maxMarks?: number;
  /** Diameters in mm between the groups of {@link Froc.bySize}. Default 6, 8 and 15, where Lung-RADS changes its advice. */
  readonly sizesMm?: readonly number[];
  readonly seed?: number;
  /** Of scans, with replacement. Default 1000; 0: no intervals. */
  readonly resamples?: number;
  readonly level?: number;
}

/** Both ends of a confidence interval. */
export type ConfidenceInterval = readonly [low: number, high: number];

export interface Froc {
  readonly scans: number;
  readonly findings: number;
  /** Findings that some mark hits. */
  readonly found: number;
  readonly falsePositives: number;
  /** Marks on excluded findings. */
  readonly irrelevant: number;
  /** Mean sensitivity at the rates; `null` without findings. */
  readonly cpm: number | null;
  readonly cpmInterval: ConfidenceInterval | null;
  /** One per rate, in their order. */
  readonly sensitivityAt: readonly {
    readonly falsePositives: number;
    readonly sensitivity: number | null;
    readonly interval: ConfidenceInterval | null;
  }[];
  /** Findings by diameter, and how many of them are found where one false positive a scan is allowed; without empty groups. */
  readonly bySize: readonly FrocSize[];
  /** False positives per scan, sensitivity and the threshold that gives them, from the highest threshold on. */
  readonly curve: readonly FrocPoint[];
  readonly bootstrap: { readonly seed: number; readonly resamples: number; readonly level: number };
}

export interface FrocSize {
  readonly fromMm: number;
  /** `null`: no limit. */
  readonly belowMm: number | null;
  readonly findings: number;
  readonly found: number;
}

export interface FrocPoint {
  readonly falsePositives: number;
  readonly sensitivity: number;
  readonly threshold: number;
}

/** False positives a scan at which LUNA16 reads the sensitivity; their mean is its score (CPM). */
export const lunaRates: readonly number[] = [0.125, 0.25, 0.5, 1, 2, 4, 8];

/** What one scan adds: its findings, with the score of the best mark on each that was hit, and the scores of false positives. */
interface Tally {
  readonly findings: readonly { readonly diameterMm: number; readonly score: number | undefined }[];
  readonly hits: readonly number[];
  readonly misses: readonly number[];
  readonly irrelevant: number;
}

/** @throws ConfigError without scans, or for bad options */
export function froc(scans: readonly FrocScan[], options: FrocOptions = {}): Froc {
  const { falsePositiveRates = lunaRates, maxMarks = 100, seed = 0, resamples = 1000, level = 0.95 } = options;
  const { sizesMm = [6, 8, 15] } = options;
  if (scans.length === 0) throw new ConfigError("froc: no scans");
  if (!(level > 0 && level < 1)) throw new ConfigError(`froc: level ${level} must lie between 0 and 1`);
  if (!sizesMm.every((size, i) => size > (sizesMm[i - 1] ?? 0)))
    throw new ConfigError(`froc: sizesMm ${sizesMm.join(", ")} must be above 0 and ascend`);
  const tallies = scans.map((scan) => tallyOf(scan, maxMarks));
  const curve = curveOf(tallies);
  const at = (points: readonly FrocPoint[]): number[] => falsePositiveRates.map((rate) => sensitivityAt(points, rate));
  const values = curve && at(curve);
  const stream = random(seed, "froc");
  const draws: number[][] = [];
  for (let i = 0; values && scans.length > 1 && i < resamples; i++) {
    const drawn = curveOf(tallies.map(() => tallies[stream.integer(tallies.length)]));
    if (drawn) draws.push(at(drawn));
  }
  const interval = (pick: (draw: readonly number[]) => number): ConfidenceInterval | null => {
    if (draws.length === 0) return null;
    const ascending = Float64Array.from(draws, pick).sort();
    return [percentile(ascending, 50 * (1 - level)), percentile(ascending, 50 * (1 + level))];
  };
  const mean = (list: readonly number[]): number => list.reduce((sum, v) => sum + v, 0) / list.length;
  const sum = (pick: (tally: Tally) => number): number => tallies.reduce((total, tally) => total + pick(tally), 0);
  return {
    scans: scans.length,
    findings: sum(({ findings }) => findings.length),
    found: sum(({ hits }) => hits.length),
    falsePositives: sum(({ misses }) => misses.length),
    irrelevant: sum(({ irrelevant }) => irrelevant),
    cpm: values ? mean(values) : null,
    cpmInterval: interval(mean),
    sensitivityAt: falsePositiveRates.map((falsePositives, i) => ({
      falsePositives,
      sensitivity: values?.[i] ?? null,
      interval: interval((draw) => draw[i]),
    })),
    bySize: sizesOf(tallies, curve ?? [], sizesMm),
    curve: curve ?? [],
    bootstrap: { seed, resamples, level },
  };
}

function tallyOf({ findings, excluded = [], marks }: FrocScan, maxMarks: number): Tally {
  const counted = strongest(marks, maxMarks);
  const used = new Set<FrocMark>();
  const scored = findings.map((finding) => {
    const own = counted.filter((mark) => isHit(mark, finding));
    for (const mark of own) used.add(mark);
    const score = own.length === 0 ? undefined : Math.max(...own.map((mark) => mark.score));
    return { diameterMm: diameterOf(finding), score };
  });
  const before = used.size;
  for (const finding of excluded) for (const mark of counted) if (isHit(mark, finding)) used.add(mark);
  const misses = counted.filter((mark) => !used.has(mark)).map(({ score }) => score);
  const hits = scored.flatMap(({ score }) => score ?? []);
  return { findings: scored, hits, misses, irrelevant: used.size - before };
}

function strongest(marks: readonly FrocMark[], maxMarks: number): readonly FrocMark[] {
  if (marks.length <= maxMarks) return marks;
  const beyond = Float64Array.from(marks, ({ score }) => score).sort()[marks.length - 1 - maxMarks];
  return marks.filter(({ score }) => score > beyond);
}

function diameterOf({ diameterMm }: FrocFinding): number {
  return diameterMm < 0 ? 10 : diameterMm;
}

function isHit({ centreMm: [x, y, z] }: FrocMark, finding: FrocFinding): boolean {
  const [u, v, w] = finding.centreMm;
  const radius = diameterOf(finding) / 2;
  return (x - u) ** 2 + (y - v) ** 2 + (z - w) ** 2 < radius ** 2;
}

/** From (0, 0) on, one point for each different score; `undefined` without findings. */
function curveOf(tallies: readonly Tally[]): FrocPoint[] | undefined {
  const findings = tallies.reduce((sum, tally) => sum + tally.findings.length, 0);
  if (findings === 0) return undefined;
  const marks = tallies.flatMap(({ hits, misses }) => [
    ...hits.map((score) => ({ score, hit: true })),
    ...misses.map((score) => ({ score, hit: false })),
  ]);
  marks.sort((a, b) => b.score - a.score);
  const curve: FrocPoint[] = [{ falsePositives: 0, sensitivity: 0, threshold: Number.POSITIVE_INFINITY }];
  let [hits, misses] = [0, 0];
  marks.forEach(({ score, hit }, i) => {
    if (hit) hits++;
    else misses++;
    if (i + 1 < marks.length && marks[i + 1].score === score) return;
    curve.push({ falsePositives: misses / tallies.length, sensitivity: hits / findings, threshold: score });
  });
  return curve;
}

function sizesOf(tallies: readonly Tally[], curve: readonly FrocPoint[], edges: readonly number[]): FrocSize[] {
  const threshold = curve.findLast(({ falsePositives }) => falsePositives <= 1)?.threshold ?? Number.POSITIVE_INFINITY;
  const findings = tallies.flatMap((tally) => tally.findings);
  const groups = [0, ...edges].map((fromMm, i) => {
    const belowMm = edges[i] ?? null;
    const own = findings.filter(({ diameterMm }) => diameterMm >= fromMm && diameterMm < (belowMm ?? Infinity));
    const found = own.filter(({ score }) => score !== undefined && score >= threshold).length;
    return { fromMm, belowMm, findings: own.length, found };
  });
  return groups.filter((group) => group.findings > 0);
}

/** A group of {@link Froc.bySize} for people, e.g. `6 to 8 mm`. */
export function frocSizeText({ fromMm, belowMm }: Pick<FrocSize, "fromMm" | "belowMm">): string {
  if (belowMm === null) return fromMm === 0 ? "all" : `${fromMm} mm and more`;
  return fromMm === 0 ? `below ${belowMm} mm` : `${fromMm} to ${belowMm} mm`;
}

/** Linear between the points; of points with the same rate, the last one. */
function sensitivityAt(curve: readonly FrocPoint[], rate: number): number {
  let at = 0;
  while (at + 1 < curve.length && curve[at + 1].falsePositives <= rate) at++;
  const [low, high] = [curve[at], curve[at + 1]];
  if (high === undefined) return low.sensitivity;
  const share = (rate - low.falsePositives) / (high.falsePositives - low.falsePositives);
  return low.sensitivity + share * (high.sensitivity - low.sensitivity);
}
