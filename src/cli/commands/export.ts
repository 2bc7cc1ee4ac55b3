/** `medvox export RUN`: a run's network, or a whole detector, for other programs. */
import { ConfigError } from "../../errors.ts";
import { exportDetector } from "../../rcnn/index.ts";
import { openRun } from "../../tasks.ts";
import { type ExportFormat, exportRun } from "../../train/index.ts";
import { defineCommand } from "../command.ts";
import { canvasOf } from "../detection-options.ts";
import { refuseToOverwrite } from "../outputs.ts";
import { addTorchvisionOptions, type TorchvisionChoice, torchvisionSource } from "../torchvision-options.ts";
import { decimal, oneOf, whichWeights, wholeNumber } from "../values.ts";

interface Options extends TorchvisionChoice {
  format: ExportFormat;
  out: string;
  use?: "last" | "best";
  encoder?: boolean;
  set?: string;
  canvas?: number[];
  score?: number;
  max?: number;
}

const formats: readonly ExportFormat[] = ["onnx", "safetensors", "pth-names"];

export const command = defineCommand<Options, [string | undefined]>({
  configure: (command) =>
    addTorchvisionOptions(
      command
        .argument("[run]", "the run's folder; not with --weights")
        .requiredOption("--format <name>", formats.join(", "), oneOf(formats))
        .requiredOption("--out <file>", "the file to write")
        .option("--use <which>", "weights: last or best (default: as the run says)", whichWeights)
        .option("--encoder", "the encoder alone, to start other trainings from")
        .option("--set <name>", "of a pre-training's graph: whose branch")
        .option(
          "--canvas <w,h[,d]>",
          "of a detector's graph: what images are brought onto (default: the run's)",
          canvasOf,
        )
        .option(
          "--score <least>",
          "of a detector's graph: only boxes with a score above it (default: the run's)",
          decimal({ min: 0, max: 1 }),
        )
        .option(
          "--max <n>",
          "of a detector's graph: at most so many boxes (default: the run's)",
          wholeNumber({ min: 1 }),
        ),
    ),
  details: [
    "onnx         the inference graph, preprocessing and labels in its metadata;",
    "             of a detector from the picture's resizing to its boxes",
    "safetensors  parameters and running statistics under PyTorch's names",
    "pth-names    the same with all entries of PyTorch's state_dict, as safetensors:",
    "             model.load_state_dict(safetensors.torch.load_file(FILE))",
  ].join("\n"),
  examples: [
    "medvox export runs/spleen --format onnx --out spleen.onnx",
    "medvox export runs/cells --format onnx --out cells.onnx",
    "medvox export --weights fasterrcnn_resnet50_fpn_coco-258fb6c6.pth --arch fasterrcnn_resnet50_fpn --num-classes 91 --format onnx --out coco.onnx",
    "medvox export runs/pretrain --format safetensors --encoder --out encoder.safetensors",
    "medvox export runs/pretrain --format pth-names --encoder --out resnet_18.safetensors",
  ],
  json: {
    run: "the run's folder, where one was named",
    format: "as asked",
    out: "the file",
    use: "last or best, where asked",
    encoder: "true, where asked",
    tensors: "how many the file holds (not for onnx)",
    network: "what they make up (not of a detector)",
    canvas: "of a detector's graph: what it brings images onto, x y (z)",
  },
  writes: true,
  async run({ force }, options, run) {
    const { format, out, use, encoder, canvas, score, max, set } = options;
    refuseToOverwrite(out, force);
    const settings = torchvisionSource("export", run, options);
    if (settings !== undefined) {
      if (encoder)
        throw new ConfigError("--encoder: is not for detectors; medvox detect train --backbone takes them whole");
      const source = { weights: options.weights!, ...settings };
      const done = await exportDetector(source, { format, out, canvas, score, max, force });
      const about = done.canvas === undefined ? `${done.tensors} tensors` : `images onto ${done.canvas.join("×")}`;
      return { document: { format, out, ...done }, text: `${out}  ${about}` };
    }
    const opened = await openRun(run!);
    const { tensors, network } = await exportRun(opened, { format, out, use, encoder, force, canvas, score, max, set });
    const onto = format === "onnx" ? (canvas ?? canvasOfPlan(opened.run.plan)) : undefined;
    const about = [
      tensors === undefined ? undefined : `${tensors} tensors`,
      network,
      onto === undefined ? undefined : `images onto ${onto.join("×")}`,
    ].filter((part) => part !== undefined);
    return {
      document: {
        run,
        format,
        out,
        use,
        encoder,
        ...(tensors !== undefined && { tensors }),
        ...(network && { network }),
        ...(onto && { canvas: onto }),
      },
      text: `${out}${about.length > 0 ? `  ${about.join(" · ")}` : ""}`,
    };
  },
});

/** What a detector's plan brings images onto. */
function canvasOfPlan(plan: object): readonly number[] | undefined {
  return "canvas" in plan ? (plan.canvas as readonly number[]) : undefined;
}
