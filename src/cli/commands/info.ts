/** `medvox info`: what is in a file. One description per kind of file; the first that knows the path answers. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ConfigError } from "../../errors.ts";
import { volumeExtension, volumeExtensions } from "../../files/index.ts";
import { defineCommand, type Outcome } from "../command.ts";
import { describeModel, describeRun } from "./info-model.ts";
import { describeVolume } from "./info-volume.ts";
import { describeWeights } from "./info-weights.ts";

interface Kind {
  /** For messages. */
  name: string;
  knows: (path: string) => boolean;
  describe: (path: string) => Promise<Outcome>;
}

const kinds: readonly Kind[] = [
  {
    name: `volumes (${volumeExtensions.join(", ")})`,
    knows: (path) => volumeExtension(path) !== undefined,
    describe: describeVolume,
  },
  { name: "weights (.safetensors)", knows: (path) => /\.safetensors$/i.test(path), describe: describeWeights },
  { name: "models (.onnx)", knows: (path) => /\.onnx$/i.test(path), describe: describeModel },
  { name: "runs (folders with run.json)", knows: (path) => existsSync(join(path, "run.json")), describe: describeRun },
];

export const command = defineCommand<object, [string]>({
  configure: (command) => command.argument("<path>", "the file to describe"),
  examples: [
    "medvox info imagesTr/hippocampus_001.nii.gz",
    "medvox info runs/demo/checkpoints/best.safetensors --json",
    "medvox info runs/demo/model.onnx",
    "medvox info runs/demo",
  ],
  details: `Knows ${kinds.map(({ name }) => name).join("; ")}.`,
  async run(_context, _options, path) {
    const kind = kinds.find(({ knows }) => knows(path));
    if (!kind)
      throw new ConfigError(`${path}: not a kind of file info knows: ${kinds.map(({ name }) => name).join("; ")}`);
    return kind.describe(path);
  },
});
