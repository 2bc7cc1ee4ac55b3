/// <reference lib="esnext.disposable" preserve="true" />
/**
 * A detector at work: features and the RPN's outputs are one program, proposals are chosen in TypeScript, the region head is a second
 * program that reads the features where they lie. Programs are static, one for each size; those of the sizes met last are kept.
 *
 * N images · R anchors of an image · Q regions of a batch · K classes
 */
import { scaleBoxes } from "../../boxes/index.ts";
import { ConfigError } from "../../errors.ts";
import { graph, softmax, type Tensor } from "../../graph/index.ts";
import type { Engine } from "../../runtime/types.ts";
import { encodeBaked } from "../../train/model/baked.ts";
import type { StateMap } from "../../train/model/model.ts";
import { type DetectorConfig, parseDetector } from "../network/config.ts";
import { type DetectorImage, type InputBatch, inputBatch } from "../network/input.ts";
import { featureMaps, regionOutputs, rpnOutputs } from "../network/network.ts";
import { type Layout, layouts } from "../parts/layout.ts";
import { type DetectedBoxes, selectDetections } from "../parts/post-process.ts";
import { type ProposalRule, type Proposals, selectProposals } from "../parts/proposals.ts";
import { recentPrograms } from "./recent-programs.ts";

/** Where a detector's time goes, as the paper splits it. */
export interface DetectionTimes {
  readonly featuresMs: number;
  readonly proposalsMs: number;
  readonly headMs: number;
}

/** What both stages made of a batch. */
export interface FoundStages {
  /** Of each image, in its own pixels or voxels, best first. */
  readonly proposals: readonly Proposals[];
  readonly detections: readonly DetectedBoxes[];
}

