/** Weights from elsewhere into medvox's files, and medvox's into files for elsewhere. */

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { ConfigError, WeightsError } from "../errors.ts";
import { readWeightsFile, writeFileAtomic, writeSafetensors } from "../files/index.ts";
import { architectureName, type EncoderArchitecture, encoderShapes, type Shortcut } from "../nn/index.ts";
import { writePortableWeights } from "../train/index.ts";
import { hintOf, hintText, type MatchedWeights, matchWeights, type WeightTensor } from "../weights/index.ts";
import { membersOf } from "./classification-members.ts";
import { encoderPattern } from "./encoder-config.ts";
import { readAnyRun } from "./run-folder.ts";
import { modelFile, runWeights } from "./segmentation-export.ts";

export interface ImportOptions extends EncoderArchitecture {
  /** What the file must have; by default whichever it has. */
  readonly shortcut?: Shortcut;
  /** `.safetensors` to write; nothing is written without it. */
  readonly out?: string;
  readonly force?: boolean;
}

export interface ImportedWeights {
  readonly match: MatchedWeights;
  readonly shortcut: Shortcut;
  /** Input channels of the first convolution. */
  readonly channels: number;
}

/**
 * Reads an encoder's weights of any known file and writes them as safetensors under medvox's (PyTorch's) names.
 * @throws WeightsError for another network, or one that is not whole
 */
export async function importWeights(file: string, options: ImportOptions): Promise<ImportedWeights> {
  const { depth, preActivation, out, force } = options;
  const source = await readWeightsFile(file);
  const bare = new Map([...source].map(([name, { shape }]) => [name.replace(/^.*?((conv1|layer\d)\.)/, "$1"), shape]));
  const shortcut = options.shortcut ?? hintOf(bare)?.shortcut ?? "B";
  const channels = bare.get("conv1.weight")?.[1] ?? 1;
  const width = bare.get("conv1.weight")?.[0];
  const target = encoderShapes({ depth, preActivation }, { shortcut, channels, width });
  const match = matchWeights(target, source, { file });
  if (match.missing.length > 0)
    throw new WeightsError(
      `${file}: lacks ${match.missing.length} of the ${target.size} tensors of ${architectureName(options)} (${match.missing.slice(0, 3).join(", ")}${match.missing.length > 3 ? ", …" : ""})`,
    );
  if (out !== undefined) {
    const tensors = new Map(
      [...match.tensors].map(([name, { data, shape }]): [string, WeightTensor] => [
        name,
        { dtype: "F32", shape, data },
      ]),
    );
    const metadata = { format: "pt", arch: architectureName(options), shortcut, source: basename(file) };
    await writeSafetensors(out, tensors, metadata, { force });
  }
  return { match, shortcut, channels };
}

export type ExportFormat = "onnx" | "safetensors" | "pth-names";

export interface ExportOptions {
  readonly format: ExportFormat;
  readonly out: string;
  readonly use?: "last" | "best";
  /** The encoder alone. */
  readonly encoder?: boolean;
  readonly force?: boolean;
}

export interface ExportedWeights {
  /** Tensors written; undefined for a graph. */
  readonly tensors?: number;
  /** What the encoder is, for whoever loads it. */
  readonly network?: string;
}

/**
 * Writes a run's network for elsewhere: its ONNX graph; its weights as safetensors; or those with every entry that PyTorch's
 * `state_dict` has, the batch norms' counters included, so that `load_state_dict` is strict about them.
 */
export async function exportRun(folder: string, options: ExportOptions): Promise<ExportedWeights> {
  const { format, out, use = "last", encoder = false, force = false } = options;
  const run = await readAnyRun(folder);
  if (run.task === "classification" && membersOf(folder, run.record.config).length > 1) {
    const [member] = membersOf(folder, run.record.config);
    throw new ConfigError(`${folder}: is a run of several networks; name one of them, e.g. ${member.folder}`);
  }
  if (format === "onnx") {
    if (encoder) throw new ConfigError("--encoder: is for safetensors and pth-names; a graph is exported whole");
    if (!existsSync(modelFile(folder)))
      throw new ConfigError(
        run.task === "pretraining"
          ? `${folder}: a pre-training has a graph for each branch; evaluate one (--set), and export ${join(folder, "branches", "NAME")}`
          : `${folder}: is not trained to its end; go on with medvox train --resume ${folder}`,
      );
    await writeFileAtomic(out, await readFile(modelFile(folder)), { force });
    return {};
  }
  const weights = [...(await runWeights(folder, use))].filter(([name]) => !encoder || encoderPattern.test(name));
  const hint = hintOf(new Map(weights.map(([name, { shape }]) => [name, shape])));
  const network = hint && hintText(hint);
  const tensors = await writePortableWeights(out, new Map(weights), {
    counters: format === "pth-names",
    metadata: network === undefined ? {} : { network },
    force,
  });
  return { tensors, network };
}
