/** The encoder of a pre-training as a file that ships: half precision, with its card and the hashes of what it learned from. */
import { writeSafetensors } from "../../src/files/index.ts";
import { branchRun, type PretrainingRun, pretraining } from "../../src/med3d/index.ts";
import { encoderPattern } from "../../src/nn/index.ts";
import { folderStore, readRunOf, readWeights, SEEN, type StateMap, seenBy } from "../../src/train/index.ts";
import { hintOf, hintText, type WeightTensor } from "../../src/weights/index.ts";

/**
 * One mean and variance for every norm, as all branches together have them: the mean of their means, and the mean of their variances and
 * of what their means differ by.
 */
export function jointStatistics(encoder: StateMap, branches: readonly StateMap[]): StateMap {
  const joint: StateMap = new Map(encoder);
  for (const name of encoder.keys()) {
    if (!name.endsWith("running_mean")) continue;
    const spread = name.replace(/running_mean$/, "running_var");
    const { shape } = encoder.get(name)!;
    const [mean, variance] = [new Float32Array(shape[0]), new Float32Array(shape[0])];
    const own = branches.map((branch) => ({ mean: branch.get(name)!.data, variance: branch.get(spread)!.data }));
    for (let c = 0; c < mean.length; c++) {
      mean[c] = own.reduce((sum, one) => sum + one.mean[c], 0) / own.length;
      variance[c] = own.reduce((sum, one) => sum + one.variance[c] + (one.mean[c] - mean[c]) ** 2, 0) / own.length;
    }
    joint.set(name, { data: mean, shape }).set(spread, { data: variance, shape });
  }
  return joint;
}

/** Weights of convolutions in 16-bit floats; norms, which are few and whose variances may be large, in 32. */
export function halved(weights: StateMap): Map<string, WeightTensor> {
  return new Map(
    [...weights].map(([name, { data, shape }]) => [name, { dtype: shape.length > 1 ? "F16" : "F32", shape, data }]),
  );
}

/** Writes the file. @param card what `medvox info` prints of it, line by line */
export async function ship(folder: string, out: string, card: Readonly<Record<string, string>>): Promise<void> {
  const run: PretrainingRun = await readRunOf(folderStore(folder), pretraining);
  const encoderOf = (all: StateMap): StateMap => new Map([...all].filter(([name]) => encoderPattern.test(name)));
  const branches: StateMap[] = [];
  for (const { name } of run.record.config.sets)
    branches.push(encoderOf(await readWeights((await branchRun(run, name)).store)));
  const encoder = jointStatistics(encoderOf(await readWeights(run.store)), branches);
  const hint = hintOf(new Map([...encoder].map(([name, { shape }]) => [name, shape])));
  const learnt = (await seenBy(folder)).flatMap(({ hash }) => hash ?? []);
  const metadata = {
    format: "pt",
    ...(hint && { network: hintText(hint) }),
    ...card,
    [SEEN]: JSON.stringify([...new Set(learnt)].sort()),
  };
  await writeSafetensors(out, halved(encoder), metadata, { force: true });
}