/** How what takes long is watched and stopped. */
export interface WatchOptions {
  /** Stops before the next pass through the network; what was asked for is rejected with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** How a look at one or several images is watched and stopped. */
export interface DetectOptions extends WatchOptions {
  /** After each pass through the network: passes done, passes in all, and the image's id (or its place, `images[0]`). */
  readonly onProgress?: (done: number, total: number, id: string) => void;
}

export interface Detector extends AsyncDisposable {
  readonly config: DetectorConfig;
  /** Detections of each image, in its own pixels or voxels, best first. All images are one batch. */
  detect(images: readonly DetectorImage[], options?: WatchOptions): Promise<DetectedBoxes[]>;
  /**
   * Both stages with proposals chosen by other rules than the configuration's, for ablations: keys that a rule leaves out are as
   * configured. Features are computed once for all rules.
   */
  detectBy(images: readonly DetectorImage[], rules: readonly Partial<ProposalRule>[]): Promise<FoundStages[]>;
  /** Proposals of each image, in its own pixels or voxels, best first: the boxes of the first stage, which have no class. */
  propose(images: readonly DetectorImage[], rule?: Partial<ProposalRule>, options?: WatchOptions): Promise<Proposals[]>;
  /** Proposals of images that are prepared already, such as a training batch, in the pixels of the prepared images. */
  proposeBatch(batch: InputBatch, rule?: Partial<ProposalRule>): Promise<Proposals[]>;
  /** Of the last images. */
  readonly times: DetectionTimes | undefined;
  close(): Promise<void>;
}

export interface DetectorOptions {
  readonly engine: Engine;
  readonly config: DetectorConfig;
  readonly weights: StateMap;
  /** Images that fit are padded to this, x y (z): one program for many sizes. */
  readonly canvas?: readonly number[];
  /**
   * How many programs are kept, at least 2: each size of padded images needs two. Loading one again takes up to seconds; each holds a copy of its
   * part's weights and buffers of its maps' size. 8 by default.
   */
  readonly programs?: number;
  /** Another detector whose proposals are looked at in place of its own: two networks that share nothing. It stays its owner's. */
  readonly proposer?: Detector;
}

/**
 * Calls take turns: what is asked for while another image is looked at waits.
 * @throws ConfigError for fewer than 2 programs or a configuration that cannot be; at the first image WeightsError, if the weights are not the network's
 */
export function createDetector({
  engine,
  config,
  weights,
  canvas,
  proposer,
  programs: limit = 8,
}: DetectorOptions): Detector {
  if (!(limit >= 2)) throw new ConfigError(`detector: programs ${limit}; one image needs 2`);
  parseDetector(config);
  const { axes, classes, rpn, regions, detections, sideClamp } = config;
  const layoutFor = layouts(config, Math.ceil(limit / 2));
  const bank = engine.bank();
  const programs = recentPrograms(engine, limit);
  // One image's maps lie in the bank at a time.
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> => {
    const begin = (): Promise<T> => {
      signal?.throwIfAborted();
      return work();
    };
    const own = last.then(begin, begin);
    last = own.catch(() => {});
    return own;
  };
  let times: DetectionTimes | undefined;
  const usualRule: ProposalRule = {
    ...rpn.inference,
    threshold: rpn.suppressionOverlap,
    suppress: rpn.suppress,
    minimumSide: rpn.minimumSide,
    minimumScore: rpn.minimumScore,
  };

  const prepared = (images: readonly DetectorImage[]): InputBatch => {
    if (images.length === 0) throw new ConfigError("detector: no images; at least one is needed");
    return inputBatch(images, config, undefined, canvas);
  };
  const features = async ({ data, size, sizes }: InputBatch, rules: readonly Partial<ProposalRule>[]) => {
    const asked = performance.now();
    const given = [];
    if (proposer !== undefined)
      for (const rule of rules) given.push(await proposer.proposeBatch({ data, size, sizes }, rule));
    const began = performance.now();
    const layout = layoutFor(sizes.length, size);
    const first = await programs.get(`features of ${sizes.length}×${size.join("×")}`, () =>
      encodeBaked(featureGraph(config, layout, proposer === undefined), weights),
    );
    const kept = Object.fromEntries(pooledMaps(layout).map((name) => [name, name]));
    const { outputs } = await first.run(
      { image: { data, shape: layout.input } },
      { bank, fetch: proposer === undefined ? ["objectness", "deltas"] : [], keep: kept, recycle: true },
    );
    const featuresDone = performance.now();
    if (proposer !== undefined)
      return { layout, proposals: given, featuresMs: featuresDone - began, proposalsMs: began - asked };
    const objectness = outputs.objectness.data as Float32Array;
    const deltas = outputs.deltas.data as Float32Array;
    const count = objectness.length / sizes.length;
    const proposals = rules.map((rule) =>
      sizes.map((own, n) =>
        selectProposals(
          layout.anchors,
          objectness.subarray(n * count, (n + 1) * count),
          deltas.subarray(n * count * 2 * axes, (n + 1) * count * 2 * axes),
          own,
          { weights: rpn.coderWeights, clamp: sideClamp },
          { ...usualRule, ...rule },
        ),
      ),
    );
    const proposalsMs = performance.now() - featuresDone;
    return { layout, proposals, featuresMs: featuresDone - began, proposalsMs };
  };

  /** The region head on proposals of a batch whose features were just computed. */
  const regionsOf = async (
    layout: Layout,
    sizes: readonly (readonly number[])[],
    proposals: readonly Proposals[],
    room: number,
  ): Promise<DetectedBoxes[]> => {
    const boxes = new Float32Array(sizes.length * room * 2 * axes);
    const owners = new Int32Array(sizes.length * room);
    for (const [n, own] of proposals.entries()) {
      boxes.set(own.boxes, n * room * 2 * axes);
      owners.fill(n, n * room, (n + 1) * room);
    }
    const feeds = layout.pooling.feeds(boxes, owners);
    const shapes = Object.values(feeds).map(({ shape }) => shape.join("×"));
    const second = await programs.get(`regions of ${layout.input.join("×")}, ${shapes.join()}`, () =>
      encodeBaked(regionGraph(config, layout, owners.length), weights),
    );
    const { outputs } = await second.run(feeds, { bank, recycle: true });
    const probabilities = outputs.probabilities.data as Float32Array;
    const deltas = outputs.deltas.data as Float32Array;
    const width = deltas.length / owners.length;
    return proposals.map((own, n) => {
      const count = own.scores.length;
      const start = n * room;
      return selectDetections(
        own.boxes,
        probabilities.subarray(start * classes, (start + count) * classes),
        deltas.subarray(start * width, (start + count) * width),
        sizes[n],
        axes,
        { weights: regions.coderWeights, clamp: sideClamp },
        { ...detections, threshold: detections.suppressionOverlap, soft: detections.soft ?? undefined },
      );
    });
  };
  /** From the network's pixels to the image's own. */
  const backTo =
    (images: readonly DetectorImage[], sizes: readonly (readonly number[])[]) =>
    <T extends { readonly boxes: Float32Array }>(found: T, n: number): T => {
      const factors = images[n].size.map((length, axis) => length / sizes[n][axis]);
      return { ...found, boxes: scaleBoxes(found.boxes, factors, axes) };
    };
  const detectBy: Detector["detectBy"] = async (images, rules) => {
    const preparing = performance.now();
    const batch = prepared(images);
    const { sizes } = batch;
    const preparedMs = performance.now() - preparing;
    const { layout, proposals, featuresMs, proposalsMs } = await features(batch, rules);
    const began = performance.now();
    const back = backTo(images, sizes);
    const found: FoundStages[] = [];
    for (const [i, own] of proposals.entries()) {
      // There may be fewer anchors than a rule asks for.
      const room = Math.min({ ...usualRule, ...rules[i] }.after, layout.anchors.boxes.length / (2 * axes));
      found.push({
        proposals: own.map(back),
        detections: (await regionsOf(layout, sizes, own, room)).map(back),
      });
    }
    times = { featuresMs: preparedMs + featuresMs, proposalsMs, headMs: performance.now() - began };
    return found;
  };

  const close = (): Promise<void> =>
    inTurn(async () => {
      await programs.close();
      await bank.close();
    });
  return {
    config,
    get times() {
      return times;
    },
    detect: (images, { signal } = {}) => inTurn(async () => [...(await detectBy(images, [{}]))[0].detections], signal),
    detectBy: (images, rules) => inTurn(() => detectBy(images, rules)),
    propose: (images, rule = {}, { signal } = {}) =>
      inTurn(async () => {
        const batch = prepared(images);
        const { proposals } = await features(batch, [rule]);
        return proposals[0].map(backTo(images, batch.sizes));
      }, signal),
    // The engine takes the buffer over; the batch's stays its owner's.
    proposeBatch: (batch, rule = {}) =>
      inTurn(async () => (await features({ ...batch, data: batch.data.slice() }, [rule])).proposals[0]),
    close,
    [Symbol.asyncDispose]: close,
  };
}

const mapName = (level: number): string => `map${level}`;
const pooledMaps = ({ pooling }: Layout): string[] => Array.from({ length: pooling.levels }, (_, l) => mapName(l));

/** The graph from image to maps, and to objectness and deltas of a detector that makes its own proposals. */
export function featureGraph(config: DetectorConfig, layout: Layout, withRpn: boolean) {
  const g = graph();
  const maps = featureMaps(g.input("image", layout.input), config);
  const outputs: Record<string, Tensor> = withRpn ? { ...rpnOutputs(maps, config) } : {};
  for (const [level, name] of pooledMaps(layout).entries()) outputs[name] = maps[level];
  return { graph: g, outputs };
}

/** The graph from maps and the plan of pooling to probabilities [Q, K] and deltas. */
export function regionGraph(config: DetectorConfig, layout: Layout, regions: number) {
  const g = graph();
  const maps = pooledMaps(layout).map((name, level) => g.input(name, layout.maps[level]));
  const inputs = Object.fromEntries(
    Object.entries(layout.pooling.types(regions)).map(([name, { shape, dtype }]) => [
      name,
      g.input(name, shape, dtype),
    ]),
  );
  const { scores, deltas } = regionOutputs(layout.pooling.pooled(maps, inputs), config);
  return { graph: g, outputs: { probabilities: softmax(scores, 1), deltas } };
}
