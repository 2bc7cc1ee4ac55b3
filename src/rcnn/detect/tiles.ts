/**
 * Detection in volumes too large for one pass: overlapping tiles, each through the network as it is, merged by non-maximum
 * suppression (as MONAI's and nnDetection's detectors slide over a scan).
 *
 * A lesion at a tile's rim is seen in part, and its neighbour sees it whole. So each tile answers for its core alone: centres up
 * to the middle of what it shares with its neighbours, and up to the volume's own edge. A lesion no longer than the shared
 * part lies whole in the tile whose core its centre is in.
 */
import { translateBoxes } from "../../boxes/index.ts";
import { ConfigError } from "../../errors.ts";
import { cutWindow, type Size3, windowStarts } from "../../volume/index.ts";
import type { DetectorConfig } from "../network/config.ts";
import type { DetectorImage } from "../network/input.ts";
import { nms } from "../parts/nms.ts";
import { highestFirst } from "../parts/order.ts";
import type { DetectedBoxes } from "../parts/post-process.ts";
import type { DetectionTimes, Detector } from "./detector.ts";

export interface TileOptions {
  /** Most voxels of a tile along x, y, z, each a multiple of the detector's divisor. */
  readonly tile: readonly number[];
  /** Share of a tile that neighbours have in common, 0 ≤ overlap < 1. Default a quarter. */
  readonly overlap?: number;
}

/** How detection in tiles is watched and stopped. */
export interface TileWatch {
  /** Stops before the next tile; what was asked for is rejected with the signal's reason. */
  readonly signal?: AbortSignal;
  /** After each tile. */
  readonly onTile?: (done: number, total: number) => void;
}

/** A part of a volume, and the centres it answers for; x y z, from (included) and to (excluded). */
export interface Tile {
  readonly start: readonly number[];
  readonly size: readonly number[];
  readonly core: readonly (readonly [from: number, to: number])[];
}

/** What neighbouring tiles have in common where nothing is asked, of the length of one. */
export const TILE_OVERLAP = 0.25;

/** What a volume is cut into where nothing is asked: tiles twice as long as the windows of training. */
export const usualTile = (canvas: readonly number[]): number[] => canvas.map((length) => 2 * length);

/**
 * The tiles of a volume, all of one size: as few along each axis as the largest allowed tile needs, and then no larger than so many
 * need to be.
 * @param size of the volume, x y z
 * @throws ConfigError for a tile or an overlap that cannot be
 */
export function tilesOf(
  size: readonly number[],
  { tile, overlap = TILE_OVERLAP }: TileOptions,
  divisor: number,
): readonly Tile[] {
  if (tile.length !== size.length) throw new ConfigError(`tile: ${tile.join(",")}; expected ${size.length} sizes`);
  if (tile.some((length) => length % divisor !== 0 || length <= 0))
    throw new ConfigError(`tile: ${tile.join(",")}; each must be a multiple of ${divisor}`);
  if (!(overlap >= 0 && overlap < 1)) throw new ConfigError(`overlap: ${overlap}; it must be at least 0 and below 1`);
  const axes = size.map((length, axis) => alongAxis(length, tile[axis], overlap, divisor));
  const tiles: Tile[] = [];
  for (const z of axes[2]) {
    for (const y of axes[1]) {
      for (const x of axes[0]) {
        const parts = [x, y, z];
        tiles.push({
          start: parts.map(({ start }) => start),
          size: parts.map((part) => part.length),
          core: parts.map(({ core }) => core),
        });
      }
    }
  }
  return tiles;
}

interface Part {
  readonly start: number;
  readonly length: number;
  readonly core: readonly [number, number];
}

function alongAxis(size: number, most: number, overlap: number, divisor: number): Part[] {
  const count = windowStarts(size, most, overlap).length;
  // So many tiles that share at least this much cover the axis with n·length − (n − 1)·overlap·length ≥ size.
  const needed = size / (count - (count - 1) * overlap);
  const length = Math.min(size, most, Math.ceil(needed / divisor) * divisor);
  const starts = windowStarts(size, length, overlap);
  const middle = (i: number): number => (starts[i] + length + starts[i + 1]) / 2;
  return starts.map((start, i) => ({
    start,
    length,
    core: [
      i === 0 ? Number.NEGATIVE_INFINITY : middle(i - 1),
      i + 1 === starts.length ? Number.POSITIVE_INFINITY : middle(i),
    ],
  }));
}

/**
 * Detections in a volume, tile by tile; one that fits a tile goes through whole.
 * @param image at the detector's spacing and intensities
 * @throws ConfigError for a tile that cannot be
 */
