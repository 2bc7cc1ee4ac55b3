/**
 * RoIAlign (He et al. 2017, Mask R-CNN §3) over a whole pyramid at once, as block-sparse matrix products: what the graph of
 * `roi-pooling.ts` computes, this plans. In 2D and 3D.
 *
 * A cell of a pooled region (a bin) is a weighted sum of a few neighbouring cells of one feature map. The maps are cut into
 * overlapping windows; a bin lies in the window its first cell belongs to (seldom, an elongated bin is cut in parts). Bins of
 * one window, K at a time, are one dense product [K, cells] × [cells, C], so no region costs more than its bins do, the maps
 * are read where they lie, and the derivative is the transposed product. Nothing is scattered: every sum has a
 * list of its summands, in both directions.
 *
 * N images · L levels · P cells of all maps of all images · T windows · Q cells of a window · R regions · B blocks of K slots
 */
import type { Axes } from "../../boxes/index.ts";
import { ShapeError } from "../../errors.ts";

export interface PyramidShape {
  readonly axes: Axes;
  readonly images: number;
  /** Per level, cells x y (z). */
  readonly grids: readonly (readonly number[])[];
  /** Per level, voxels of the input per cell. */
  readonly strides: readonly number[];
}

export interface AlignRule {
  /** Bins x y (z). */
  readonly outputSize: readonly number[];
  /** Samples per bin and axis; 0: as many as the bin has cells, rounded up. */
  readonly samplingRatio: number;
  /** Boxes moved by half a cell (detectron2's RoIAlignV2). */
  readonly aligned: boolean;
}

/** Windows begin every STEP cells and are SIDE long: a bin of up to SIDE − STEP + 1 cells lies in one, wherever it begins. */
const STEP: Readonly<Record<Axes, number>> = { 2: 8, 3: 4 };
const SIDE: Readonly<Record<Axes, number>> = { 2: 12, 3: 7 };
/** Slots of a block. */
export const SLOTS = 128;

/** Windows over a pyramid: fixed by its shape. */
export interface Windows {
  readonly count: number;
  readonly cells: number;
  /** [T·Q]: the row of the feature table that stands there; a window's cells outside its map have row 0 and never count. */
  readonly rowOf: Int32Array;
  /** [2^axes · P]: the window cells a row stands in, filled up with one that never counts. */
  readonly cellsOf: Int32Array;
  /** Rows of the table: P. */
  readonly rows: number;
  /** Per level, windows along x y (z), and the first window of image 0. */
  readonly levels: readonly { readonly across: readonly number[]; readonly first: number }[];
}

/** Where windows lie and which cells they hold. */
export function windowsOf({ axes, images, grids }: PyramidShape): Windows {
  const step = STEP[axes];
  const side = SIDE[axes];
  const cells = side ** axes;
  const levels: { across: number[]; first: number }[] = [];
  let count = 0;
  for (const grid of grids) {
    const across = grid.map((n) => Math.ceil(n / step));
    levels.push({ across, first: count });
    count += images * product(across);
  }
  const rows = grids.reduce((sum, grid) => sum + images * product(grid), 0);
  const rowOf = new Int32Array(count * cells);
  // The last cell of the last window lies outside its map: the last window begins within `step` of the end and is longer.
  const nowhere = count * cells - 1;
  const cellsOf = new Int32Array(2 ** axes * rows).fill(nowhere);
  const used = new Uint8Array(rows);
  let firstRow = 0;
  for (const [level, grid] of grids.entries()) {
    const { across, first } = levels[level];
    const [wide, high, deep = 1] = grid;
    for (let window = 0; window < images * product(across); window++) {
      const image = Math.floor(window / product(across));
      const corner = placeOf(window % product(across), across).map((index) => index * step);
      for (let cell = 0; cell < cells; cell++) {
        const [dx, dy, dz = 0] = placeOf(cell, new Array<number>(axes).fill(side));
        const [x, y, z] = [corner[0] + dx, corner[1] + dy, (corner[2] ?? 0) + dz];
        if (x >= wide || y >= high || z >= deep) continue;
        const row = firstRow + ((image * deep + z) * high + y) * wide + x;
        const at = (first + window) * cells + cell;
        rowOf[at] = row;
        cellsOf[used[row]++ * rows + row] = at;
      }
    }
    firstRow += images * wide * high * deep;
  }
  return { count, cells, rowOf, cellsOf, rows, levels };
}

/** Coordinates of index `i`, x fastest. */
function placeOf(i: number, sizes: readonly number[]): number[] {
  const place: number[] = [];
  let rest = i;
  for (const n of sizes) {
    place.push(rest % n);
    rest = Math.floor(rest / n);
  }
  return place;
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((a, b) => a * b, 1);
}

