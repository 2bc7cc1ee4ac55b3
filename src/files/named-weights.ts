/** Weights that come with medvox, by name: `med3d-resnet10` stands for a file of the package's folder `pretrained`. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { didYouMean } from "../text/index.ts";

const FOLDER = fileURLToPath(new URL("../../pretrained", import.meta.url));
const ENDING = ".safetensors";

/** Names of the weights that come with medvox. */
export function weightsNames(): string[] {
  if (!existsSync(FOLDER)) return [];
  const files = readdirSync(FOLDER).filter((file) => file.endsWith(ENDING));
  return files.map((file) => file.slice(0, -ENDING.length)).sort();
}

/** The file of weights that come with medvox; undefined where `name` is none of theirs, or a file or folder of the user's has it. */
export function namedWeights(name: string): string | undefined {
  return !existsSync(name) && weightsNames().includes(name) ? join(FOLDER, `${name}${ENDING}`) : undefined;
}

/** Behind "no such file": which names there are, and which one was meant; empty for what looks like a path. */
export function namesHint(name: string): string {
  const names = weightsNames();
  if (names.length === 0 || /[\\/.]/.test(name)) return "";
  return `, and no weights of that name come with medvox; there are ${names.join(", ")}${didYouMean(name, names)}`;
}
