/** A small Decathlon set of the bundled hippocampi, for tests that train for seconds. */
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const samples = fileURLToPath(new URL("../../../samples/hippocampus", import.meta.url));

/** Makes the folder, with the first cases of the samples; the last one without a label where asked. */
export async function smallSet(folder: string, cases = 4, { unlabelled = 0 } = {}): Promise<string> {
  const whole = JSON.parse(await readFile(join(samples, "dataset.json"), "utf8"));
  const taken: { image: string; label: string }[] = whole.training.slice(0, cases);
  for (const name of ["imagesTr", "labelsTr"]) await mkdir(join(folder, name), { recursive: true });
  const training = taken.slice(0, cases - unlabelled);
  const test = taken.slice(cases - unlabelled).map(({ image }) => image);
  for (const { image } of taken) await cp(join(samples, image), join(folder, image));
  for (const { label } of training) await cp(join(samples, label), join(folder, label));
  const description = { ...whole, training, test, numTraining: training.length, numTest: test.length };
  await writeFile(join(folder, "dataset.json"), JSON.stringify(description, null, 1));
  return folder;
}

/** A segmentation that trains for seconds. */
export const quickConfig = {
  depth: 10,
  width: 4,
  patch: [16, 24, 16],
  batch: 1,
  epochs: 2,
  heldOut: 1,
  validation: 1,
  threads: 1,
} as const;
