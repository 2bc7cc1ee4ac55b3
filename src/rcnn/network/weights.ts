/**
 * Weights for detectors from elsewhere: torchvision's files under their old and new names, whole detectors with other classes, and
 * backbones alone (torchvision's classifiers, encoders of medvox and MedicalNet).
 */
import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { ConfigError, WeightsError } from "../../errors.ts";
import { readSafetensorsHeader, readWeightsFile, writeSafetensors } from "../../files/index.ts";
import { graph } from "../../graph/index.ts";
import { lastCheckpoint, type StateMap } from "../../train/index.ts";
import {
  CheckpointTensors,
  describeMatch,
  type MatchedWeights,
  matchWeights,
  type WeightTensor,
} from "../../weights/index.ts";
import { layoutOf } from "../parts/layout.ts";
import type { DetectionConfig } from "../run/config.ts";
import { type DetectorConfig, parseDetector } from "./config.ts";
import { BACKBONE_PARAMETERS, featureMaps, regionOutputs, rpnOutputs } from "./network.ts";
import { preset } from "./presets.ts";

type Tensors = ReadonlyMap<string, WeightTensor>;

/** Names and shapes of a detector's parameters and running statistics. */
export function detectorShapes(config: DetectorConfig): Map<string, readonly number[]> {
  const g = graph();
  const side = 2 * Math.max(config.input.divisor, 32);
  const layout = layoutOf(config, 1, new Array<number>(config.axes).fill(side));
  const maps = featureMaps(g.input("image", layout.input), config);
  rpnOutputs(maps, config);
  regionOutputs(g.input("pooled", [1, maps[0].shape[1], ...config.regions.outputSize.toReversed()]), config);
  return new Map([...g.parameters].map(([name, { shape }]) => [name, shape]));
}

/** torchvision before 0.13 named three kinds of layers otherwise; its released files still do. */
const renamed: readonly (readonly [RegExp, string])[] = [
  [/(^|\.)((?:inner|layer)_blocks\.\d+)\.(weight|bias)$/, "$1$2.0.$3"],
  [/(^|\.)(rpn\.head\.conv)\.(weight|bias)$/, "$1$2.0.0.$3"],
];

/** torchvision's names of today. */
export function detectorNames(tensors: Tensors): Map<string, WeightTensor> {
  const today = (name: string): string => renamed.reduce((text, [from, to]) => text.replace(from, to), name);
  const made = new CheckpointTensors([...tensors].map(([name, tensor]) => [today(name), tensor]));
  if (tensors instanceof CheckpointTensors)
    for (const [name, object] of tensors.unreadable) made.unreadable.set(today(name), object);
  return made;
}

/** torchvision's other detectors, told by a name that only they have. */
const otherDetectors: readonly (readonly [RegExp, string])[] = [
  [/(^|\.)roi_heads\.box_head\.\d+\.\d+\.weight$/, "fasterrcnn_resnet50_fpn_v2"],
  [/(^|\.)backbone\.fpn\.(inner|layer)_blocks\.\d+\.1\.weight$/, "fasterrcnn_resnet50_fpn_v2"],
  [/(^|\.)backbone\.body\.\d+\.block\./, "fasterrcnn_mobilenet_v3_large_fpn"],
  [/(^|\.)head\.classification_head\./, "a one-stage detector (RetinaNet, FCOS or SSD)"],
];

const supportedDetectors = "fasterrcnn_resnet50_fpn, or the same with 18, 34, 101 or 152";

/** @throws WeightsError for weights of a detector that medvox does not have, by its name */
function refuseOtherDetectors(tensors: Tensors, file: string): void {
  for (const [pattern, arch] of otherDetectors)
    if ([...tensors.keys()].some((name) => pattern.test(name)))
      throw new WeightsError(`${file}: holds ${arch}, which is not supported; supported are ${supportedDetectors}`);
}

/** What every detector has; other heads beside it (masks, keypoints) are only noted. */
const detectorParts = /(^|\.)(backbone|rpn)\.|(^|\.)roi_heads\.box_/;
const backboneParts = /(^|\.)backbone\./;

