/// <reference lib="esnext.disposable" preserve="true" />
/** The encoder as a feature extractor: maps of any of its stages, or their means, for radiomics and retrieval. */
import { join } from "node:path";
import { z } from "zod";
import {
  checkDescription,
  type DataCase,
  type Preprocessing,
  planSchema,
  preprocess,
  readImage,
} from "../../data/index.ts";
import { ConfigError, WeightsError } from "../../errors.ts";
import { globalAveragePool, graph, type Tensor } from "../../graph/index.ts";
import { type EncoderArchitecture, encoder, type ResNet3dFeatures } from "../../nn/index.ts";
import { createEngine } from "../../runtime/index.ts";
import { folderStore, RUN, readFrame, readPlan } from "../../train/index.ts";
import { asFloat32, type LoadedVolume, type Volume } from "../../volume/index.ts";
import { hintOf, matchWeights } from "../../weights/index.ts";
import { encoderKeys } from "./config.ts";
import { encodeFast } from "./inference.ts";
import { readStart } from "./start-from.ts";

/** Layers whose activations can be taken, from the input upwards. */
export const featureLayers = ["conv1", "maxpool", "layer1", "layer2", "layer3", "layer4"] as const;
export type FeatureLayer = (typeof featureLayers)[number];

export interface FeatureOptions {
  /** Of a weights file; a run knows its own. */
  readonly architecture?: EncoderArchitecture;
  /** Default `layer4`. */
  readonly layer?: FeatureLayer;
  /** One number a channel: the mean over the map. */
  readonly pool?: boolean;
  /** Voxels as they are in the file, instead of prepared as the run prepares them or, for a file, as MedicalNet does. */
  readonly raw?: boolean;
  readonly threads?: number;
}

export interface Features {
  /** [C, D, H, W], or [C] pooled. */
  readonly data: Float32Array;
  readonly shape: readonly number[];
  /** Where the map lies in the world, in millimetres; undefined when pooled. */
  readonly map?: Volume<Float32Array>;
}

/** An encoder, opened. */
export interface FeatureExtractor extends AsyncDisposable {
  readonly layer: FeatureLayer;
  /** The layer's maps of a case, and its image as it was read. */
  extract(item: DataCase): Promise<Features & { readonly image: LoadedVolume }>;
  /** Ends the engine. */
  close(): Promise<void>;
}

/** MedicalNet's released intensities at the scan's own spacing; the released code zooms to one size, which medvox does not. */
const released: Omit<Preprocessing, "channels"> = {
  orientation: "RAS",
  spacingMm: null,
  intensity: { kind: "medicalnet" },
  labels: [0],
};

/**
 * Opens weights (`.safetensors`, `.pth`) or a run.
 * @throws ConfigError where the architecture is not known, WeightsError for other weights
 */
export async function openFeatures(from: string, options: FeatureOptions = {}): Promise<FeatureExtractor> {
  const { layer = "layer4", pool = false, raw = false, threads } = options;
  const { tensors } = (await readStart(from))!;
  const run = await encoderOfRun(from);
  const architecture = options.architecture ?? run?.encoder;
  if (architecture === undefined) throw new ConfigError(`${from}: is a file of weights; say which network with --arch`);
  const preparation = run?.preprocessing;
  const shapes = new Map(
    [...tensors].map(([name, { shape }]) => [name.replace(/^.*?((conv1|layer\d)\.)/, "$1"), shape]),
  );
  const shortcut = hintOf(shapes)?.shortcut;
  const stem = shapes.get("conv1.weight")?.[0];
  const outputStride = run?.encoder.outputStride ?? 8;
  const engine = await createEngine({ threads });
  return {
    layer,
    extract: async (item) => {
      const image = await readImage(item);
      const spec = preparation ?? { ...released, channels: image.channels };
      const seen = raw ? { ...image, data: asFloat32(image).data } : preprocess(image, spec).volume;
      const [width, height, depth] = seen.size;
      const g = graph();
      const input = g.input("input", [1, seen.channels, depth, height, width]);
      const features = encoder(input, { ...architecture, shortcut, outputStride, width: stem });
      const map = layerOf(features, layer);
      const out = pool ? globalAveragePool(map) : map;
      const target = new Map([...g.parameters].map(([name, { shape }]) => [name, shape]));
      const match = matchWeights(target, tensors, { file: from });
      if (match.missing.length > 0)
        throw new WeightsError(
          `${from}: lacks ${match.missing.length} of the encoder's tensors (${match.missing[0]}, …)`,
        );
      const program = await engine.load(encodeFast(g, out, new Map(match.tensors)), { label: "features" });
      try {
        const { outputs } = await program.run({ input: { data: seen.data as Float32Array, shape: [...input.shape] } });
        const data = outputs.probability.data as Float32Array;
        if (pool) return { data, shape: [out.shape[1]], image };
        return { data, shape: out.shape.slice(1), map: placed(data, out.shape, seen), image };
      } finally {
        await program.close();
      }
    },
    close: () => engine.close(),
    [Symbol.asyncDispose]: () => engine.close(),
  };
}

const encoderSchema = z.looseObject(encoderKeys);
const preparedSchema = z.looseObject({ preprocessing: planSchema.shape.preprocessing.optional() });

/** Which encoder a run has and how it prepares images; undefined for a file. A pre-training prepares each set in another way. */
async function encoderOfRun(from: string) {
  const store = folderStore(from);
  if (!(await store.has(RUN))) return undefined;
  const { config } = await readFrame(store);
  const { preprocessing } = await readPlan(store, preparedSchema);
  return {
    encoder: checkDescription(encoderSchema, config, join(from, RUN)),
    preprocessing: preprocessing as Preprocessing | undefined,
  };
}

function layerOf({ stages, taps }: ResNet3dFeatures, layer: FeatureLayer): Tensor {
  return layer === "conv1" ? taps.half : stages[layer];
}

/** Every halving is centred on the first voxel of its window, so the map begins where the image does, in larger steps. */
function placed(data: Float32Array, [, channels, d, h, w]: readonly number[], image: Volume): Volume<Float32Array> {
  const size = [w, h, d] as const;
  const step = image.size.map((n, axis) => 2 ** Math.round(Math.log2(n / size[axis])));
  const affine = image.affine.map((value, i) => (i % 4 < 3 && i < 12 ? value * step[i % 4] : value));
  return { data, size, channels, affine };
}
