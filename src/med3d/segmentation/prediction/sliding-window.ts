/**
 * Prediction of a volume of any size by overlapping windows, blended with a Gaussian that trusts a window's middle more than
 * its rim (as nnU-Net and MONAI do).
 *
 * Memory is bounded. Windows go through the volume row by row, x fastest, then y, then z; class scores exist only for lines
 * of voxels along x that some window has touched and a window to come can still change ({@link scoreLines} counts them). A
 * line that is done is turned into classes at once and its memory serves the next, so no score map of the volume, nor of a
 * whole slab of it, ever exists. Where even that is too much, the volume is done in bands of y one after the other; windows
 * across a border are then computed for both.
 *
 * Shape shorthand: C image channels · K classes · D H W patch · z y x volume.
 */
import { ConfigError } from "../../../errors.ts";
import { cutWindow, overlapOf, type Size3, type SlicedVolume, windowStarts } from "../../../volume/index.ts";

/** What neighbouring windows have in common where nothing is asked: half of each, along every axis. */
export const WINDOW_OVERLAP = 0.5;

export interface Windows {
  /** [D, H, W] of the network's input. */
  readonly patch: Size3;
  readonly classes: number;
  /** Share of the patch that neighbouring windows have in common, 0 ≤ overlap < 1; ½ by default. */
  readonly overlap?: number;
  /** Lines y in a band; all by default. Fewer need less memory and more windows, and give the same classes. */
  readonly band?: number;
  /**
   * Class probabilities [K, D, H, W] of one window [C, D, H, W], which begins at `start` (z, y, x). It is asked for the next
   * window while the last one's probabilities are read; window and probabilities may be overwritten after two more calls.
   */
  readonly predict: (window: Float32Array, start: Size3) => Promise<Float32Array>;
  readonly onWindow?: (done: number, of: number) => void;
  readonly signal?: AbortSignal;
}

/** An image that windows are cut out of. */
export interface WindowedImage {
  readonly channels: number;
  /** [z, y, x]. */
  readonly size: Size3;
  /** Makes ready for windows that touch these lines y alone, with z never falling. */
  open(lines: Span, patch: Size3): CutWindow;
}

/** From (included) and to (excluded). */
export type Span = readonly [from: number, to: number];
/** Fills `window` [C, D, H, W]; zeros beyond the image. */
export type CutWindow = (start: Size3, window: Float32Array) => void;

/**
 * Classes of a volume.
 * @returns class indices [z, y, x]
 */
export async function predictByWindows(image: WindowedImage, windows: Windows): Promise<Uint8Array> {
  const { patch, classes, predict, onWindow, signal } = windows;
  const { size, channels } = image;
  if (classes > 256) throw new ConfigError(`${classes} classes; a prediction holds at most 256`);
  const bands = bandsOf(size, windows);
  const weights = gaussianWindow(patch);
  const total = countWindows(bands);
  const result = new Uint8Array(size[0] * size[1] * size[2]);
  const buffers = [0, 1].map(() => new Float32Array(channels * patch[0] * patch[1] * patch[2]));
  const scores = new ScoreLines(
    Math.max(...bands.map((band) => scoreLines(size, patch, band))),
    classes,
    size,
    patch[0],
  );
  let done = 0;
  for (const band of bands) {
    const { lines, starts } = band;
    const cut = image.open(lines, patch);
    const order = starts[0].flatMap((z, i) =>
      starts[1].flatMap((y, j) =>
        starts[2].map((x, k) => ({ start: [z, y, x] as const, i, j, last: k + 1 === starts[2].length })),
      ),
    );
    const ask = (at: number): Promise<Float32Array> | undefined => {
      if (at >= order.length) return undefined;
      signal?.throwIfAborted();
      const window = buffers[at % 2];
      cut(order[at].start, window);
      const asked = predict(window, order[at].start);
      // It is awaited after the window before it; failing in between must not end the process.
      asked.catch(() => {});
      return asked;
    };
    let coming = ask(0);
    for (const [at, { start, i, j, last }] of order.entries()) {
      const probability = await coming!;
      coming = ask(at + 1);
      scores.blend(probability, weights, start, patch, lines);
      if (last) scores.finish(finishedBy(size, band, i, j), result);
      onWindow?.(++done, total);
    }
  }
  return result;
}

/** A band of lines y and the windows that touch it. */
export interface Band {
  readonly lines: Span;
  readonly starts: readonly [z: readonly number[], y: readonly number[], x: readonly number[]];
}

