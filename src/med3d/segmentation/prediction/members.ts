/** The networks of one plan at work on an image in memory: one network, or several whose probabilities are averaged window by window. */
import type { Axis } from "../../../augment/index.ts";
import { type Plan, preprocessSlices, restoreClasses } from "../../../data/index.ts";
import { ConfigError } from "../../../errors.ts";
import type { GraphMemory } from "../../../graph/index.ts";
import { createEngine, type Engine, type Program } from "../../../runtime/index.ts";
import { bytesText } from "../../../text/index.ts";
import type { Volume, VoxelArray } from "../../../volume/index.ts";
import { checkKeepLargest, type KeepLargest, keepLargest } from "../keep-largest.ts";
import { fitMemory, type ImageSize, loadingBytes, networkBytes, type PredictionMemory } from "./memory.ts";
import type { ModelsOf, OpenedModel } from "./models.ts";
import { keptProbabilities, probabilitiesOn } from "./probabilities.ts";
import { predictByWindows, slicedImage } from "./sliding-window.ts";
import { ensembleRunner, type Mirror } from "./window-runner.ts";

/** How an image is predicted. */
export interface PassOptions {
  readonly overlap?: number;
  readonly mirror?: Mirror;
  /** Instead of what the networks were trained with; null keeps everything. */
  readonly keepLargest?: KeepLargest | null;
  /** Also gives the class probabilities. */
  readonly probabilities?: boolean;
  /** After each window: how many are done, of how many that are known so far; milliseconds in the engine so far. */
  readonly onWindow?: (window: number, windows: number, networkMs: number) => void;
  readonly signal?: AbortSignal;
}

/** What was found in an image, on its own grid. */
export interface Found {
  /** Label values. */
  readonly volume: Volume<VoxelArray>;
  /** Of every class, in the order of the plan's labels (channels are classes); where they were asked for. */
  readonly probabilities?: Volume<Float32Array>;
}

/** What predicts an image in memory, and knows the memory it takes. */
export interface Pass {
  readonly plan: Plan;
  readonly mirrored?: readonly Axis[];
  /** What it was trained to keep. */
  readonly keepLargest: KeepLargest | null;
  predict(image: Volume, options: PassOptions): Promise<Found>;
  /** @throws ConfigError where it is more than may be taken, however it is done */
  memory(image: ImageSize, options: Pick<PassOptions, "overlap" | "mirror" | "probabilities">): PredictionMemory;
  /** Bytes that the loaded networks take. */
  resident(): number;
  /** Counts so many bytes more as taken by others of the same process. */
  share(bytes: number): void;
  close(): Promise<void>;
}

export interface MemberOptions {
  readonly threads?: number;
  readonly device?: "cpu" | "webgpu" | "cuda";
  readonly maxMemory?: number;
}

/**
 * Loads networks that share a plan.
 * @param besides bytes that other networks of the same process take
 * @throws ConfigError where loading them alone takes more than `maxMemory`
 */
export async function openMembers(
  modelsOf: ModelsOf,
  { device, threads, maxMemory }: MemberOptions,
  besides = 0,
): Promise<Pass> {
  const opened = modelsOf(device ?? "cpu");
  if (maxMemory !== undefined) {
    const [first, ...others] = opened.map((model) => model.memory());
    const least = besides + loadingBytes(first) + others.reduce((sum, one) => sum + networkBytes(one), 0);
    if (least > maxMemory) {
      throw new ConfigError(
        `network: loading it takes ${bytesText(least)}, --max-memory is ${bytesText(maxMemory)}; allow more, or train a smaller network`,
      );
    }
  }
  const engine = await createEngine({ device, threads });
  try {
    const programs: Program[] = [];
    for (const model of opened)
      programs.push(await engine.load(await model.encode(), { label: "segmentation", compact: true }));
    return membersPass(engine, programs, opened, { maxMemory, besides });
  } catch (error) {
    await engine.close();
    throw error;
  }
}

function membersPass(
  engine: Engine,
  programs: readonly Program[],
  opened: readonly OpenedModel[],
  room: { readonly maxMemory: number | undefined; readonly besides: number },
): Pass {
  const { maxMemory } = room;
  const [{ plan, mirrored, keepLargest: usual }] = opened;
  const { patch, preprocessing } = plan;
  const { channels, labels } = preprocessing;
  let network: GraphMemory | undefined;
  const networkMemory = (): GraphMemory => {
    network ??= opened[0].memory();
    return network;
  };
  // Networks run one after another, so of all but one only the weights count.
  let besides = room.besides + opened.slice(1).reduce((sum, model) => sum + networkBytes(model.memory()), 0);
  const memory: Pass["memory"] = (image, { overlap, mirror, probabilities }) =>
    fitMemory({ image, plan, network: networkMemory(), overlap, mirror, probabilities, besides }, maxMemory);
  return {
    plan,
    mirrored,
    keepLargest: usual,
    memory,
    predict: async (image, options) => {
      const { overlap, mirror, onWindow, signal, keepLargest: rule = usual } = options;
      checkKeepLargest(rule, plan);
      const sized = { ...image, bytesPerVoxel: image.data.BYTES_PER_ELEMENT };
      const band = maxMemory === undefined ? undefined : memory(sized, options).band;
      const run = ensembleRunner(programs, [1, channels, ...patch], labels.length, mirror);
      const prepared = preprocessSlices(image, preprocessing);
      const kept = options.probabilities ? keptProbabilities(prepared, labels.length) : undefined;
      const classes = await predictByWindows(slicedImage(prepared), {
        patch,
        classes: labels.length,
        overlap,
        band,
        onWindow: (done, of) => onWindow?.(done, of, run.ms()),
        onLine: kept?.onLine,
        signal,
        predict: (window) => run.predict(window),
      });
      signal?.throwIfAborted();
      keepLargest(classes, prepared.size, rule, plan);
      const { size, affine, name } = prepared;
      const volume = restoreClasses({ data: classes, size, affine, name, channels: 1 }, image, preprocessing);
      return { volume, probabilities: kept && probabilitiesOn(image, kept.volume) };
    },
    resident: () => opened.reduce((sum, model) => sum + networkBytes(model.memory()), 0),
    share: (bytes) => {
      besides += bytes;
    },
    close: () => engine.close(),
  };
}