/** How much room a plan's arrays have; they grow, so that few programs serve all plans. */
export interface PlanCapacity {
  /** Blocks. */
  blocks: number;
  /** Parts of a bin. */
  parts: number;
  /** Blocks of one window. */
  perWindow: number;
}

/** What the graph of `roi-pooling.ts` is fed. */
export interface AlignPlan {
  readonly capacity: Readonly<PlanCapacity>;
  /** [B, K, Q]. */
  readonly weights: Float32Array;
  /** [1, B]: the window of a block. */
  readonly windowOf: Int32Array;
  /** [perWindow, T]: the blocks of a window; the last block is empty and stands for none. */
  readonly blocksOf: Int32Array;
  /** [parts, R·bins]: the slots of a bin; the last slot is empty and stands for none. */
  readonly slotsOf: Int32Array;
  /** [1, B·K]: the bin of a slot. */
  readonly binOf: Int32Array;
}

/** The parts of the bins of one axis: cells with weights, by window. */
interface AxisParts {
  /** [bins + 1]: where each bin's parts begin. */
  readonly first: Int32Array;
  window: Int32Array;
  /** Where each part's taps begin, one more than parts. */
  taps: Int32Array;
  /** Within the window. */
  cell: Int32Array;
  weight: Float64Array;
}

/**
 * Plans RoIAlign of regions.
 * @param regions [R, 2·axes] in voxels of the input
 * @param owners [R], the image
 * @param levels [R], from 0
 * @param capacity at least this much room; it is raised to what is needed
 */
export function planAlign(
  shape: PyramidShape,
  windows: Windows,
  regions: Float32Array,
  owners: Int32Array,
  levels: Int32Array,
  rule: AlignRule,
  capacity: PlanCapacity,
): AlignPlan {
  const { axes } = shape;
  const count = regions.length / (2 * axes);
  if (owners.length !== count || levels.length !== count)
    throw new ShapeError(`planAlign: ${count} regions, ${owners.length} owners, ${levels.length} levels`);
  const bins = product(rule.outputSize);
  const parts: AxisParts[][] = [];
  const load = new Int32Array(windows.count);
  let mostParts = 1;
  const visit = (r: number, each: (window: number, bin: number, at: readonly number[]) => void): void =>
    visitParts(parts[r], rule.outputSize, windows.levels[levels[r]], owners[r], each);
  for (let r = 0; r < count; r++) {
    parts.push(rule.outputSize.map((out, axis) => axisParts(shape, regions, r, levels[r], axis, out, rule)));
    let bin = -1;
    let run = 0;
    visit(r, (window, at) => {
      load[window]++;
      run = at === bin ? run + 1 : 1;
      bin = at;
      if (run > mostParts) mostParts = run;
    });
  }

  // Blocks follow the windows; the last one stays empty.
  const firstBlock = new Int32Array(windows.count + 1);
  let mostBlocks = 1;
  for (let t = 0; t < windows.count; t++) {
    const needed = Math.ceil(load[t] / SLOTS);
    firstBlock[t + 1] = firstBlock[t] + needed;
    if (needed > mostBlocks) mostBlocks = needed;
  }
  grow(capacity, "blocks", firstBlock[windows.count] + 1, 1.25);
  grow(capacity, "parts", mostParts, 1);
  grow(capacity, "perWindow", mostBlocks, 1.5);

  const { cells } = windows;
  const weights = new Float32Array(capacity.blocks * SLOTS * cells);
  const windowOf = new Int32Array(capacity.blocks);
  const blocksOf = new Int32Array(capacity.perWindow * windows.count).fill(capacity.blocks - 1);
  const slotsOf = new Int32Array(capacity.parts * count * bins).fill(capacity.blocks * SLOTS - 1);
  const binOf = new Int32Array(capacity.blocks * SLOTS);
  for (let t = 0; t < windows.count; t++) {
    for (let b = firstBlock[t]; b < firstBlock[t + 1]; b++) {
      windowOf[b] = t;
      blocksOf[(b - firstBlock[t]) * windows.count + t] = b;
    }
  }
  const filled = new Int32Array(windows.count);
  for (let r = 0; r < count; r++) {
    let bin = -1;
    let run = 0;
    visit(r, (window, at, part) => {
      run = at === bin ? run + 1 : 0;
      bin = at;
      const slot = firstBlock[window] * SLOTS + filled[window]++;
      slotsOf[run * count * bins + r * bins + at] = slot;
      binOf[slot] = r * bins + at;
      writeWeights(weights, slot * cells, parts[r], part, SIDE[axes]);
    });
  }
  return { capacity: { ...capacity }, weights, windowOf, blocksOf, slotsOf, binOf };
}

