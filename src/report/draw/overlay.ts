/**
 * A slice with its outlines as one PNG, for READMEs and slides: truth solid, prediction dashed, in the colours of the
 * report.
 */
import type { LabelNames } from "../../metrics/index.ts";
import { listLabels } from "../../metrics/index.ts";
import type { Volume } from "../../volume/index.ts";
import type { Convention } from "../pages/input.ts";
import { outlines, type Ring } from "./contour.ts";
import { grayImage, rgbPng } from "./raster.ts";
import { checkSameSize, cutSlice, findForeground, fullestSlice, type Plane, planeView, windowOf } from "./slices.ts";
import { classColor } from "./theme.ts";

export interface OverlayOptions {
  readonly plane?: Plane;
  /** Along the voxel axis the plane cuts; the one with the most foreground where left out. */
  readonly slice?: number;
  /** Pixels per voxel of the finer of the slice's two spacings. */
  readonly scale?: number;
  readonly convention?: Convention;
  /** Values shown as black and white. */
  readonly window?: readonly [low: number, high: number];
  /** Which labels are outlined, and in which order they take the colours; every label present where left out. */
  readonly labels?: LabelNames;
  /** Width of the outlines in pixels. */
  readonly lineWidth?: number;
}

/**
 * @param truth,prediction label maps on the image's grid
 * @returns the bytes of an RGB PNG
 */
export function overlayPng(
  volume: Volume,
  truth?: Volume,
  prediction?: Volume,
  options: OverlayOptions = {},
): Uint8Array {
  const { plane = "axial", scale = 6, convention = "radiological", lineWidth = Math.max(2, 0.28 * scale) } = options;
  const name = volume.name ?? "volume";
  if (truth) checkSameSize(volume, truth, "truth", name);
  if (prediction) checkSameSize(volume, prediction, "prediction", name);
  const view = planeView(volume.affine, plane, convention);
  const map = truth ?? prediction;
  const middle = Math.floor((volume.size[view.axes[2]] - 1) / 2);
  const index = options.slice ?? (map ? fullestSlice(findForeground(map), view.axes[2]) : middle);

  const slice = cutSlice(volume, view, index);
  const perMm = scale / Math.min(...slice.pitchMm);
  const width = Math.max(1, Math.round(slice.width * slice.pitchMm[0] * perMm));
  const height = Math.max(1, Math.round(slice.height * slice.pitchMm[1] * perMm));
  const gray = grayImage(slice, options.window ?? windowOf(volume), width, height);
  const rgb = new Uint8Array(3 * width * height);
  for (let i = 0; i < gray.data.length; i++) rgb.fill(gray.data[i], 3 * i, 3 * i + 3);

  const labels = options.labels
    ? listLabels(options.labels).map(({ label }) => label)
    : presentLabels(truth, prediction);
  const half = [width / (2 * slice.width), height / (2 * slice.height)] as const;
  const dash = [2.6 * lineWidth, 2 * lineWidth] as const;
  const maps = [
    { map: truth, dash: undefined },
    { map: prediction, dash },
  ];
  const lines = maps.flatMap(({ map, dash }) => {
    if (!map) return [];
    const values = cutSlice(map, view, index);
    return labels.flatMap((label, i) =>
      outlines(values, label).map((ring) => ({ ring, dash, color: rgbOf(classColor(i).dark) })),
    );
  });
  // All halos below all lines, so that none darkens a line that another follows.
  for (const { ring } of lines) strokeRing(rgb, [width, height], ring, half, lineWidth + 1.6, [0, 0, 0], 0.45);
  for (const { ring, dash, color } of lines) strokeRing(rgb, [width, height], ring, half, lineWidth, color, 1, dash);
  return rgbPng(width, height, rgb);
}

function presentLabels(...maps: (Volume | undefined)[]): number[] {
  const found = new Set<number>();
  for (const map of maps) for (const label of new Set<number | bigint>(map?.data ?? [])) found.add(Number(label));
  found.delete(0);
  return [...found].sort((a, b) => a - b);
}

function rgbOf(hex: string): [number, number, number] {
  return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)) as [number, number, number];
}

/** Blends a line of `lineWidth` along a ring, smoothed over one pixel at its edges. */
function strokeRing(
  rgb: Uint8Array,
  [width, height]: readonly [number, number],
  ring: Ring,
  half: readonly [number, number],
  lineWidth: number,
  color: readonly [number, number, number],
  opacity: number,
  dash?: readonly [on: number, off: number],
): void {
  // Coverage of the whole ring first, so that where two pieces meet the paint is not laid on twice.
  const coverage = new Map<number, number>();
  let along = 0;
  for (let i = 0; i < ring.length; i += 2) {
    const j = (i + 2) % ring.length;
    const [ax, ay] = [ring[i] * half[0], ring[i + 1] * half[1]];
    const [bx, by] = [ring[j] * half[0], ring[j + 1] * half[1]];
    const length = Math.hypot(bx - ax, by - ay);
    for (const [from, to] of dash ? dashesWithin(along, length, dash) : [[0, length]]) {
      const at = (t: number): [number, number] => [ax + ((bx - ax) * t) / length, ay + ((by - ay) * t) / length];
      coverSegment(coverage, width, height, at(from), at(to), lineWidth);
    }
    along += length;
  }
  for (const [pixel, share] of coverage) {
    for (let c = 0; c < 3; c++) {
      const at = 3 * pixel + c;
      rgb[at] = Math.round(rgb[at] + (color[c] - rgb[at]) * share * opacity);
    }
  }
}

/** The drawn stretches of a segment that begins `along` the ring, measured from the segment's start. */
function dashesWithin(along: number, length: number, [on, off]: readonly [number, number]): [number, number][] {
  const out: [number, number][] = [];
  const period = on + off;
  for (let start = Math.floor(along / period) * period; start < along + length; start += period) {
    const from = Math.max(0, start - along);
    const to = Math.min(length, start + on - along);
    if (to > from) out.push([from, to]);
  }
  return out;
}

function coverSegment(
  coverage: Map<number, number>,
  width: number,
  height: number,
  [ax, ay]: readonly [number, number],
  [bx, by]: readonly [number, number],
  lineWidth: number,
): void {
  const reach = lineWidth / 2 + 0.5;
  const [dx, dy] = [bx - ax, by - ay];
  const squared = dx * dx + dy * dy || 1;
  const left = Math.max(0, Math.floor(Math.min(ax, bx) - reach));
  const right = Math.min(width - 1, Math.ceil(Math.max(ax, bx) + reach));
  const top = Math.max(0, Math.floor(Math.min(ay, by) - reach));
  const bottom = Math.min(height - 1, Math.ceil(Math.max(ay, by) + reach));
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const [px, py] = [x + 0.5 - ax, y + 0.5 - ay];
      const t = Math.max(0, Math.min(1, (px * dx + py * dy) / squared));
      const share = Math.min(1, reach - Math.hypot(px - t * dx, py - t * dy));
      const pixel = y * width + x;
      if (share > (coverage.get(pixel) ?? 0)) coverage.set(pixel, share);
    }
  }
}
