/** A detection's run on disk: which images it learns from and is scored on, and the plan that training, scores and predictions share. */
import { counted } from "../../data/counted.ts";
import {
  canvasFor,
  type DetectionClass,
  type DetectionDataset,
  type DetectionItem,
  holdOut,
  leftOutText,
  openDetection,
  type Problem,
  requireClasses,
  type VolumePreparation,
} from "../../data/index.ts";
import { ConfigError, DataError } from "../../errors.ts";
import type { Run } from "../../train/index.ts";
import type { DetectorConfig } from "../network/config.ts";
import { type DetectionConfig, detectorOf } from "./config.ts";

/** What follows from data and configuration; `plan.json`. */
export interface DetectionPlan {
  readonly dataset: string;
  /** Absolute path of what was opened. */
  readonly source: string;
  readonly axes: 2 | 3;
  /** In the order of the detector's, which has the background in front. */
  readonly classes: readonly DetectionClass[];
  readonly detector: DetectorConfig;
  /** Size of a training step's images, x y (z). */
  readonly canvas: readonly number[];
  /** Of volumes: how they come to the network. */
  readonly prepare: VolumePreparation | null;
}

/** An image of a run; its boxes stand in the data set. */
export interface DetectionCase {
  readonly id: string;
  readonly image: string;
}

export type DetectionRun = Run<DetectionConfig, DetectionPlan, DetectionCase>;

export interface DetectionSplits {
  readonly train: readonly DetectionItem[];
  readonly validation: readonly DetectionItem[];
  readonly heldOut: readonly DetectionItem[];
}

/**
 * Opens a data set as a configuration says. Where it asks for classes, boxes of others are no objects; else they are of unknown
 * classes, and a score without them would be wrong.
 * @param path another data set in its place
 * @throws ConfigError for a class of the configuration that the data set does not have
 */
export async function openDetectionFor(
  config: Pick<DetectionConfig, "data" | "images" | "classes" | "space">,
  options: { readonly path?: string; readonly classes?: readonly string[]; readonly signal?: AbortSignal } = {},
): Promise<DetectionDataset> {
  const { path = config.data, classes = config.classes ?? undefined, signal } = options;
  const images = path === config.data ? (config.images ?? undefined) : undefined;
  const otherClasses = config.classes === null ? "unknown" : "unwanted";
  const dataset = await openDetection(path, {
    classes,
    otherClasses,
    images,
    space: config.space ?? undefined,
    signal,
  });
  if (config.classes !== null && options.classes === undefined) requireClasses(dataset, config.classes);
  return dataset;
}

/** Problems of these images and of the data set as a whole. */
function problemsOf(dataset: DetectionDataset, cases: readonly { readonly id: string }[]): Problem[] {
  const ids = new Set(cases.map(({ id }) => id));
  return dataset.problems.filter((problem) => ids.has(problem.case) || problem.case === dataset.name);
}

/**
 * The run's own images with their boxes, as they stand in the data set now, and what is wrong with them.
 * @throws ConfigError for those that are gone
 */
export async function itemsOfRun(
  { record, plan }: Pick<DetectionRun, "record" | "plan">,
  cases: readonly DetectionCase[],
  signal?: AbortSignal,
): Promise<{ readonly cases: readonly DetectionItem[]; readonly problems: readonly Problem[] }> {
  const classes = plan.classes.map(({ name }) => name);
  const data = await openDetectionFor({ ...record.config, data: plan.source }, { classes, signal });
  const problems = problemsOf(data, cases);
  const byId = new Map(data.items.map((item) => [item.id, item]));
  // A run of an earlier build may have named an image otherwise; its file is the same.
  const byImage = new Map(data.items.map((item) => [item.image, item]));
  const items = cases.map(({ id, image }) => {
    const item = byId.get(id) ?? byImage.get(image);
    if (item !== undefined) return item;
    const why = problems.find((problem) => problem.case === id)?.message;
    throw new ConfigError(
      `${plan.source}: image ${id} of the run ${why === undefined ? "is no longer in it" : `cannot be used: ${why}`}`,
    );
  });
  return { cases: items, problems };
}

/**
 * Who learns, who is watched and who is kept for the score: by the data set's own lists where it has them and nothing else is asked.
 * @throws ConfigError where nothing is left to learn from, DataError where there are too few images
 */
