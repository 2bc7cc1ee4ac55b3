/** A new detector, or a saved one, ready to be trained further. */
import { WeightsError } from "../../errors.ts";
import { readSafetensorsHeader, readWeightsFile } from "../../files/index.ts";
import { createEngine, type Engine } from "../../runtime/index.ts";
import type { StateMap } from "../../train/index.ts";
import { type DetectorConfig, parseDetector, withHead } from "../network/config.ts";
import type { RegionHead } from "../network/head.ts";
import { detectorShapes, readDetectorStart } from "../network/weights.ts";
import { type CreateDetectorOptions, configOf, type DetectorTrainingOptions } from "./options.ts";
import { type TrainableDetector, type TrainableParts, trainableDetector } from "./trainable.ts";

/** What a saved detector is opened with; seed and canvas are the file's by default. */
export interface ResumeDetectorOptions extends DetectorTrainingOptions {
  /** The head of a detector that was made with one of its own: a function cannot be kept in a file. */
  readonly head?: RegionHead;
}

/**
 * A new detector.
 * @throws ConfigError naming the key; WeightsError where weights to start from do not fit
 */
export async function createTrainable(options: CreateDetectorOptions): Promise<TrainableDetector> {
  const config = configOf(options);
  // Builds the network once, so that a head that cannot be is told now.
  detectorShapes(config);
  const { from, into = "detector" } = options.start ?? {};
  const start =
    from === undefined
      ? undefined
      : await readDetectorStart(
          into === "detector" ? { from, backbone: null } : { from: null, backbone: from },
          config,
        );
  return opened({ config, classes: [...options.classes], options, start: start?.weights });
}

/**
 * A detector from a file that `save` wrote. It goes on as if it had never been closed, given the same optimizer.
 * @throws WeightsError for another file; ConfigError for a head that is missing, or one that is not wanted
 */
export async function resumeTrainable(path: string, options: ResumeDetectorOptions = {}): Promise<TrainableDetector> {
  const { metadata } = await readSafetensorsHeader(path);
  if (metadata.format !== "medvox detector")
    throw new WeightsError(`${path}: is no detector that save() wrote; weights of others are given as start: { from }`);
  const stored = JSON.parse(metadata.detector) as DetectorConfig;
  const config = parseDetector(withHead(stored, options.head, path));
  const start: StateMap = new Map();
  for (const [name, { data, shape }] of await readWeightsFile(path))
    start.set(name, { data: data as Float32Array, shape });
  const canvas = options.canvas ?? (metadata.canvas && (JSON.parse(metadata.canvas) as number[])) ?? undefined;
  const seed = options.seed ?? Number(metadata.seed);
  return opened({
    config,
    classes: JSON.parse(metadata.classes) as string[],
    options: { ...options, seed, canvas: canvas || undefined },
    start,
    steps: Number(metadata.steps),
  });
}

/** On the caller's engine, or on one that is closed with the detector. */
async function opened(parts: TrainableParts): Promise<TrainableDetector> {
  const { engine: given } = parts.options;
  if (given !== undefined && "load" in given) return trainableDetector(given, parts, async () => {});
  const engine: Engine = await createEngine(given ?? {});
  try {
    return trainableDetector(engine, parts, () => engine.close());
  } catch (error) {
    await engine.close();
    throw error;
  }
}