export async function detectInTiles(
  detector: Detector,
  image: DetectorImage,
  options: TileOptions & TileWatch,
): Promise<{ found: DetectedBoxes; times: DetectionTimes }> {
  const { config } = detector;
  const { axes, channels } = config;
  const tiles = tilesOf(image.size, options, config.input.divisor);
  const times = { featuresMs: 0, proposalsMs: 0, headMs: 0 };
  const parts: DetectedBoxes[] = [];
  const last = (list: readonly number[]): Size3 => [list[2], list[1], list[0]];
  for (const tile of tiles) {
    options.signal?.throwIfAborted();
    const data = new Float32Array(tile.size.reduce((a, b) => a * b, channels));
    if (tiles.length === 1) data.set(image.data);
    else cutWindow(image.data, channels, last(image.size), last(tile.start), last(tile.size), data);
    const [found] = await detector.detect([{ data, size: tile.size }]);
    for (const key of ["featuresMs", "proposalsMs", "headMs"] as const) times[key] += detector.times![key];
    parts.push({ ...found, boxes: translateBoxes(found.boxes, tile.start, axes) });
    options.onTile?.(parts.length, tiles.length);
  }
  return { found: tiles.length === 1 ? parts[0] : mergeTiles(parts, tiles, config), times };
}

/** How an image of any size goes through the network. */
export interface WholeOptions extends Partial<TileOptions> {
  /** The windows of training: without a `tile`, tiles are twice as long. */
  readonly canvas?: readonly number[];
}

/**
 * The tiles of an image of any size; a picture is one.
 * @throws ConfigError for a tile that cannot be
 */
export function tilesOfWhole(
  size: readonly number[],
  { axes, input: { divisor } }: Pick<DetectorConfig, "axes" | "input">,
  { canvas, tile, overlap }: WholeOptions,
): readonly Tile[] {
  if (axes === 2) return [{ start: [0, 0], size, core: [] }];
  return tilesOf(size, { tile: tile ?? tileFor(size, canvas, divisor), overlap }, divisor);
}

/** Without windows to go by, a volume's tile is what holds it. */
function tileFor(size: readonly number[], canvas: readonly number[] | undefined, divisor: number): number[] {
  return canvas === undefined ? size.map((length) => Math.ceil(length / divisor) * divisor) : usualTile(canvas);
}

/**
 * Detections in an image of any size: pictures in one pass, volumes tile by tile.
 * @throws ConfigError for a tile that cannot be
 */
export async function detectWhole(
  detector: Detector,
  image: DetectorImage,
  { canvas, tile, overlap, signal, onTile }: WholeOptions & TileWatch,
): Promise<{ found: DetectedBoxes; times: DetectionTimes }> {
  const { axes, input } = detector.config;
  if (axes === 3) {
    const most = tile ?? tileFor(image.size, canvas, input.divisor);
    return detectInTiles(detector, image, { tile: most, overlap, signal, onTile });
  }
  const [found] = await detector.detect([image], { signal });
  onTile?.(1, 1);
  return { found, times: detector.times! };
}

/**
 * What the tiles found, as one list: of each tile what its core holds, the best of what overlaps.
 * @param parts in voxels of the volume
 */
export function mergeTiles(
  parts: readonly DetectedBoxes[],
  tiles: readonly Pick<Tile, "core">[],
  { axes, detections }: Pick<DetectorConfig, "axes" | "detections">,
): DetectedBoxes {
  const width = 2 * axes;
  const boxes: number[] = [];
  const scores: number[] = [];
  const labels: number[] = [];
  for (const [t, part] of parts.entries()) {
    const { core } = tiles[t];
    for (let i = 0; i < part.scores.length; i++) {
      const box = part.boxes.subarray(i * width, (i + 1) * width);
      const isOwn = core.every(([from, to], axis) => {
        const centre = (box[axis] + box[axis + axes]) / 2;
        return centre >= from && centre < to;
      });
      if (!isOwn) continue;
      boxes.push(...box);
      scores.push(part.scores[i]);
      labels.push(part.labels[i]);
    }
  }
  const all = Float32Array.from(boxes);
  const own = Float32Array.from(scores);
  const { suppressionOverlap: threshold, limit, soft } = detections;
  // Soft suppression has lowered scores within the tiles; across cores there is only a seam left.
  const kept =
    soft === null
      ? nms(all, own, { axes, threshold, groups: Int32Array.from(labels), limit })
      : highestFirst(own).slice(0, limit);
  return {
    axes,
    boxes: Float32Array.from([...kept].flatMap((i) => [...all.subarray(i * width, (i + 1) * width)])),
    scores: Float32Array.from(kept, (i) => own[i]),
    labels: Int32Array.from(kept, (i) => labels[i]),
  };
}