export function splitDetection(dataset: DetectionDataset, config: DetectionConfig): DetectionSplits {
  const listed = (split: DetectionItem["split"]): readonly DetectionItem[] =>
    dataset.items.filter((item) => item.split === split);
  const [test, watched] = [listed("test"), listed("validation")];
  checkEnough(dataset, config);
  const seed = config.splitSeed ?? config.seed;
  const ownHeldOut = test.length > 0 ? test : watched;
  let rest: readonly DetectionItem[] = dataset.items;
  let heldOut: readonly DetectionItem[];
  if (config.heldOut === null && ownHeldOut.length > 0) {
    heldOut = ownHeldOut;
    rest = without(rest, heldOut);
  } else ({ rest, taken: heldOut } = takeSome(rest, config.heldOut ?? 0.2, seed));
  requireRest(rest, dataset);
  let validation: readonly DetectionItem[];
  if (config.validation === null && config.heldOut === null && test.length > 0 && watched.length > 0) {
    validation = watched;
    rest = without(rest, validation);
    // The last image is learnt from, and nothing is watched.
  } else ({ rest, taken: validation } = takeSome(rest, config.validation ?? (rest.length < 2 ? 0 : 0.1), seed));
  requireRest(rest, dataset);
  if (!rest.some(({ labels }) => labels.length > 0))
    throw new ConfigError(`${dataset.source}: none of the ${rest.length} images to learn from has a box`);
  return { train: rest, validation, heldOut };
}

const nounOf = ({ axes }: DetectionDataset): string => (axes === 2 ? "picture" : "volume");
const splitWords = { train: "train", validation: "val", test: "test" } as const;

/** @throws DataError where there is not an image to learn from and one to be scored on, with what was left out */
function checkEnough(dataset: DetectionDataset, { heldOut }: DetectionConfig): void {
  const { items, problems, source } = dataset;
  const needed = heldOut === 0 ? 1 : 2;
  if (items.length >= needed) return;
  const left = leftOutText(dataset);
  const why =
    left === "" ? "" : `; ${left}, the first: ${problems.find(({ severity }) => severity === "error")?.message}`;
  throw new DataError(
    `${source}: ${counted(items.length, nounOf(dataset))}, ${needed} ${needed === 1 ? "is" : "are"} needed${why}`,
  );
}

/** @throws DataError where the lists leave nothing to learn from */
function requireRest(rest: readonly DetectionItem[], dataset: DetectionDataset): void {
  if (rest.length > 0) return;
  const { items, source } = dataset;
  const parts = [...new Set(items.map(({ split }) => splitWords[split ?? "train"]))].join(" or ");
  const all = `all ${counted(items.length, nounOf(dataset))} are listed for ${parts}`;
  throw new DataError(`${source}: ${all}, none is left to train on`);
}

function takeSome(items: readonly DetectionItem[], amount: number, seed: number) {
  if (amount === 0) return { rest: items, taken: [] as DetectionItem[] };
  const { heldOut } = holdOut(
    items.map(({ id, image, group }) => ({ id, image, group })),
    amount,
    { seed },
  );
  const ids = new Set(heldOut.map(({ id }) => id));
  return { rest: items.filter(({ id }) => !ids.has(id)), taken: items.filter(({ id }) => ids.has(id)) };
}

function without(items: readonly DetectionItem[], others: readonly DetectionItem[]): DetectionItem[] {
  const gone = new Set(others);
  return items.filter((item) => !gone.has(item));
}

/** Windows of volumes in training, where none is asked for. */
const volumeCanvas = [96, 96, 64] as const;

/** @throws ConfigError for what does not fit the data, DataError for pictures of unknown size */
export function planDetection(
  dataset: DetectionDataset,
  { train, validation }: DetectionSplits,
  config: DetectionConfig,
): DetectionPlan {
  const { name, source, axes, classes } = dataset;
  if (classes.length === 0) throw new ConfigError(`${source}: has no class to learn`);
  const detector = detectorOf(config, axes, classes.length);
  const { divisor, minSide, maxSide } = detector.input;
  if (config.canvas !== null && config.canvas.length !== axes)
    throw new ConfigError(`canvas: ${config.canvas.join(",")}; ${axes}D images need ${axes} sizes`);
  if (config.canvas?.some((length) => length % divisor !== 0))
    throw new ConfigError(`canvas: ${config.canvas.join(",")}; each must be a multiple of ${divisor}`);
  if (axes === 3) {
    const prepare: VolumePreparation = {
      orientation: "RAS",
      spacingMm: config.spacingMm,
      intensity:
        config.window === null
          ? { kind: "zscore" }
          : { kind: "ctWindow", low: config.window[0], high: config.window[1] },
      channels: detector.channels,
    };
    return { dataset: name, source, axes, classes, detector, canvas: config.canvas ?? volumeCanvas, prepare };
  }
  if (minSide === null || minSide.length !== 1 || maxSide === null)
    throw new ConfigError("detector.input: a training needs one minSide and a maxSide; sizes vary by augmentation");
  const canvas =
    config.canvas ?? canvasFor([...train, ...validation], { shortSide: minSide[0], longSide: maxSide }, divisor);
  return { dataset: name, source, axes, classes, detector, canvas, prepare: null };
}
