/** The encoders by name, as command lines and files call them. */
import { ConfigError } from "../../errors.ts";
import { graph, type Tensor } from "../../graph/index.ts";
import { preResnet3d } from "./preresnet3d.ts";
import { type ResNet3dFeatures, type ResNet3dOptions, type ResNetDepth, resnet3d, type Shortcut } from "./resnet3d.ts";

const depths = [10, 18, 34, 50, 101, 152, 200] as const satisfies readonly ResNetDepth[];

/** `resnet10` … `resnet200`, `preresnet200`. */
export const encoderNames: readonly string[] = [...depths.map((depth) => `resnet${depth}`), "preresnet200"];

/** The names of an encoder's parameters; all others belong to what stands on it. */
export const encoderPattern: RegExp = /^(conv1|bn1|layer[1-4])\./;

export interface EncoderArchitecture {
  readonly depth: ResNetDepth;
  /** Norm and ReLU before each convolution; depth 200 only. */
  readonly preActivation: boolean;
}

/** @throws ConfigError for a name that is none of {@link encoderNames} */
export function parseArchitecture(name: string): EncoderArchitecture {
  const [, pre, digits] = /^(pre)?resnet-?(\d+)$/i.exec(name) ?? [];
  const depth = depths.find((known) => known === Number(digits));
  if (depth === undefined || (pre !== undefined && depth !== 200))
    throw new ConfigError(`${name}: is no encoder; there are ${encoderNames.join(", ")}`);
  return { depth, preActivation: pre !== undefined };
}

/** `resnet18`, `preresnet200`: what `--arch` takes and {@link parseArchitecture} reads. */
export function architectureName({ depth, preActivation }: EncoderArchitecture): string {
  return `${preActivation ? "pre" : ""}resnet${depth}`;
}

export interface EncoderOptions extends Omit<ResNet3dOptions, "depth">, EncoderArchitecture {}

/** Features of x [N, C, D, H, W]. */
export function encoder(x: Tensor, { preActivation, ...options }: EncoderOptions): ResNet3dFeatures {
  return preActivation ? preResnet3d(x, options) : resnet3d(x, options);
}

/** Names and shapes of an encoder's parameters and running statistics, in PyTorch's order. */
export function encoderShapes(
  architecture: EncoderArchitecture,
  {
    shortcut,
    width,
    channels = 1,
  }: { readonly shortcut?: Shortcut; readonly width?: number; readonly channels?: number } = {},
): Map<string, readonly number[]> {
  const g = graph();
  encoder(g.input("x", [1, channels, 8, 8, 8]), { ...architecture, shortcut, width });
  return new Map([...g.parameters].map(([name, { shape }]) => [name, shape]));
}
