/** Starting a network from weights: of a file of any kind, or of a run. */
import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError, WeightsError } from "../../errors.ts";
import { readWeightsFile } from "../../files/index.ts";
import { encoderPattern } from "../../nn/index.ts";
import { lastCheckpoint, type Model } from "../../train/index.ts";
import { describeMatch, type MatchedWeights, matchWeights, type WeightTensor } from "../../weights/index.ts";

/** Weights to start from, read but not yet placed. */
export interface Start {
  /** As it was named. */
  readonly from: string;
  readonly tensors: ReadonlyMap<string, WeightTensor>;
}

/**
 * Reads what a configuration names, before any data is: a run (its last weights, without the optimizer's state) or a file.
 * @throws WeightsError for what cannot be read, ConfigError for a run that has no weights
 */
export async function readStart(from: string | null): Promise<Start | undefined> {
  if (from === null) return undefined;
  const isFolder = await stat(from).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder) return { from, tensors: await readWeightsFile(from) };
  if (!existsSync(lastCheckpoint(from)))
    throw new ConfigError(
      existsSync(join(from, "members"))
        ? `${from}: is a run of several networks; name one of its members, e.g. ${join(from, "members", "fold-1")}`
        : `${from}: is no run with weights (${lastCheckpoint(from)} is missing)`,
    );
  const all = await readWeightsFile(lastCheckpoint(from));
  return { from, tensors: new Map([...all].filter(([name]) => !name.startsWith("optimizer."))) };
}

/**
 * Loads what fits; the head may differ, the encoder may not.
 * @returns what found its place, for {@link describeMatch}
 * @throws WeightsError where nothing fits, or the encoder is another one
 */
export async function startFrom(
  model: Pick<Model, "parameters" | "load">,
  { from, tensors }: Start,
): Promise<MatchedWeights> {
  const target = new Map([...model.parameters].map(([name, { shape }]) => [name, shape]));
  const match = matchWeights(target, tensors, { file: from, isHead: (name) => !encoderPattern.test(name) });
  if (match.missing.length > 0)
    throw new WeightsError(
      `${from}: lacks ${match.missing.length} of the encoder's tensors (${match.missing.slice(0, 3).join(", ")}${match.missing.length > 3 ? ", …" : ""})`,
    );
  const beyond = match.unexpected.filter((name) => encoderPattern.test(name));
  if (beyond.length > 0)
    throw new WeightsError(
      `${from}: has ${beyond.length} tensors of an encoder that the network has no place for, the first ${beyond[0]}`,
    );
  await model.load(new Map(match.tensors));
  return match;
}

/** The line that says which weights were found: `from FILE: 100 matched · …`. */
export function startText(start: Start, match: MatchedWeights): string {
  return `from ${start.from}: ${describeMatch(match)}`;
}
