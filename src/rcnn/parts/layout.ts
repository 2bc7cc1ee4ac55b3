/**
 * What follows from the size of the padded images alone: the maps' sizes, anchors, and how regions are pooled. Cached, for a detector meets
 * few sizes.
 *
 * N images · L levels · R anchors of an image · Q regions of a batch
 */
import { type Graph, graph, type Tensor } from "../../graph/index.ts";
import type { FeedType } from "../../train/model/step.ts";
import { type DetectorConfig, parseDetector } from "../network/config.ts";
import { featureMaps } from "../network/network.ts";
import { assignLevels, type LevelRule } from "../pooling/levels.ts";
import { type MaxPoolTables, planMaxPool } from "../pooling/max-pool.ts";
import { alignFeeds, alignInputs, alignRegions, maxPoolInputs, maxPoolRegions } from "../pooling/pooling.ts";
import { type PlanCapacity, type PyramidShape, planAlign, SLOTS, type Windows, windowsOf } from "../pooling/windows.ts";
import { type AnchorSet, anchorsOf } from "./anchors.ts";

export interface Layout {
  /** Shape of the batch: [N, channels, …]. */
  readonly input: readonly number[];
  /** Shapes of all maps, finest first. */
  readonly maps: readonly (readonly number[])[];
  readonly anchors: AnchorSet;
  /** Anchor positions of an image. */
  readonly locations: number;
  readonly pooling: RegionPooling;
}

/** How regions are pooled: the plan's inputs, their values, and the graph that reads them. */
export interface RegionPooling {
  /** How many of the maps it reads, from the finest. */
  readonly levels: number;
  /** Of those maps. */
  readonly shape: PyramidShape;
  /** Which of them a region is pooled from. */
  readonly rule: LevelRule;
  types(regions: number): Record<string, FeedType>;
  /** @param regions [Q, 2·axes] @param owners [Q] */
  feeds(
    regions: Float32Array,
    owners: Int32Array,
  ): Record<string, { data: Float32Array | Int32Array; shape: number[] }>;
  /** @param maps all levels @param inputs those of `types` */
  pooled(maps: readonly Tensor[], inputs: Readonly<Record<string, Tensor>>): Tensor;
}

/** Layouts of one configuration, by size. @param limit how many are kept, those used last */
export function layouts(
  config: DetectorConfig,
  limit = Number.POSITIVE_INFINITY,
): (images: number, size: readonly number[]) => Layout {
  const known = new Map<string, Layout>();
  return (images, size) => {
    const key = `${images} ${size.join()}`;
    const layout = known.get(key) ?? layoutOf(config, images, size);
    known.delete(key);
    known.set(key, layout);
    for (const oldest of [...known.keys()].slice(0, Math.max(known.size - limit, 0))) known.delete(oldest);
    return layout;
  };
}

/**
 * @param size of the padded images, x y (z)
 * @throws ConfigError for a configuration that cannot be: all that builds a network asks for its layout, so none goes unchecked
 */
export function layoutOf(config: DetectorConfig, images: number, size: readonly number[]): Layout {
  const { axes, channels, anchors, backbone } = parseDetector(config);
  const input = [images, channels, ...[...size].reverse()];
  const sketch: Graph = graph();
  const maps = featureMaps(sketch.input("image", input), config).map(({ shape }) => shape);
  const grids = maps.map((shape) => shape.slice(2).reverse());
  // The extra level is for the RPN alone.
  const pooled = backbone.pyramidChannels !== null && backbone.extraLevel ? maps.length - 1 : maps.length;
  const strides = grids.map((grid) => 2 ** Math.round(Math.log2(size[0] / grid[0])));
  return {
    input,
    maps,
    anchors: anchorsOf({ axes, ...anchors }, size, grids),
    locations: grids.reduce((sum, grid) => sum + grid.reduce((a, b) => a * b, 1), 0),
    pooling: poolingOf(config, {
      axes,
      images,
      grids: grids.slice(0, pooled),
      strides: strides.slice(0, pooled),
    }),
  };
}

function poolingOf({ axes, regions: rule }: DetectorConfig, shape: PyramidShape): RegionPooling {
  const bins = rule.outputSize.reduce((a, b) => a * b, 1);
  const levelRule: LevelRule = {
    lowest: Math.log2(shape.strides[0]),
    highest: Math.log2(shape.strides[shape.strides.length - 1]),
    canonicalSide: rule.canonicalSide,
    canonicalLevel: rule.canonicalLevel,
  };
  if (rule.pooling === "max") {
    const [grid] = shape.grids;
    const [stride] = shape.strides;
    const tables: MaxPoolTables = { axes, images: shape.images, grid, stride, outputSize: rule.outputSize };
    return {
      levels: 1,
      shape,
      rule: levelRule,
      types: (regions) => maxPoolInputs(axes, regions, bins),
      feeds: (regions, owners) => ({
        maxPoolRows: {
          data: planMaxPool(tables, regions, owners),
          shape: [...maxPoolInputs(axes, owners.length, bins).maxPoolRows.shape],
        },
      }),
      pooled: (maps, { maxPoolRows }) => maxPoolRegions(maps[0], maxPoolRows, rule.outputSize, tables),
    };
  }
  const windows: Windows = windowsOf(shape);
  const capacity: PlanCapacity = { blocks: 1, parts: 1, perWindow: 1 };
  return {
    levels: shape.grids.length,
    shape,
    rule: levelRule,
    types: (regions) => alignInputs(windows, regions, bins, expect(capacity, windows, regions * bins)),
    feeds: (regions, owners) => {
      const levels = assignLevels(regions, axes, levelRule);
      expect(capacity, windows, owners.length * bins);
      const plan = planAlign(shape, windows, regions, owners, levels, rule, capacity);
      return alignFeeds(plan, windows, owners.length * bins);
    },
    pooled: (maps, inputs) => alignRegions(maps.slice(0, shape.grids.length), windows, inputs, rule.outputSize),
  };
}

/** Room for most plans of so many bins; a plan that needs more makes it grow, and another program with it. */
function expect(capacity: PlanCapacity, windows: Windows, bins: number): PlanCapacity {
  const blocks = Math.ceil((1.25 * bins) / SLOTS) + Math.ceil(windows.count / 2) + 1;
  if (capacity.blocks < blocks) capacity.blocks = blocks;
  if (capacity.perWindow < 4) capacity.perWindow = 4;
  return capacity;
}