/** Refuses a file with tensors of such parts that this detector has no place for: another network, of which a part would fit. */
function refuseUnexpected(file: string, { unexpected }: MatchedWeights, parts: RegExp): void {
  const beyond = unexpected.filter((name) => parts.test(name));
  if (beyond.length > 0)
    throw new WeightsError(
      `${file}: has ${beyond.length} tensors that the detector has no place for, the first ${beyond[0]}: it holds another network`,
    );
}

/** @throws WeightsError where the file holds another network, or not all of this one */
export function matchDetector(tensors: Tensors, config: DetectorConfig, file: string): MatchedWeights {
  refuseOtherDetectors(tensors, file);
  const shapes = detectorShapes(config);
  const match = matchWeights(shapes, detectorNames(tensors), { file });
  if (match.missing.length > 0)
    throw new WeightsError(
      `${file}: lacks ${match.missing.length} of the detector's ${shapes.size} tensors${some(match.missing)}`,
    );
  if (match.reshaped.length > 0)
    throw new WeightsError(
      `${file}: is for ${match.reshaped[0].from[1]} channels, the detector takes ${config.channels}`,
    );
  refuseUnexpected(file, match, detectorParts);
  return match;
}

/** torchvision overwrites the epsilon of its COCO weights' norms with 0; what medvox imported says so itself. */
export async function epsilonOf(weights: string): Promise<number> {
  if (extname(weights) === ".safetensors") {
    const { metadata } = await readSafetensorsHeader(weights);
    if (metadata.normEpsilon !== undefined) return Number(metadata.normEpsilon);
  }
  return isCoco(weights) ? 0 : 1e-5;
}

/** Whether a file is called as torchvision calls its COCO weights: `fasterrcnn_resnet50_fpn_coco-258fb6c6.pth`. */
const isCoco = (weights: string): boolean => /_coco[-_.]/.test(basename(weights));

/** The detector that torchvision calls so. @throws ConfigError for one that medvox does not have */
export function torchvisionDetector(
  arch: string,
  settings: {
    readonly numClasses: number;
    readonly minSize?: number;
    readonly maxSize?: number;
    readonly normEpsilon?: number;
  },
): DetectorConfig {
  const depth = /^fasterrcnn_resnet(18|34|50|101|152)_fpn$/.exec(arch)?.[1];
  if (/^fasterrcnn_(resnet50_fpn_v2|mobilenet_v3_large(_320)?_fpn)$/.test(arch))
    throw new ConfigError(
      `--arch ${arch}: is a detector of torchvision that is not supported; supported are ${supportedDetectors}`,
    );
  if (depth === undefined) throw new ConfigError(`--arch ${arch}: must be ${supportedDetectors}`);
  const { numClasses, minSize = 800, maxSize = 1333, normEpsilon = 1e-5 } = settings;
  const usual = preset("modern", { classes: numClasses, depth: Number(depth) as 50 });
  return parseDetector({
    ...usual,
    input: { ...usual.input, minSide: [minSize], maxSide: maxSize },
    backbone: { ...usual.backbone, normEpsilon },
  });
}

/** Whether `medvox import --arch` means a detector. */
export const isDetectorArch = (arch: string): boolean => arch.startsWith("fasterrcnn");

export interface ImportedDetector {
  readonly match: MatchedWeights;
  /** Background included. */
  readonly numClasses: number;
  readonly normEpsilon: number;
}

/**
 * Reads torchvision's weights of a detector and writes them as safetensors under its names of today, with the epsilon that their norms
 * want as metadata.
 * @throws WeightsError for another network, or one that is not whole
 */
