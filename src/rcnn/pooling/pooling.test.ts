/** RoIAlign and RoI max-pooling in the graph against plain loops, in 2D and 3D, with gradients. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Axes, takeBoxes } from "../../boxes/index.ts";
import { gradients, graph, mul, roiAlign, sum } from "../../graph/index.ts";
import { compute } from "../../graph/test/compute.ts";
import { random } from "../../random.ts";
import { createEngine, type Engine } from "../../runtime/index.ts";
import { type MaxPoolTables, planMaxPool } from "./max-pool.ts";
import { alignFeeds, alignInputs, alignRegions, maxPoolInputs, maxPoolRegions } from "./pooling.ts";
import { type AlignRule, type PlanCapacity, planAlign, windowsOf } from "./windows.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 1 });
});
afterAll(() => engine.close());

const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);
const close = (got: ArrayLike<number>, wanted: ArrayLike<number>, tolerance = 1e-5): void => {
  expect(got.length).toBe(wanted.length);
  let [worst, largest] = [0, 0];
  for (let i = 0; i < wanted.length; i++) {
    worst = Math.max(worst, Math.abs(got[i] - wanted[i]));
    largest = Math.max(largest, Math.abs(wanted[i]));
  }
  expect(worst / largest).toBeLessThan(tolerance);
};
const noise = (seed: number, count: number): Float32Array => {
  const stream = random(seed, "noise");
  return Float32Array.from({ length: count }, () => stream.normal());
};

/** Regions of all sorts: tiny, elongated, as large as the image, beyond its edge. */
function someRegions(axes: Axes, size: readonly number[], count: number): Float32Array {
  const stream = random(axes, "regions");
  const out = new Float32Array(count * 2 * axes);
  for (let r = 0; r < count; r++) {
    for (let axis = 0; axis < axes; axis++) {
      const side = size[axis] * stream.uniform() ** 2;
      const low = stream.between(-2, size[axis] - side + 2);
      out[2 * axes * r + axis] = r === 0 ? 0 : low;
      out[2 * axes * r + axes + axis] = r === 0 ? size[axis] : low + side;
    }
  }
  return out;
}

const cases = [
  { axes: 2 as const, size: [176, 96], strides: [4, 8], outputSize: [7, 5] },
  { axes: 3 as const, size: [48, 40, 36], strides: [2, 4], outputSize: [3, 4, 2] },
];
const rules: Omit<AlignRule, "outputSize">[] = [
  { samplingRatio: 2, aligned: false },
  { samplingRatio: 2, aligned: true },
  { samplingRatio: 0, aligned: true },
];