/** The bands of a volume, from low y to high y. */
export function bandsOf(
  size: Size3,
  { patch, overlap = WINDOW_OVERLAP, band = size[1] }: Pick<Windows, "patch" | "overlap" | "band">,
): Band[] {
  if (!(overlap >= 0 && overlap < 1)) throw new ConfigError(`overlap ${overlap}; it must be at least 0 and below 1`);
  const [z, y, x] = [0, 1, 2].map((axis) => windowStarts(size[axis], patch[axis], overlap));
  const count = Math.ceil(size[1] / band);
  return Array.from({ length: count }, (_, i) => {
    const lines: Span = [Math.floor((i * size[1]) / count), Math.floor(((i + 1) * size[1]) / count)];
    return { lines, starts: [z, y.filter((start) => start < lines[1] && start + patch[1] > lines[0]), x] };
  });
}

/** How many windows go through the network; one that crosses a border of bands counts for each. */
export function countWindows(bands: readonly Band[]): number {
  return bands.reduce((sum, { starts }) => sum + starts[0].length * starts[1].length * starts[2].length, 0);
}

/** What no window after row j of layer i touches: these slices, and these lines of them. */
function finishedBy(
  size: Size3,
  { lines, starts: [zs, ys] }: Band,
  i: number,
  j: number,
): { slices: Span; rows: Span } {
  const next = (starts: readonly number[], at: number, end: number) => (at + 1 < starts.length ? starts[at + 1] : end);
  return {
    slices: [Math.max(zs[i], 0), next(zs, i, size[0])],
    rows: [j === 0 ? lines[0] : Math.max(ys[j], lines[0]), Math.min(next(ys, j, lines[1]), lines[1])],
  };
}

/** The most lines along x that have scores at one time. */
export function scoreLines(size: Size3, patch: Size3, band: Band): number {
  const {
    lines: [low, high],
    starts: [zs, ys],
  } = band;
  let most = 0;
  for (const [i, z] of zs.entries()) {
    const begin = Math.max(z, 0);
    const end = Math.min(z + patch[0], size[0]);
    // Slices below this one have scores from the layer before, on all lines.
    const carried = i > 0 ? Math.min(zs[i - 1] + patch[0], size[0]) : begin;
    for (const j of ys.keys()) {
      const { slices, rows } = finishedBy(size, band, i, j);
      const touched = Math.min(ys[j] + patch[1], high) - low;
      const gone = rows[0] - low;
      const ending = slices[1] - begin;
      const endingCarried = Math.min(ending, carried - begin);
      const stayingCarried = Math.max(carried - slices[1], 0);
      const stayingNew = end - Math.max(slices[1], carried);
      most = Math.max(
        most,
        endingCarried * (high - low - gone) +
          (ending - endingCarried) * (touched - gone) +
          stayingCarried * (high - low) +
          stayingNew * touched,
      );
    }
  }
  return most;
}

/** Blended scores of single lines along x: K × x floats each, in memory that goes from line to line. */
class ScoreLines {
  readonly #classes: number;
  readonly #size: Size3;
  readonly #depth: number;
  readonly #scores: Float32Array;
  /** Place of line (z mod depth, y) in `scores`; −1 where it has none. */
  readonly #places: Int32Array;
  readonly #free: number[];

  constructor(lines: number, classes: number, size: Size3, depth: number) {
    this.#classes = classes;
    this.#size = size;
    this.#depth = Math.min(depth, size[0]);
    this.#scores = new Float32Array(lines * classes * size[2]);
    this.#places = new Int32Array(this.#depth * size[1]).fill(-1);
    this.#free = Array.from({ length: lines }, (_, i) => lines - 1 - i);
  }

