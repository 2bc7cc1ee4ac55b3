/** The thread that reads pictures and volumes and puts them, with their boxes, into a detector's batches. */
import { augmentBoxesInto, augmentPicture } from "../../augment/index.ts";
import { type Image2d, placeInBatch } from "../../images/index.ts";
import { random } from "../../random.ts";
import type { DetectionItem } from "../boxes/detection.ts";
import { type PreparedBoxVolume, preparePictureItem, prepareVolumeItem } from "../boxes/prepare.ts";
import type { DetectionBatchImage, DetectionMade, DetectionSetup, DetectionSource } from "./boxes.ts";
import { type ReadVolume, shared } from "./cache.ts";
import type { BatchItem } from "./mapper.ts";
import { serveBatches, wholeItems } from "./serve.ts";

type Windows = NonNullable<DetectionSetup["windows"]>;
type Item = BatchItem<DetectionItem, DetectionSource>;

serveBatches<DetectionSetup, DetectionItem, DetectionSource, DetectionMade | DetectionSource>(
  ({ reading, windows }) => {
    const images = {
      prepare: async (item: DetectionItem, read: ReadVolume): Promise<DetectionSource> => {
        if (reading.axes === 2) {
          const picture = await preparePictureItem(item);
          return { ...picture, data: shared(picture.data) };
        }
        const volume = await prepareVolumeItem(item, reading.prepare, read);
        return { ...volume, image: shared(volume.image) };
      },
      bytesOf: (source: DetectionSource) => ("width" in source ? source.data.byteLength : source.image.byteLength),
    };
    if (windows === undefined) return wholeItems(images);
    const { canvas, channels, batch } = windows;
    const bytes = 4 * batch * channels * canvas.reduce((a, b) => a * b, 1);
    return {
      ...images,
      begin: ([memory]) => {
        const input = new Float32Array(memory ?? new ArrayBuffer(bytes));
        // Beside a picture, the canvas stays as it is.
        if (memory !== undefined && windows.input.axes === 2) input.fill(0);
        const placed: DetectionBatchImage[] = [];
        return {
          add: (slot, source, item) => placed.push(placeItem(item, source, windows, input, slot)),
          end: () => ({ made: { input, images: placed }, transfer: [input.buffer] }),
        };
      },
    };
  },
);

function placeItem(
  { item, epoch, position }: Item,
  source: DetectionSource,
  { input, canvas, seed }: Windows,
  buffer: Float32Array,
  slot: number,
): DetectionBatchImage {
  const stream = random(seed, `augment/${epoch}/${position}`);
  if (input.axes === 2) {
    const { prepare, augmentation } = input;
    const [width, height] = canvas;
    const made = augmentPicture(source as Image2d, item.boxes, prepare, augmentation, [width, height], stream);
    const { image, boxes, kept } = made;
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
