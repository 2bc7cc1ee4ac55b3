/** Weights from elsewhere into medvox's files. */
import { basename } from "node:path";
import { WeightsError } from "../../errors.ts";
import { readWeightsFile, writeSafetensors } from "../../files/index.ts";
import { architectureName, type EncoderArchitecture, encoderShapes, type Shortcut } from "../../nn/index.ts";
import { hintOf, type MatchedWeights, matchWeights, type WeightTensor } from "../../weights/index.ts";

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
