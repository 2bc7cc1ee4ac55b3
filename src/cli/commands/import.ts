/** `medvox import FILE`: an encoder's weights from PyTorch's files. */
import { InvalidArgumentError } from "commander";
import { importWeights } from "../../med3d/index.ts";
import { architectureName, encoderNames } from "../../nn/index.ts";
import { importDetector, isDetectorArch } from "../../rcnn/index.ts";
import { describeMatch } from "../../weights/index.ts";
import { defineCommand, type Outcome } from "../command.ts";
import { refuseToOverwrite } from "../outputs.ts";
import { archOf } from "../segmentation-options.ts";

interface Options {
  arch: string;
  shortcut?: "A" | "B";
  out?: string;
}

export const command = defineCommand<Options, [string]>({
  configure: (command) =>
    command
      .argument(
        "<file>",
        "a PyTorch checkpoint (.pth, .pt, .tar; zip or legacy format, gzipped or not) or .safetensors",
      )
      .requiredOption("--arch <name>", `${encoderNames.join(", ")}; fasterrcnn_resnet50_fpn for torchvision's detector`)
      .option("--shortcut <type>", "A or B: refuse the other (default: whichever the file has)", shortcutOf)
      .option("--out <file>", "the .safetensors file to write; without it the weights are only checked"),
  examples: [
    "medvox import resnet_18.pth --arch resnet18 --out resnet18.safetensors",
    "medvox import resnet_50_23dataset.pth --arch resnet50",
    "medvox import fasterrcnn_resnet50_fpn_coco-258fb6c6.pth --arch fasterrcnn_resnet50_fpn --out coco.safetensors",
    "medvox transfer segmentation --data Task09_Spleen --from resnet18.safetensors",
  ],
  details:
    "Nothing in a checkpoint is run: what is no tensor, number, text, list or dictionary is refused by name. MedicalNet's released\nweights have shortcut A for depths 18 and 34, B for the others.",
  json: {
    file: "as given",
    arch: "architecture",
    shortcut: "A or B",
    inputChannels: "of the first convolution",
    matched: "entries that found their place",
    reshaped: "names of entries made for another number of input channels",
    missing: "names the network has and the file has not",
    numClasses: "of a detector: its classes, the background included",
    normEpsilon: "of a detector: what its frozen norms want; 0 for torchvision's COCO weights",
    unexpected: "names the file has and the network has not",
    out: "the file written, where asked",
  },
  writes: true,
  async run({ force }, { arch, shortcut, out }, file) {
    if (isDetectorArch(arch)) return importDetection(file, arch, { out, force });
    const { depth, preActivation } = archOf(arch);
    if (out !== undefined) refuseToOverwrite(out, force);
    const found = await importWeights(file, { depth, preActivation, shortcut, out, force });
    const { match, channels } = found;
    const released = found.shortcut === (depth === 18 || depth === 34 ? "A" : "B");
    const { matched, reshaped, missing, unexpected } = match;
    const lines = [`${describeMatch(match)}   (shortcut ${found.shortcut}${released ? ", as released" : ""})`];
    if (out !== undefined) lines.push(`weights  ${out}`);
    return {
      document: {
        file,
        arch: architectureName({ depth, preActivation }),
        shortcut: found.shortcut,
        inputChannels: channels,
        matched: matched.length,
        reshaped,
        missing,
        unexpected,
        ...(out !== undefined && { out }),
      },
      text: lines.join("\n"),
    };
  },
});

function shortcutOf(text: string): "A" | "B" {
  const upper = text.toUpperCase();
  if (upper !== "A" && upper !== "B") throw new InvalidArgumentError("must be A or B");
  return upper;
}

async function importDetection(
  file: string,
  arch: string,
  { out, force }: { out?: string; force: boolean },
): Promise<Outcome> {
  if (out !== undefined) refuseToOverwrite(out, force);
  const { match, numClasses, normEpsilon } = await importDetector(file, { arch, out, force });
  const { matched, reshaped, missing, unexpected } = match;
  const about = `${describeMatch(match)}   (${numClasses} classes with the background, norms with epsilon ${normEpsilon})`;
  return {
    document: {
      file,
      arch,
      numClasses,
      normEpsilon,
      matched: matched.length,
      reshaped,
      missing,
      unexpected,
      ...(out !== undefined && { out }),
    },
    text: [about, ...(out === undefined ? [] : [`weights  ${out}`])].join("\n"),
  };
}
