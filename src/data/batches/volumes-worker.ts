/** The thread that reads and preprocesses cases and cuts patches of them. */
import { workerData } from "node:worker_threads";
import { augmentInto } from "../../augment/index.ts";
import { DataError } from "../../errors.ts";
import { random } from "../../random.ts";
import { type PreparedCase, prepareCase } from "../prepare/prepare.ts";
import type { DataCase } from "../types.ts";
import { type ReadVolume, shared } from "./cache.ts";
import type { WorkerSetup } from "./mapper.ts";
import { serveBatches, wholeItems } from "./serve.ts";
import type { OwnAugmentation, PatchBatch, PatchSetup } from "./volumes.ts";

const own = await ownAugmentation((workerData as WorkerSetup<PatchSetup>).setup.augment);

serveBatches<PatchSetup, DataCase, PreparedCase, PatchBatch | PreparedCase>(({ prepare, withLabel, patches }) => {
  const cases = {
    prepare: async (item: DataCase, read: ReadVolume) =>
      inSharedMemory(await prepareCase(item, prepare, withLabel, read)),
    bytesOf,
  };
  if (patches === undefined) return wholeItems(cases);
  const { patch, batch, seed, targetType, augmentation, repeatAugmentation } = patches;
  const voxels = batch * patch.reduce((a, b) => a * b, 1);
  const arrayOf = targetType === "float32" ? Float32Array : Int32Array;
  return {
    ...cases,
    begin: ([inputMemory, targetMemory]) => {
      const input = new Float32Array(inputMemory ?? new ArrayBuffer(4 * prepare.channels * voxels));
      const target = withLabel ? new arrayOf(targetMemory ?? new ArrayBuffer(4 * voxels)) : undefined;
      return {
        add: (slot, sample, { epoch, position, repeat }) => {
          const options = { ...patches, augmentation: repeat ? repeatAugmentation : augmentation };
          const stream = random(seed, `augment/${epoch}/${position}`);
          augmentInto(sample, options, stream, { input, target: target ?? null }, slot);
          if (own === undefined) return;
          const size = patch.reduce((a, b) => a * b, 1);
          const { channels, spacingMm, id } = sample;
          const image = input.subarray(slot * channels * size, (slot + 1) * channels * size);
          const label = target?.subarray(slot * size, (slot + 1) * size);
          own(
            { image, label, shape: [channels, ...patch], spacingMm, id, epoch },
            random(seed, `own/${epoch}/${position}`),
          );
        },
        end: () => ({ made: { input, target }, transfer: target ? [input.buffer, target.buffer] : [input.buffer] }),
      };
    },
  };
});

function inSharedMemory({ id, image, label, channels, spatial, spacingMm, foreground }: PreparedCase): PreparedCase {
  return {
    id,
    image: shared(image),
    label: label && shared(label),
    channels,
    spatial,
    spacingMm,
    foreground: { classes: foreground.classes, voxels: foreground.voxels.map(shared) },
  };
}

function bytesOf({ image, label, foreground }: PreparedCase): number {
  const marked = foreground.voxels.reduce((sum, voxels) => sum + voxels.byteLength, 0);
  return image.byteLength + (label?.byteLength ?? 0) + marked;
}

/** The default export of the user's module. */
async function ownAugmentation(module: string | undefined): Promise<OwnAugmentation | undefined> {
  if (module === undefined) return undefined;
  const { default: augment } = await loaded(module);
  if (typeof augment === "function") return augment as OwnAugmentation;
  throw new DataError(`augment: ${module}: has no function as its default export; expected (patch, random) => void`);
}

async function loaded(module: string): Promise<{ readonly default?: unknown }> {
  try {
    return await import(module);
  } catch (cause) {
    const rule = /\.[cm]?tsx?$/.test(module) ? "; a worker thread loads JavaScript: name the compiled module" : "";
    throw new DataError(`augment: ${module}: cannot be loaded: ${(cause as Error)?.message}${rule}`, { cause });
  }
}
