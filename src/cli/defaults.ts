/**
 * The defaults that `--help` shows. They are read off the configuration that a command ends up with where nothing is typed, so that
 * help, reference and program cannot disagree. What `null` stands for (`the plan's`) is the only thing an option says itself.
 */
import type { Command, Option } from "commander";
import { architectureName } from "../nn/index.ts";
import { type KeptComponents, keptComponentsText } from "./values.ts";

type Config = Readonly<Record<string, unknown>>;

/** What a training command has where nothing is typed. @param from the weights to start from; `null` for none */
export type UsualConfig = (from: string | null) => object;

/** Options whose names are not those of the configuration's keys. */
const keysOf: Readonly<Record<string, string>> = {
  lr: "learningRate",
  spacing: "spacingMm",
  label: "labelColumn",
  group: "groupColumn",
  minSize: "minSide",
  maxSize: "maxSide",
  anchors: "anchorSizes",
};

/**
 * Adds `(default …)` to the description of every option that stands for a key of the configuration. An option's own
 * `(default: WORDS)` says what `null` means, and stands where the key has no value of its own.
 */
export function sayDefaults(command: Command, usual: UsualConfig): void {
  const [scratch, started] = [usual(null), usual("weights.safetensors")] as [Config, Config];
  for (const option of command.options) {
    const [without, withWeights] = [scratch, started].map((config) => valueText(option, config));
    if (without === undefined || withWeights === undefined) continue;
    const text = without === withWeights ? without : `${withWeights} with weights to start from, else ${without}`;
    option.description = `${option.description.replace(/ \(default:? [^)]*\)$/, "")} (default ${text})`;
  }
}

/** The value of an option's key as it would be typed; undefined where it has none. */
function valueText(option: Option, config: Config): string | undefined {
  const name = option.attributeName();
  if (name === "arch") return typeof config.depth === "number" ? architectureText(config) : undefined;
  if (name === "from") return undefined;
  // Where no voxel size is given, another key says which one of the data set's it is.
  if (name === "spacing" && config.spacingMm === null && typeof config.spacing === "string")
    return `the data set's ${config.spacing}`;
  const value = config[keysOf[name] ?? name];
  if (name === "keepLargest") return keptComponentsText(value as KeptComponents);
  if (typeof value === "number") return numberText(value);
  if (typeof value === "string") return value;
  if (Array.isArray(value) && value.length > 0) return value.map(String).join(",");
  return undefined;
}

function architectureText({ depth, preActivation }: Config): string {
  return architectureName({ depth, preActivation } as Parameters<typeof architectureName>[0]);
}

/** `1e-3` rather than `0.001`: whichever is shorter. */
export function numberText(value: number): string {
  const [plain, scientific] = [String(value), value.toExponential().replace("e+0", "")];
  return scientific.length < plain.length ? scientific : plain;
}
