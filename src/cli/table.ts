/**
 * The commands of `medvox`. Only the one that was asked for is loaded, so that `medvox --help` answers at once.
 * A name of two words (`train segmentation`) is a command inside a group; the group's own name may be a command too.
 */
import type { CommandModule } from "./command.ts";

export interface CommandEntry {
  readonly name: string;
  /** One line for `medvox --help`. */
  readonly summary: string;
  readonly load: () => Promise<{ command: CommandModule }>;
}

export const commands: readonly CommandEntry[] = [
  {
    name: "demo",
    summary: "train, score and predict on bundled MRI, in a few minutes",
    load: () => import("./commands/demo.ts"),
  },
  {
    name: "doctor",
    summary: "say what works on this machine, and why the rest does not",
    load: () => import("./commands/doctor.ts"),
  },
  {
    name: "info",
    summary: "say what is in a volume, a weights file, a model or a run",
    load: () => import("./commands/info.ts"),
  },
  {
    name: "verify",
    summary: "check a data set and name every broken case",
    load: () => import("./commands/verify.ts"),
  },
  {
    name: "plan",
    summary: "what a data set is like, and the choices that follow from it",
    load: () => import("./commands/plan.ts"),
  },
  {
    name: "train",
    summary: "go on with a stopped training, or train any task from a file of settings",
    load: () => import("./commands/train.ts"),
  },
  {
    name: "train segmentation",
    summary: "train a 3D segmentation network on a data set",
    load: () => import("./commands/train-segmentation.ts"),
  },
  {
    name: "train classification",
    summary: "train a classifier of 3D images on a list of labels",
    load: () => import("./commands/train-classification.ts"),
  },
  {
    name: "pretrain",
    summary: "train one encoder on many data sets at once",
    load: () => import("./commands/pretrain.ts"),
  },
  {
    name: "transfer segmentation",
    summary: "train a segmentation from an encoder's weights",
    load: () => import("./commands/transfer-segmentation.ts"),
  },
  {
    name: "transfer lung",
    summary: "train a segmentation of the lungs, as in the paper",
    load: () => import("./commands/transfer-lung.ts"),
  },
  {
    name: "transfer liver",
    summary: "train a coarse-to-fine segmentation of the liver, as in the paper",
    load: () => import("./commands/transfer-liver.ts"),
  },
  {
    name: "transfer classification",
    summary: "train a classifier from an encoder's weights",
    load: () => import("./commands/transfer-classification.ts"),
  },
  {
    name: "transfer nodule",
    summary: "train a classifier of pulmonary nodules, as in the paper",
    load: () => import("./commands/transfer-nodule.ts"),
  },
  {
    name: "evaluate",
    summary: "score a run on its held-out cases and write the report",
    load: () => import("./commands/evaluate.ts"),
  },
  {
    name: "predict",
    summary: "write label maps, classes or boxes for images",
    load: () => import("./commands/predict.ts"),
  },
  {
    name: "detect train",
    summary: "train a detector on pictures or volumes with boxes",
    load: () => import("./commands/detect-train.ts"),
  },
  {
    name: "detect evaluate",
    summary: "score a detector on its held-out images and write the report",
    load: () => import("./commands/detect-evaluate.ts"),
  },
  {
    name: "detect predict",
    summary: "find objects in pictures or volumes",
    load: () => import("./commands/detect-predict.ts"),
  },
  {
    name: "serve",
    summary: "serve a data set, trainings and predictions to browsers and programs",
    load: () => import("./commands/serve.ts"),
  },
  {
    name: "experiment magnitude",
    summary: "how much data is enough: growing shares of a set",
    load: () => import("./commands/experiment-magnitude.ts"),
  },
  {
    name: "experiment variety",
    summary: "what other sets add: one set alone against all jointly",
    load: () => import("./commands/experiment-variety.ts"),
  },
  {
    name: "experiment transfer",
    summary: "what pre-training brings: from scratch against pre-trained",
    load: () => import("./commands/experiment-transfer.ts"),
  },
  {
    name: "experiment rpn",
    summary: "what the parts of Faster R-CNN's proposals bring",
    load: () => import("./commands/experiment-rpn.ts"),
  },
  {
    name: "dicom list",
    summary: "the studies and series of a folder, and whether each is a volume",
    load: () => import("./commands/dicom-list.ts"),
  },
  {
    name: "dicom convert",
    summary: "a DICOM series as NIfTI",
    load: () => import("./commands/dicom-convert.ts"),
  },
  {
    name: "features",
    summary: "what an encoder makes of images, as .npy or NIfTI",
    load: () => import("./commands/features.ts"),
  },
  {
    name: "import",
    summary: "read an encoder's weights from a PyTorch file",
    load: () => import("./commands/import.ts"),
  },
  {
    name: "export",
    summary: "write a run's network for other programs",
    load: () => import("./commands/export.ts"),
  },
];