export async function importDetector(
  file: string,
  { arch, out, force }: { readonly arch: string; readonly out?: string; readonly force?: boolean },
): Promise<ImportedDetector> {
  const source = detectorNames(await readWeightsFile(file));
  // Before the file is looked at for its classes, which other detectors keep elsewhere.
  torchvisionDetector(arch, { numClasses: 2 });
  refuseOtherDetectors(source, file);
  const numClasses = [...source].find(([name]) => name.endsWith("box_predictor.cls_score.bias"))?.[1].shape[0];
  if (numClasses === undefined || numClasses < 2)
    throw new WeightsError(`${file}: has no roi_heads.box_predictor.cls_score.bias; is it a detector of torchvision?`);
  const normEpsilon = await epsilonOf(file);
  const match = matchDetector(source, torchvisionDetector(arch, { numClasses, normEpsilon }), file);
  if (out !== undefined) {
    const tensors = new Map(
      [...match.tensors].map(([name, { data, shape }]): [string, WeightTensor] => [
        name,
        { dtype: "F32", shape, data },
      ]),
    );
    const metadata = { format: "pt", arch, normEpsilon: String(normEpsilon), source: basename(file) };
    await writeSafetensors(out, tensors, metadata, { force });
  }
  return { match, numClasses, normEpsilon };
}

export interface DetectorStart {
  readonly weights: StateMap;
  /** `from FILE: 100 matched · …`. */
  readonly report: string;
}

/**
 * What a configuration starts from, matched to its detector.
 * @throws WeightsError where the backbone is another one
 */
export async function readDetectorStart(
  { from, backbone }: Pick<DetectionConfig, "from" | "backbone">,
  config: DetectorConfig,
): Promise<DetectorStart | undefined> {
  const file = from ?? backbone;
  if (file === null) return undefined;
  const all = detectorNames(await readStartFile(file));
  refuseOtherDetectors(all, file);
  const shapes = detectorShapes(config);
  if (from !== null) {
    const match = matchWeights(shapes, all, { file, isHead: (name) => !/^backbone\.(body|features)\./.test(name) });
    refuseMissing(file, match);
    refuseUnexpected(file, match, backboneParts);
    return { weights: new Map(match.tensors), report: `from ${file}: ${describeMatch(match)}` };
  }
  const own = new Map([...shapes].filter(([name]) => BACKBONE_PARAMETERS.test(name)));
  const whole = [...all.keys()].some((name) => BACKBONE_PARAMETERS.test(name));
  const body = config.backbone.kind === "vgg16" ? "backbone." : "backbone.body.";
  const bare = new Map(
    [...all].flatMap(([name, tensor]): [string, WeightTensor][] => {
      if (whole) return BACKBONE_PARAMETERS.test(name) ? [[name, tensor]] : [];
      const inner = name.replace(/^(module|model|encoder|net)\./, "");
      // What a classifier or a decoder has on top is nothing for a detector.
      return /^(conv1|bn1|layer\d|features)\./.test(inner) ? [[body + inner, tensor]] : [];
    }),
  );
  const match = matchWeights(own, bare, { file, isHead: (name) => name.startsWith("backbone.fpn.") });
  refuseMissing(file, match);
  return { weights: new Map(match.tensors), report: `backbone from ${file}: ${describeMatch(match)}` };
}

function refuseMissing(file: string, { missing }: MatchedWeights): void {
  if (missing.length > 0)
    throw new WeightsError(`${file}: lacks ${missing.length} of the backbone's tensors${some(missing)}`);
}

async function readStartFile(from: string): Promise<Tensors> {
  const isFolder = (await stat(from).catch(() => undefined))?.isDirectory() ?? false;
  if (!isFolder) return withoutOptimizer(await readWeightsFile(from));
  if (!existsSync(lastCheckpoint(from))) {
    const near = (await readdir(from)).length === 0 ? "is empty" : "is no run with weights";
    throw new ConfigError(`${from}: ${near} (${join("checkpoints", "last.safetensors")} is missing)`);
  }
  return withoutOptimizer(await readWeightsFile(lastCheckpoint(from)));
}

/** Checkpoints and saved detectors hold the optimizer's state, too. */
function withoutOptimizer(all: Tensors): Tensors {
  if (![...all.keys()].some((name) => name.startsWith("optimizer."))) return all;
  return new Map([...all].filter(([name]) => !name.startsWith("optimizer.")));
}

const some = (names: readonly string[]): string => ` (${names.slice(0, 3).join(", ")}${names.length > 3 ? ", …" : ""})`;
