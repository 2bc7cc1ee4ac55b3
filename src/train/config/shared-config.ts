/**
 * What a training of any task may be told: the keys of a configuration that tasks share, each with its meaning, its range and the
 * default of most tasks. A task spreads them into a schema of its own and says only what differs.
 */
import { z } from "zod";
import { ConfigError } from "../../errors.ts";

const whole = z.number().int().positive();
const millimetres = z.number().positive();

/** The zod schema of a learning-rate schedule (`ScheduleSpec`). */
export const scheduleSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("constant") }),
  z.strictObject({ kind: z.literal("step"), milestones: z.array(z.number().positive()), gamma: z.number().positive() }),
  z.strictObject({ kind: z.literal("exponential"), gamma: z.number().positive() }),
  z.strictObject({ kind: z.literal("polynomial"), power: z.number().positive() }),
  z.strictObject({ kind: z.literal("cosine"), floor: z.number().min(0).max(1).optional() }),
]);

/** The keys that tasks share. */
export const sharedKeys = {
  /**
   * The data set. Segmentation: its folder or a list of cases. Classification: a folder with `labels.csv`, or a CSV, TSV or JSON list.
   * Detection: Pascal VOC, COCO or YOLO; of volumes a CSV of findings, label maps or a `nodules.json`.
   */
  data: z.string(),
  /**
   * Of volumes: voxel size along x, y, z that all are resampled to. null: what `spacing` says of the training cases (segmentation), the
   * median of the data set (classification), as scanned (detection).
   */
  spacingMm: z.tuple([millimetres, millimetres, millimetres]).nullable().default(null),
  /**
   * Lowest and highest intensity (HU) of a CT window scaled to [0, 1]. null: what `intensity` says (segmentation), from the plan
   * (classification), z-score of each volume (detection).
   */
  window: z.tuple([z.number(), z.number()]).nullable().default(null),
  /** A preset (`none`, `light`, `default`, `elastic`, `lesion`), or the transforms one by one. */
  augmentation: z.union([z.string(), z.looseObject({})]).default("default"),
  /** AdamW (decoupled weight decay), Adam, or SGD with Nesterov momentum. */
  optimizer: z.enum(["adamW", "adam", "sgd"]).default("adamW"),
  /** Of the encoder; what stands on it has `newLayerRate` times as much. The schedule's factor goes over both. */
  learningRate: z.number().positive().default(1e-3),
  /** Norms and biases are not decayed. */
  weightDecay: z.number().min(0).default(1e-4),
  /** Of `sgd`. */
  momentum: z.number().min(0).max(0.9999).default(0.9),
  /** Epochs over which the learning rate rises to its full size, from a twentieth of it (detection: a thousandth); 0 for none. */
  warmupEpochs: z.number().min(0).default(0.5),
  /** Joint norm above which gradients are scaled down; null for none. */
  clipNorm: z.number().positive().nullable().default(12),
  /** Passes over the training cases, or over `stepsPerEpoch` batches. */
  epochs: whole.default(30),
  /** Patches a step; null: from the plan. */
  batch: whole.nullable().default(null),
  /** Batches whose gradients are added up to one update: larger batches in the same memory. */
  accumulate: whole.default(1),
  /** Cases kept for the final score: a number, or a share below 1; 0 for none. */
  heldOut: z.number().min(0).default(0.2),
  /** Cases of the training part watched during training, likewise. */
  validation: z.number().min(0).default(0.05),
  /** Epochs between two looks at the watched cases. */
  validateEvery: whole.default(1),
  /** Stop after so many epochs without a better score of the watched cases; null: never. */
  patience: whole.nullable().default(null),
  /** Which weights are scored and exported. */
  use: z.enum(["last", "best"]).default("last"),
  /** Of first weights, order, augmentation and all else that is drawn. */
  seed: z.number().int().min(0).default(0),
  /** Where ONNX Runtime computes; `webgpu` and `cuda` are experimental, and `medvox doctor` says whether they work here. */
  device: z.enum(["cpu", "webgpu", "cuda"]).default("cpu"),
  /** Of the engine; null: all cores. The same number gives the same bits. */
  threads: whole.nullable().default(null),
  /** Threads that prepare batches. */
  workers: whole.default(1),
  /** Time between two checkpoints; the end, and a stop by Ctrl-C, always write one. */
  checkpointSeconds: z.number().min(0).default(30),
  /** Weights (.safetensors, .pth) or a run to start from; null for none. */
  from: z.string().nullable().default(null),
  /** Refuse a data set that anything has to be left out of. */
  strict: z.boolean().default(false),
};

/** The zod schema of the keys that tasks share. */
export const sharedConfigSchema = z.strictObject(sharedKeys);

/** What a task's configuration says with the keys that it shares with others. */
export type SharedConfig = z.output<typeof sharedConfigSchema>;

type Keys = Readonly<Record<string, z.ZodType>>;
type Defaults<K extends Keys> = { readonly [N in keyof K]?: K[N] extends z.ZodDefault ? z.output<K[N]> : never };

/**
 * Shared keys with other defaults.
 * @param keys of a schema; those that get another default must have one
 */
export function withDefaults<K extends Keys>(keys: K, defaults: Defaults<K>): K {
  const changed = Object.entries(defaults).map(([name, value]) => {
    const key = keys[name];
    if (!(key instanceof z.ZodDefault)) throw new Error(`withDefaults: ${name} has no default to be changed`);
    return [name, (key.unwrap() as z.ZodType).default(value)];
  });
  return { ...keys, ...Object.fromEntries(changed) };
}

/**
 * What no task can do, whatever its keys say one by one.
 * @param noun what its cases are called
 * @throws ConfigError naming the key
 */
export function refuseContradictions(
  { window, use, validation }: Pick<SharedConfig, "window" | "use"> & { readonly validation: number | null },
  noun: string,
): void {
  if (window !== null && window[0] >= window[1])
    throw new ConfigError(`window: ${window.join(", ")}; the first value must be the lower one`);
  if (use === "best" && validation === 0)
    throw new ConfigError(`use: best needs ${noun} to be watched by; set validation, too`);
}
