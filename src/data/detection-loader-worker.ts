/**
 * The thread that fills batches for a detector. What comes out depends on the seed, the epoch and the item's position only,
 * never on which worker runs this.
 */
import { parentPort, workerData } from "node:worker_threads";
import { augmentBoxesInto, augmentPicture } from "../augment/index.ts";
import { DataError } from "../errors.ts";
import { type Image2d, placeInBatch } from "../images/index.ts";
import { type Random, random } from "../random.ts";
import type { QueueAnswer, QueueTask } from "./batch-queue.ts";
import type { DetectionItem } from "./detection.ts";
import type {
  DetectionBatchAnswer,
  DetectionBatchImage,
  DetectionBatchTask,
  DetectionSource,
  DetectionWorkerSetup,
} from "./detection-loader-messages.ts";
import { type PreparedBoxVolume, preparePictureItem, prepareVolumeItem } from "./detection-prepare.ts";

const { input, canvas, channels, batch, seed, working } = workerData as DetectionWorkerSetup;
const port = parentPort;
if (!port) throw new DataError("detection-loader-worker: must be started as a worker thread");

port.on("message", (task: DetectionBatchTask & QueueTask) => {
  fill(task).then(
    (answer) => port.postMessage({ ...answer, task: task.task }, [answer.input.buffer as ArrayBuffer]),
    (error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      port.postMessage({ task: task.task, error: { message } } satisfies QueueAnswer<object>);
    },
  );
});

async function fill({ epoch, items }: DetectionBatchTask): Promise<DetectionBatchAnswer> {
  const voxels = canvas.reduce((a, b) => a * b, 1);
  const buffer = new Float32Array(batch * channels * voxels);
  const images: DetectionBatchImage[] = [];
  const prepared = new Map<number, DetectionSource>();
  for (const [slot, { index, item, position, cached }] of items.entries()) {
    Atomics.store(working, 0, index);
    let source = cached ?? prepared.get(index);
    if (source === undefined) {
      source = await read(item);
      prepared.set(index, source);
    }
    images.push(placed(item, source, random(seed, `augment/${epoch}/${position}`), buffer, slot));
  }
  Atomics.store(working, 0, -1);
  return { input: buffer, images, prepared: [...prepared].map(([index, source]) => ({ index, source })) };
}

function placed(
  item: DetectionItem,
  source: DetectionSource,
  stream: Random,
  buffer: Float32Array,
  slot: number,
): DetectionBatchImage {
  if (input.axes === 2) {
    const { prepare, augmentation } = input;
    const [width, height] = canvas;
    const { image, boxes, kept } = augmentPicture(
      source as Image2d,
      item.boxes,
      prepare,
      augmentation,
      [width, height],
      stream,
    );
    placeInBatch(image, buffer, slot, width, height);
    return { id: item.id, size: [image.width, image.height], ...objectsOf(item, boxes, kept) };
  }
  const volume = source as PreparedBoxVolume;
  const targets = Array.from(item.labels.keys()).filter((i) => !isIgnored(item, i));
  const options = { ...input, patch: [...canvas].reverse() };
  const { boxes, kept } = augmentBoxesInto(volume, volume.boxes, options, stream, buffer, slot, targets);
  return { id: item.id, size: canvas, ...objectsOf(item, boxes, kept) };
}

function objectsOf(item: DetectionItem, boxes: Float64Array, kept: Int32Array) {
  return {
    boxes: Float32Array.from(boxes),
    labels: Int32Array.from(kept, (i) => item.labels[i]),
    ignored: Uint8Array.from(kept, (i) => (item.crowd[i] === 1 ? 2 : item.difficult[i])),
  };
}

function isIgnored({ difficult, crowd }: DetectionItem, i: number): boolean {
  return difficult[i] === 1 || crowd[i] === 1;
}

/** The item's file in memory that all threads share. */
async function read(item: DetectionItem): Promise<DetectionSource> {
  const named = (error: unknown): never => {
    const message = error instanceof Error ? error.message : String(error);
    throw message.includes(item.id) ? error : new DataError(`${item.id}: ${message}`, { cause: error });
  };
  if (input.axes === 2) {
    const picture = await preparePictureItem(item).catch(named);
    return { ...picture, data: shared(picture.data) };
  }
  const volume = await prepareVolumeItem(item, input.prepare).catch(named);
  return { ...volume, image: shared(volume.image) };
}

function shared<T extends Uint8Array | Uint16Array | Float32Array>(values: T): T {
  const memory = new (values.constructor as new (buffer: SharedArrayBuffer) => T)(
    new SharedArrayBuffer(values.byteLength),
  );
  memory.set(values);
  return memory;
}
