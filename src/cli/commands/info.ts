/** `medvox info`: what is in a file. One description per kind of file; the first that knows the path answers. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { ConfigError } from "../../errors.ts";
import {
  dicomPlace,
  findDicom,
  isDicomPath,
  namedWeights,
  volumeExtension,
  volumeExtensions,
  weightsNames,
} from "../../files/index.ts";
import { didYouMean } from "../../text/index.ts";
import { defineCommand, type Outcome } from "../command.ts";
import { describeModel, describeRun } from "./info-model.ts";
import { describeVolume } from "./info-volume.ts";
import { describeWeights } from "./info-weights.ts";

interface Kind {
  /** For messages. */
  name: string;
  knows: (path: string) => boolean | Promise<boolean>;
  describe: (path: string) => Promise<Outcome>;
}

const kinds: readonly Kind[] = [
  {
    name: `volumes (${volumeExtensions.join(", ")})`,
    knows: (path) => volumeExtension(path) !== undefined,
    describe: describeVolume,
  },
  {
    name: "weights (.safetensors, .pth, .pt, .th, .tar)",
    knows: (path) => /\.(safetensors|(pth|pt|th|tar)(\.gz)?)$/i.test(path) || namedWeights(path) !== undefined,
    describe: describeWeights,
  },
  { name: "models (.onnx)", knows: (path) => /\.onnx$/i.test(path), describe: describeModel },
  { name: "runs (folders with run.json)", knows: (path) => existsSync(join(path, "run.json")), describe: describeRun },
  { name: "DICOM (folders, archives, files)", knows: isDicom, describe: describeVolume },
];

export const command = defineCommand<object, [string]>({
  configure: (command) =>
    command.argument("<path>", "the file to describe, or the name of weights that come with medvox"),
  examples: [
    "medvox info imagesTr/hippocampus_001.nii.gz",
    "medvox info runs/demo/checkpoints/best.safetensors --json",
    "medvox info runs/demo/model.onnx",
    "medvox info runs/demo",
    "medvox info med3d-resnet10",
    "medvox info study/ct",
  ],
  details: `Knows ${kinds.map(({ name }) => name).join("; ")}.`,
  json: {
    kind: "volume, weights, onnx or run; the other keys follow it",
    path: "as given",
    format: "of a volume: nifti1, nifti2, nrrd, metaimage, mgh, dicom or dicom-seg",
    voxelType: "of a volume",
    size: "of a volume, [x, y, z]",
    channels: "of a volume",
    spacingMm: "of a volume, [x, y, z]",
    orientation: "of a volume, e.g. RAS",
    affine: "of a volume: 16 numbers, row by row, voxels to RAS+ mm",
    affineSource: "of a NIfTI file: sform, qform or spacing",
    units: "of a NIfTI file",
    series: "of DICOM: modality, description, uid, slices, repaired (what was wrong with them)",
    slope: "of a volume: value = slope × stored + intercept",
    intercept: "of a volume",
    values: "of a volume: min, max, mean, notFinite; of weights and models: how many numbers",
    labels: "of a label map: voxels by value",
    tensors: "of weights: name, dtype, shape",
    unreadable: "of weights: what else stands there and is not read, by name",
    bytes: "of weights",
    metadata: "of weights and models",
    producer: "of a model",
    irVersion: "of a model",
    opsets: "of a model, by domain",
    inputs: "of a model: name, dtype, shape",
    outputs: "of a model: name, dtype, shape",
    initializers: "of a model: how many",
    nodes: "of a model: how many",
    operators: "of a model: how many of each",
    record: "of a run: run.json",
    plan: "of a run: plan.json",
    epochs: "of a run: finished ones; of a classification, by network",
    trained: "of a classification: finished networks",
    evaluations: "of a run: per evaluation name, folder, on, data, use, options, line",
    "problems.count": "of a run: what was wrong with its data",
    "problems.rules": "how often each rule was broken",
    "problems.list": "each of them: severity, case, rule, message",
  },
  async run(_context, _options, path) {
    let kind: Kind | undefined;
    for (const one of kinds) if (kind === undefined && (await one.knows(path))) kind = one;
    if (kind === undefined && isFolder(path))
      throw new ConfigError(
        `${path}: is a folder, and no run; of data sets medvox plan and medvox verify say what is in them`,
      );
    if (kind === undefined)
      throw new ConfigError(
        `${path}: not a kind of file info knows: ${kinds.map(({ name }) => name).join("; ")}; nor weights that come with medvox: ${weightsNames().join(", ")}${didYouMean(path, weightsNames())}`,
      );
    return kind.describe(path);
  },
});

/** A series by its number, a file that begins as DICOM does, or a folder with such files; other folders are no kind of file. */
async function isDicom(path: string): Promise<boolean> {
  const { file } = dicomPlace(path);
  if (!isFolder(file)) return isDicomPath(path);
  if (["dataset.json", "imagesTr", "images"].some((name) => existsSync(join(file, name)))) return false;
  return (await findDicom(file)).series.length > 0;
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