  /** Adds a window's weighted probabilities to the lines it shares with the band. */
  blend(probability: Float32Array, weights: Float32Array, start: Size3, patch: Size3, lines: Span): void {
    const [low, high] = overlapOf(this.#size, start, patch);
    const voxels = patch[0] * patch[1] * patch[2];
    const width = this.#size[2];
    for (let z = low[0]; z < high[0]; z++) {
      for (let y = Math.max(low[1], lines[0]); y < Math.min(high[1], lines[1]); y++) {
        const line = this.#line(z, y) * this.#classes * width;
        const from = ((z - start[0]) * patch[1] + y - start[1]) * patch[2] - start[2];
        for (let k = 0; k < this.#classes; k++) {
          addWeighted(this.#scores, line + k * width, probability, k * voxels + from, weights, from, low[2], high[2]);
        }
      }
    }
  }

  /** The class with the highest blended score; dividing by the summed weights would not change it. Gives the lines' memory back. */
  finish({ slices, rows }: { slices: Span; rows: Span }, result: Uint8Array): void {
    const [, height, width] = this.#size;
    for (let z = slices[0]; z < slices[1]; z++) {
      for (let y = rows[0]; y < rows[1]; y++) {
        const slot = (z % this.#depth) * height + y;
        const place = this.#places[slot];
        const line = place * this.#classes * width;
        highest(this.#scores, line, this.#classes, width, result, (z * height + y) * width);
        this.#places[slot] = -1;
        this.#free.push(place);
      }
    }
  }

  #line(z: number, y: number): number {
    const slot = (z % this.#depth) * this.#size[1] + y;
    if (this.#places[slot] < 0) {
      const place = this.#free.pop();
      if (place === undefined) throw new Error("sliding window: fewer lines were counted than windows touch");
      const length = this.#classes * this.#size[2];
      this.#scores.fill(0, place * length, (place + 1) * length);
      this.#places[slot] = place;
    }
    return this.#places[slot];
  }
}

function addWeighted(
  scores: Float32Array,
  to: number,
  probability: Float32Array,
  at: number,
  weights: Float32Array,
  weightAt: number,
  begin: number,
  end: number,
): void {
  for (let x = begin; x < end; x++) scores[to + x] += probability[at + x] * weights[weightAt + x];
}

function highest(
  scores: Float32Array,
  line: number,
  classes: number,
  width: number,
  result: Uint8Array,
  to: number,
): void {
  for (let x = 0; x < width; x++) {
    let best = 0;
    let most = scores[line + x];
    for (let k = 1; k < classes; k++) {
      const score = scores[line + k * width + x];
      if (score > most) {
        most = score;
        best = k;
      }
    }
    result[to + x] = best;
  }
}

/** An image [C, z, y, x] in memory. */
export function wholeImage(data: Float32Array, channels: number, size: Size3): WindowedImage {
  return {
    channels,
    size,
    open: (_, patch) => (start, window) => cutWindow(data, channels, size, start, patch, window),
  };
}

/** Lines y that windows touching a band look at, at most. */
export function slabRows(band: number, patchHeight: number, height: number): number {
  return Math.min(band + 2 * (patchHeight - 1), height);
}

/** An image made slice by slice; as many slices as a patch is deep are kept. */
export function slicedImage(image: SlicedVolume): WindowedImage {
  const [width, height, depth] = image.size;
  const size = [depth, height, width] as const;
  const slice = new Float32Array(width * height);
  let slab = new Float32Array(0);
  return {
    channels: image.channels,
    size,
    open: (lines, patch) => {
      const slices = Math.min(patch[0], depth);
      // Windows reach beyond the band.
      const from = Math.max(lines[0] - patch[1] + 1, 0);
      const rows = Math.min(lines[1] + patch[1] - 1, height) - from;
      const length = image.channels * slices * width * slabRows(lines[1] - lines[0] + 1, patch[1], height);
      // The next band's fits as well: bands differ by a line at most.
      if (slab.length < length) slab = new Float32Array(length);
      let made = 0;
      const make = (end: number): void => {
        for (; made < end; made++) {
          for (let c = 0; c < image.channels; c++) {
            image.slice(c, made, slice, 0);
            const part = slice.subarray(from * width, (from + rows) * width);
            slab.set(part, (c * slices + (made % slices)) * rows * width);
          }
        }
      };
      return (start, window) => {
        const [low, high] = overlapOf(size, start, patch);
        made = Math.max(made, low[0]);
        make(high[0]);
        window.fill(0);
        const run = high[2] - low[2];
        for (let c = 0; c < image.channels; c++) {
          for (let z = low[0]; z < high[0]; z++) {
            for (let y = low[1]; y < high[1]; y++) {
              const at = ((c * slices + (z % slices)) * rows + y - from) * width + low[2];
              const to = ((c * patch[0] + z - start[0]) * patch[1] + y - start[1]) * patch[2] + low[2] - start[2];
              window.set(slab.subarray(at, at + run), to);
            }
          }
        }
      };
    },
  };
}

/** Weights of a window, 1 in the middle: a Gaussian of σ = patch/8 per axis, never below a thousandth (a lone corner must count). */
export function gaussianWindow(patch: Size3): Float32Array {
  const axis = patch.map((n) =>
    Float64Array.from({ length: n }, (_, i) => Math.exp(-0.5 * ((i - (n - 1) / 2) / (n / 8)) ** 2)),
  );
  const weights = new Float32Array(patch[0] * patch[1] * patch[2]);
  let at = 0;
  for (const a of axis[0]) for (const b of axis[1]) for (const c of axis[2]) weights[at++] = Math.max(a * b * c, 1e-3);
  return weights;
}