describe.each(cases)("RoIAlign of a pyramid, $axes D", ({ axes, size, strides, outputSize }) => {
  const channels = 3;
  const grids = strides.map((stride) => size.map((n) => n / stride));
  const images = 2;
  const shape = { axes, images, grids, strides };
  const windows = windowsOf(shape);
  const count = 40;
  const regions = someRegions(axes, size, count);
  const stream = random(7, "owners");
  const owners = Int32Array.from({ length: count }, () => stream.integer(images));
  const levels = Int32Array.from({ length: count }, () => stream.integer(strides.length));
  const bins = product(outputSize);

  it.each(rules)(
    "equals the graph's RoIAlign level by level, sampling $samplingRatio, aligned $aligned",
    async (rule) => {
      const capacity: PlanCapacity = { blocks: 1, parts: 1, perWindow: 1 };
      const plan = planAlign(shape, windows, regions, owners, levels, { ...rule, outputSize }, capacity);
      expect(plan.capacity).toEqual(capacity);
      const g = graph();
      const maps = grids.map((grid, l) => g.input(`map${l}`, [images, channels, ...[...grid].reverse()]));
      const inputs = Object.fromEntries(
        Object.entries(alignInputs(windows, count, bins, plan.capacity)).map(([name, { shape: of, dtype }]) => [
          name,
          g.input(name, of, dtype),
        ]),
      );
      const pooled = alignRegions(maps, windows, inputs, outputSize);
      const upstream = g.input("upstream", pooled.shape);
      const slopes = gradients(sum(mul(pooled, upstream)), maps);
      const mapFeeds = Object.fromEntries(
        maps.map((map, l) => [`map${l}`, { data: noise(l, map.size), shape: map.shape }]),
      );
      const upstreamData = noise(9, pooled.size);
      const feeds = { ...alignFeeds(plan, windows, count * bins), ...mapFeeds };
      const slopeNames = Object.fromEntries(slopes.map((slope, l) => [`slope${l}`, slope]));
      const got = await compute(
        engine,
        g,
        { pooled, ...slopeNames },
        { ...feeds, upstream: { data: upstreamData, shape: pooled.shape } },
      );
      // The reference: each level and image alone, with the separable products of the graph language.
      for (const l of strides.keys()) {
        for (let n = 0; n < images; n++) {
          const mine = [...owners.keys()].filter((r) => owners[r] === n && levels[r] === l);
          const plain = graph();
          const map = plain.input("map", [1, channels, ...[...grids[l]].reverse()]);
          const boxes = plain.constant(takeBoxes(regions, mine, axes), [1, mine.length, 2 * axes]);
          const y = roiAlign(map, boxes, {
            ...rule,
            outputSize: [...outputSize].reverse(),
            spatialScale: 1 / strides[l],
          });
          const part = map.size;
          const from = pooled.size / count;
          const pick = (all: Float32Array): Float32Array =>
            Float32Array.from(mine.flatMap((r) => [...all.subarray(r * from, (r + 1) * from)]));
          const [slope] = gradients(sum(mul(y, plain.constant(pick(upstreamData), y.shape))), [map]);
          const data = mapFeeds[`map${l}`].data.slice(n * part, (n + 1) * part);
          const wanted = await compute(engine, plain, { y, slope }, { map: { data, shape: map.shape } });
          close(pick(got.pooled.data as Float32Array), wanted.y.data as Float32Array);
          const slopeOf = (got[`slope${l}`].data as Float32Array).subarray(n * part, (n + 1) * part);
          close(slopeOf, wanted.slope.data as Float32Array);
        }
      }
    },
  );

  it("pools zeros where a region is no box, and keeps its room", async () => {
    const capacity: PlanCapacity = { blocks: 1, parts: 1, perWindow: 1 };
    const rule = { ...rules[0], outputSize };
    const broken = regions.slice(0, 4 * axes);
    broken.fill(Number.NaN, 2 * axes);
    const plan = planAlign(shape, windows, broken, Int32Array.of(0, 1), Int32Array.of(1, 1), rule, capacity);
    expect(plan.weights.every(Number.isFinite)).toBe(true);
    const before = { ...capacity };
    planAlign(shape, windows, broken.slice(0, 2 * axes), Int32Array.of(0), Int32Array.of(1), rule, capacity);
    expect(capacity).toEqual(before);
  });
});

/** Fast R-CNN's layer as it stands in py-faster-rcnn, per channel; corners are half-open here, inclusive there. */
function maxPoolLoop(
  map: Float32Array,
  t: MaxPoolTables,
  region: readonly number[],
  image: number,
): [number, number][] {
  const { axes, grid, stride, outputSize } = t;
  const first = grid.map((_, axis) => Math.round(region[axis] / stride));
  const length = grid.map((_, axis) => Math.max(Math.round((region[axes + axis] - 1) / stride) - first[axis] + 1, 1));
  return Array.from({ length: product(outputSize) }, (_, bin) => {
    let rest = bin;
    const span = outputSize.map((out, axis) => {
      const i = rest % out;
      rest = Math.floor(rest / out);
      const clip = (cell: number): number => Math.min(Math.max(cell, 0), grid[axis]);
      const size = length[axis] / out;
      return [clip(first[axis] + Math.floor(i * size)), clip(first[axis] + Math.ceil((i + 1) * size))];
    });
    let best: [number, number] = [Number.NEGATIVE_INFINITY, -1];
    const cells = product(grid);
    for (let cell = 0; cell < cells; cell++) {
      let left = cell;
      const inside = grid.every((n, axis) => {
        const at = left % n;
        left = Math.floor(left / n);
        return at >= span[axis][0] && at < span[axis][1];
      });
      if (inside && map[image * cells + cell] > best[0]) best = [map[image * cells + cell], image * cells + cell];
    }
    return best[1] < 0 ? [0, -1] : best;
  });
}