function grow(capacity: PlanCapacity, key: keyof PlanCapacity, needed: number, margin: number): void {
  if (capacity[key] < needed) capacity[key] = Math.ceil(needed * margin);
}

/** Calls back for every part of every bin, bins in order, with the part's place along each axis. */
function visitParts(
  parts: readonly AxisParts[],
  outputSize: readonly number[],
  level: { readonly across: readonly number[]; readonly first: number },
  owner: number,
  each: (window: number, bin: number, at: readonly number[]) => void,
): void {
  const [wide, high] = level.across;
  const first = level.first + owner * product(level.across);
  const [px, py, pz] = parts;
  const at = [0, 0, 0];
  const depth = outputSize[2] ?? 1;
  let bin = 0;
  for (let bz = 0; bz < depth; bz++) {
    for (let by = 0; by < outputSize[1]; by++) {
      for (let bx = 0; bx < outputSize[0]; bx++, bin++) {
        for (let z = pz?.first[bz] ?? 0; z < (pz?.first[bz + 1] ?? 1); z++) {
          for (let y = py.first[by]; y < py.first[by + 1]; y++) {
            for (let x = px.first[bx]; x < px.first[bx + 1]; x++) {
              at[0] = x;
              at[1] = y;
              at[2] = z;
              each(first + ((pz?.window[z] ?? 0) * high + py.window[y]) * wide + px.window[x], bin, at);
            }
          }
        }
      }
    }
  }
}

/** The product of the axes' weights, into one slot. */
function writeWeights(
  weights: Float32Array,
  start: number,
  [px, py, pz]: readonly AxisParts[],
  [x, y, z]: readonly number[],
  side: number,
): void {
  for (let c = pz?.taps[z] ?? 0; c < (pz?.taps[z + 1] ?? 1); c++) {
    const plane = pz === undefined ? start : start + pz.cell[c] * side * side;
    const factor = pz?.weight[c] ?? 1;
    for (let b = py.taps[y]; b < py.taps[y + 1]; b++) {
      const line = plane + py.cell[b] * side;
      const row = factor * py.weight[b];
      for (let a = px.taps[x]; a < px.taps[x + 1]; a++) weights[line + px.cell[a]] = row * px.weight[a];
    }
  }
}

/** One axis of one region: torchvision's sample positions, their interpolation weights, by bin and window. */
function axisParts(
  { axes, grids, strides }: PyramidShape,
  regions: Float32Array,
  region: number,
  level: number,
  axis: number,
  out: number,
  { samplingRatio, aligned }: AlignRule,
): AxisParts {
  const size = grids[level][axis];
  const scale = 1 / strides[level];
  const shift = aligned ? 0.5 : 0;
  const at = 2 * axes * region + axis;
  const start = regions[at] * scale - shift;
  const length = aligned ? regions[at + axes] * scale - shift - start : Math.max(regions[at + axes] * scale - start, 1);
  const bin = length / out;
  // A region that is no box at all (padding, NaN) pools zeros.
  const samples = length > 0 ? (samplingRatio > 0 ? samplingRatio : Math.max(1, Math.ceil(bin))) : 0;
  const step = STEP[axes];
  const side = SIDE[axes];
  const first = new Int32Array(out + 1);
  const window: number[] = [];
  const taps: number[] = [];
  const cell: number[] = [];
  const weight: number[] = [];
  for (let b = 0; b < out; b++) {
    let base = Number.NEGATIVE_INFINITY;
    const tap = (position: number, value: number): void => {
      if (value === 0) return;
      if (position >= base + side || base === Number.NEGATIVE_INFINITY) {
        base = Math.floor(position / step) * step;
        window.push(base / step);
        taps.push(cell.length);
      }
      const within = position - base;
      // Positions never fall, so an equal one is among the last two taps of this part.
      for (let k = cell.length - 1; k >= Math.max(taps[taps.length - 1], cell.length - 2); k--) {
        if (cell[k] === within) {
          weight[k] += value;
          return;
        }
      }
      cell.push(within);
      weight.push(value);
    };
    for (let s = 0; s < samples; s++) {
      const position = start + b * bin + ((s + 0.5) * bin) / samples;
      if (!(position >= -1 && position <= size)) continue;
      const clamped = Math.min(Math.max(position, 0), size - 1);
      const low = Math.min(Math.floor(clamped), size - 1);
      tap(low, (1 - (clamped - low)) / samples);
      if (low + 1 < size) tap(low + 1, (clamped - low) / samples);
    }
    first[b + 1] = window.length;
  }
  taps.push(cell.length);
  return {
    first,
    window: Int32Array.from(window),
    taps: Int32Array.from(taps),
    cell: Int32Array.from(cell),
    weight: Float64Array.from(weight),
  };
}
