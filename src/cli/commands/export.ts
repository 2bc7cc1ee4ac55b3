/** `medvox export RUN`: a run's network for other programs. */
import { InvalidArgumentError } from "commander";
import { type ExportFormat, exportRun } from "../../med3d/index.ts";
import { defineCommand } from "../command.ts";
import { refuseToOverwrite } from "../outputs.ts";

interface Options {
  format: ExportFormat;
  out: string;
  use?: "last" | "best";
  encoder?: boolean;
}

const formats: readonly ExportFormat[] = ["onnx", "safetensors", "pth-names"];

export const command = defineCommand<Options, [string]>({
  configure: (command) =>
    command
      .argument("<run>", "the run's folder")
      .requiredOption("--format <name>", `${formats.join(", ")}`, (text: string) => {
        if (!(formats as readonly string[]).includes(text))
          throw new InvalidArgumentError(`must be one of ${formats.join(", ")}`);
        return text;
      })
      .requiredOption("--out <file>", "the file to write")
      .option("--use <which>", "weights: last or best (default last)")
      .option("--encoder", "the encoder alone, to start other trainings from"),
  details: [
    "onnx         the inference graph, preprocessing and labels in its metadata",
    "safetensors  parameters and running statistics under PyTorch's names",
    "pth-names    the same with all entries of PyTorch's state_dict, as safetensors:",
    "             model.load_state_dict(safetensors.torch.load_file(FILE))",
  ].join("\n"),
  examples: [
    "medvox export runs/spleen --format onnx --out spleen.onnx",
    "medvox export runs/pretrain --format safetensors --encoder --out encoder.safetensors",
    "medvox export runs/pretrain --format pth-names --encoder --out resnet_18.safetensors",
  ],
  json: {
    run: "the run's folder",
    format: "as asked",
    out: "the file",
    use: "last or best, where asked",
    encoder: "true, where asked",
    tensors: "how many the file holds (not for onnx)",
    network: "what they make up",
  },
  writes: true,
  async run({ force }, { format, out, use, encoder }, run) {
    refuseToOverwrite(out, force);
    const { tensors, network } = await exportRun(run, { format, out, use, encoder, force });
    const about = [tensors === undefined ? undefined : `${tensors} tensors`, network].filter(
      (part) => part !== undefined,
    );
    return {
      document: {
        run,
        format,
        out,
        use,
        encoder,
        ...(tensors !== undefined && { tensors }),
        ...(network && { network }),
      },
      text: `${out}${about.length > 0 ? `  ${about.join(" · ")}` : ""}`,
    };
  },
});