describe.each([
  { axes: 2 as const, size: [320, 192], stride: 16, outputSize: [7, 7] },
  { axes: 3 as const, size: [96, 64, 80], stride: 8, outputSize: [4, 3, 2] },
])("RoI max-pooling, $axes D", ({ axes, size, stride, outputSize }) => {
  it("takes each part's maximum; the gradient goes there", async () => {
    const grid = size.map((n) => n / stride);
    const tables: MaxPoolTables = { axes, images: 2, grid, stride, outputSize };
    const count = 30;
    const regions = someRegions(axes, size, count);
    const owners = Int32Array.from({ length: count }, (_, r) => r % 2);
    const bins = product(outputSize);
    const g = graph();
    const map = g.input("map", [2, 1, ...[...grid].reverse()]);
    const type = maxPoolInputs(axes, count, bins).maxPoolRows;
    const pooled = maxPoolRegions(map, g.input("rows", type.shape, type.dtype), outputSize, tables);
    const upstream = noise(5, pooled.size);
    const [slope] = gradients(sum(mul(pooled, g.constant(upstream, pooled.shape))), [map]);
    const data = noise(4, map.size);
    const got = await compute(
      engine,
      g,
      { pooled, slope },
      {
        map: { data: data.slice(), shape: map.shape },
        rows: { data: planMaxPool(tables, regions, owners), shape: type.shape },
      },
    );
    const wanted: number[] = [];
    const wantedSlope = new Float32Array(map.size);
    for (let r = 0; r < count; r++) {
      const region = [...regions.subarray(2 * axes * r, 2 * axes * (r + 1))];
      for (const [value, at] of maxPoolLoop(data, tables, region, owners[r])) {
        if (at >= 0) wantedSlope[at] += upstream[wanted.length];
        wanted.push(value);
      }
    }
    expect([...(got.pooled.data as Float32Array)]).toEqual(wanted);
    close(got.slope.data as Float32Array, wantedSlope);
  });
});

/** Which parts of regions of 1 … 80 cells the original's float32 arithmetic cuts elsewhere than whole numbers do, as [cells, part]. */
it.each([
  { parts: 7, elsewhere: [[57, 6]] },
  {
    parts: 14,
    elsewhere: [
      [57, 13],
      [62, 7],
    ],
  },
])(
  "RoI max-pooling cuts regions in $parts where the original does, but for its rounding",
  async ({ parts, elsewhere }) => {
    const [longest, stride] = [80, 16];
    const tables: MaxPoolTables = { axes: 2, images: 1, grid: [longest + 1, 1], stride, outputSize: [parts, 1] };
    const lengths = Array.from({ length: longest }, (_, i) => i + 1);
    const regions = Float32Array.from(lengths.flatMap((length) => [0, 0, (length - 1) * stride + 1, 1]));
    const g = graph();
    // The largest of x and of −x are a part's last and first cell.
    const map = g.input("map", [1, 2, 1, longest + 1]);
    const type = maxPoolInputs(2, longest, parts).maxPoolRows;
    const pooled = maxPoolRegions(map, g.input("rows", type.shape, type.dtype), [parts, 1], tables);
    const got = await compute(
      engine,
      g,
      { pooled },
      {
        map: {
          data: Float32Array.from({ length: map.size }, (_, i) => (i <= longest ? i : longest + 1 - i)),
          shape: map.shape,
        },
        rows: { data: planMaxPool(tables, regions, new Int32Array(longest)), shape: type.shape },
      },
    );
    const ends = got.pooled.data as Float32Array;
    const found = lengths.flatMap((length, r) => {
      const size = Math.fround(length / parts);
      return Array.from({ length: parts }, (_, part) => part).flatMap((part) => {
        const first = Math.floor(Math.fround(part * size));
        const last = Math.ceil(Math.fround((part + 1) * size)) - 1;
        const same = ends[2 * r * parts + part] === last && ends[(2 * r + 1) * parts + part] === -first;
        return same ? [] : [[length, part]];
      });
    });
    expect(found).toEqual(elsewhere);
  },
);
