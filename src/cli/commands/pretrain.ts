/** `medvox pretrain`: one encoder under many sets' decoders (Med3D). */
import { ConfigError } from "../../errors.ts";
import { type PretrainingRequest, pretraining } from "../../med3d/index.ts";
import { encoderNames } from "../../nn/index.ts";
import { nameOf } from "../../text/index.ts";
import { over, readConfig } from "../config-file.ts";
import { archOf } from "../segmentation-options.ts";
import { trainingCommand } from "../training-command.ts";
import { decimal, deviceHelp, sizes, wholeNumber } from "../values.ts";

interface Options {
  data?: string[];
  out?: string;
  config?: string;
  arch?: string;
  width?: number;
  decoder?: PretrainingRequest["decoder"];
  loss?: PretrainingRequest["loss"];
  optimizer?: PretrainingRequest["optimizer"];
  epochs?: number;
  updatesPerSet?: number;
  batch?: number;
  patch?: number[];
  lr?: number;
  balance?: string;
  heldOut?: number;
  seed?: number;
  device?: PretrainingRequest["device"];
  threads?: number;
  workers?: number;
  from?: string;
  strict?: boolean;
}

export const command = trainingCommand<Options, PretrainingRequest>({
  task: pretraining,
  addOptions: (command) =>
    void command
      .option("--data <sets...>", "data sets: folders, lists, or JSON files that pick a part of one")
      .option("--out <folder>", "the run's folder (default runs/pretrain)")
      .option("--config <file>", "JSON file with any of the keys that run.json shows under config; options go over it")
      .option("--arch <name>", encoderNames.join(", "))
      .option(
        "--width <channels>",
        "of the encoder's first stage, a multiple of 4; fewer make all layers narrower",
        wholeNumber({ min: 4 }),
      )
      .option("--decoder <kind>", "of every branch: upsampling (the paper's), convSeg or skip")
      .option("--loss <name>", "diceCrossEntropy, crossEntropy, dice or focal")
      .option("--optimizer <name>", "adamW, adam or sgd")
      .option("--epochs <n>", "passes over the largest set", wholeNumber({ min: 1 }))
      .option("--updates-per-set <n>", "steps of each set an epoch (default: a pass)", wholeNumber({ min: 1 }))
      .option("--batch <n>", "patches a step (default: from each set's plan)", wholeNumber({ min: 1 }))
      .option("--patch <d,h,w>", "patch size (default: the median of what the sets would choose)", sizes(3))
      .option("--lr <rate>", "learning rate", decimal({ min: 0 }))
      .option(
        "--balance <preset>",
        "augmentation that fills small sets up to the largest; none leaves them small (default: shifts, turns and scaling)",
      )
      .option("--held-out <n>", "cases of each set kept, a number or a share", decimal({ min: 0 }))
      .option("--seed <n>", "decides splits, first weights, turns and augmentation", wholeNumber({ min: 0 }))
      .option("--device <name>", deviceHelp)
      .option("--threads <n>", "threads of the engine (default: all cores)", wholeNumber({ min: 1 }))
      .option("--workers <n>", "threads that prepare data, for each set", wholeNumber({ min: 1 }))
      .option("--from <weights>", "weights or a run to start from")
      .option("--strict", "refuse data that a file has to be left out of"),
  request: requestOf,
  least: { sets: [{ name: "DATA", data: "DATA" }] },
  place: ({ out }) => ({ out: out ?? "runs/pretrain" }),
  examples: [
    "medvox pretrain --data Task03_Liver Task04_Hippocampus Task09_Spleen --arch resnet18 --out runs/pretrain",
    "medvox pretrain --config 3dseg-8.json --out runs/3dseg-8",
    "medvox train --resume runs/pretrain",
  ],
  details:
    "Every set has a decoder of its own; a step is one set's, and changes the encoder and that decoder. Stopped, it goes on with\nmedvox train --resume RUN. The run serves as --from of medvox transfer; a branch is scored with medvox evaluate RUN --set NAME.",
});

async function requestOf(options: Options): Promise<PretrainingRequest> {
  const file = options.config === undefined ? {} : await readConfig(options.config);
  const sets = options.data?.map((data) => ({ name: nameOf(data).replace(/[^\w-]+/g, "-"), data })) ?? file.sets;
  if (sets === undefined)
    throw new ConfigError(
      "--data: is missing; name data sets, e.g. --data Task03_Liver Task09_Spleen, or sets in --config",
    );
  return over<PretrainingRequest>(file, {
    sets,
    ...(options.arch === undefined ? {} : archOf(options.arch)),
    width: options.width,
    decoder: options.decoder,
    loss: options.loss,
    optimizer: options.optimizer,
    epochs: options.epochs,
    updatesPerSet: options.updatesPerSet,
    batch: options.batch,
    patch: options.patch,
    learningRate: options.lr,
    balance: options.balance,
    heldOut: options.heldOut,
    seed: options.seed,
    device: options.device,
    threads: options.threads,
    workers: options.workers,
    from: options.from,
    strict: options.strict,
  });
}
