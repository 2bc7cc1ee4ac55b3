/** Ground truth on its way through a step in two stages: packed beside a batch's images, unpacked where proposals are matched to it. */
import { type Axes, takeBoxes } from "../../boxes/index.ts";
import type { Feeds } from "../../runtime/types.ts";
import type { Truth } from "../parts/targets.ts";

/** Labels, in arrays that travel, of what is no object: see `PassedOver`. */
const DIFFICULT = -1;
const CROWD = -2;
const NOTHING = new Float32Array(0);

/** Ground truth [G boxes of all images] as arrays that travel with a batch; the graph does not see them. */
export function packTruth(truth: readonly Truth[], sizes: readonly (readonly number[])[], axes: number): Feeds {
  const rows: { readonly box: Float32Array; readonly label: number; readonly owner: number }[] = [];
  for (const [owner, { boxes, labels, difficult = NOTHING, crowds = NOTHING }] of truth.entries()) {
    const put = (all: Float32Array, labelOf: (i: number) => number): void => {
      for (let i = 0; i < all.length / (2 * axes); i++)
        rows.push({ box: all.subarray(i * 2 * axes, (i + 1) * 2 * axes), label: labelOf(i), owner });
    };
    put(boxes, (i) => labels[i]);
    put(difficult, () => DIFFICULT);
    put(crowds, () => CROWD);
  }
  return {
    truthBoxes: { data: Float32Array.from(rows.flatMap(({ box }) => [...box])), shape: [rows.length, 2 * axes] },
    truthLabels: { data: Int32Array.from(rows, ({ label }) => label), shape: [rows.length] },
    truthOwners: { data: Int32Array.from(rows, ({ owner }) => owner), shape: [rows.length] },
    imageSizes: { data: Int32Array.from(sizes.flat()), shape: [sizes.length, axes] },
  };
}

/** What {@link packTruth} packed; an image's boxes in their order. */
export function unpackTruth(batch: Feeds, axes: Axes): { truth: Truth[]; sizes: number[][] } {
  const boxes = batch.truthBoxes.data as Float32Array;
  const labels = batch.truthLabels.data as Int32Array;
  const owners = batch.truthOwners.data as Int32Array;
  const flat = batch.imageSizes.data as Int32Array;
  const sizes = Array.from({ length: flat.length / axes }, (_, n) => [...flat.subarray(n * axes, (n + 1) * axes)]);
  const truth = sizes.map((_, n) => {
    const own = Array.from(labels.keys()).filter((i) => owners[i] === n);
    const objects = own.filter((i) => labels[i] >= 0);
    const passed = (kind: number): Float32Array =>
      takeBoxes(
        boxes,
        own.filter((i) => labels[i] === kind),
        axes,
      );
    return {
      boxes: takeBoxes(boxes, objects, axes),
      labels: Int32Array.from(objects, (i) => labels[i]),
      difficult: passed(DIFFICULT),
      crowds: passed(CROWD),
    };
  });
  return { truth, sizes };
}
