/**
 * What the ablations are scored by: average precision at IoU 0.5 by VOC's area rule, and the share of objects that some proposal
 * overlaps by 0.5 or 0.7 (the paper's recall-to-IoU), image by image, so that images can be drawn again.
 */
import { type Axes, boxCount, iouOf } from "../../boxes/index.ts";
import type { DetectionImage } from "../../metrics/index.ts";
import { areaOfMatches, meanOf, type Repeats, type Score, vocMatches } from "../../metrics/index.ts";

/** How one image was done. */
export interface ImageScore {
  readonly image: string;
  /** Of each class: how many objects count, and its detections with their scores, best first; 1 is right. */
  readonly classes: readonly { readonly objects: number; readonly found: readonly (readonly [number, 0 | 1])[] }[];
  readonly proposals: number;
  /** Objects that count, and how many of them a proposal overlaps by 0.5 and by 0.7. */
  readonly objects: number;
  readonly met50: number;
  readonly met70: number;
}

/** @param proposals [P, 2·axes], on the image's own grid */
export function imageScore(
  image: DetectionImage,
  proposals: Float32Array,
  { axes, classes }: { readonly axes: Axes; readonly classes: number },
): ImageScore {
  const { truth } = image;
  const best: number[] = [];
  for (let g = 0; g < boxCount(truth.boxes, axes); g++) {
    if (truth.difficult?.[g] || truth.crowd?.[g]) continue;
    let most = 0;
    for (let p = 0; p < boxCount(proposals, axes); p++)
      most = Math.max(most, iouOf(proposals, p, truth.boxes, g, axes));
    best.push(most);
  }
  return {
    image: image.image,
    classes: Array.from({ length: classes }, (_, k) => {
      const { positives, scores, hits } = vocMatches(image, k, { axes });
      return { objects: positives, found: scores.map((score, i) => [single(score), hits[i] ? 1 : 0] as const) };
    }),
    proposals: boxCount(proposals, axes),
    objects: best.length,
    met50: best.filter((overlap) => overlap >= 0.5).length,
    met70: best.filter((overlap) => overlap >= 0.7).length,
  };
}

/** As many digits as a 32-bit float needs, so that the file is not all digits. */
const single = (value: number): number => Number(value.toPrecision(9));

/** An image's detections by their place among those of all images: what is needed to score any draw of images in one pass. */
export interface RankedImage {
  readonly classes: readonly {
    readonly objects: number;
    /** Of each detection, best first. */
    readonly ranks: Int32Array;
    readonly hits: Uint8Array;
    /** Detections of all images. */
    readonly of: number;
  }[];
}

/** Images of one seed, ranked among one another, in the order of their names. */
export function rankedImages(images: readonly ImageScore[]): RankedImage[] {
  const inOrder = [...images].sort((a, b) => (a.image < b.image ? -1 : a.image > b.image ? 1 : 0));
  const classes = (inOrder[0]?.classes ?? []).map((_, k) => {
    const entries = inOrder.flatMap(({ classes: own }, image) =>
      own[k].found.map(([score], at) => ({ image, at, score })),
    );
    entries.sort((a, b) => b.score - a.score);
    const ranks = inOrder.map(({ classes: own }) => new Int32Array(own[k].found.length));
    for (const [rank, { image, at }] of entries.entries()) ranks[image][at] = rank;
    return { ranks, of: entries.length };
  });
  return inOrder.map(({ classes: own }, image) => ({
    classes: own.map(({ objects, found }, k) => ({
      objects,
      ranks: classes[k].ranks[image],
      hits: Uint8Array.from(found, ([, hit]) => hit),
      of: classes[k].of,
    })),
  }));
}

/** Average precision of class `k` over images drawn from those that were ranked together; null without objects. */
export function classAp(k: number): Score<RankedImage> {
  return (images) => {
    const { of = 0 } = images[0]?.classes[k] ?? {};
    const [hits, misses] = [new Int32Array(of), new Int32Array(of)];
    let objects = 0;
    for (const { classes } of images) {
      const own = classes[k];
      objects += own.objects;
      for (let i = 0; i < own.ranks.length; i++) (own.hits[i] === 1 ? hits : misses)[own.ranks[i]]++;
    }
    return areaOfMatches(hits, misses, objects);
  };
}

/** Mean average precision over classes that have objects. */
export function meanAp(classes: number): Score<RankedImage> {
  const own = Array.from({ length: classes }, (_, k) => classAp(k));
  return (images) => meanOf(own.map((ap) => ap(images)));
}

/** Share of objects that a proposal overlaps, over images and seeds. */
export function recall(repeats: Repeats<ImageScore>, at: "met50" | "met70"): number | null {
  const sum = (key: "objects" | "met50" | "met70"): number =>
    repeats.flat().reduce((total, image) => total + image[key], 0);
  return sum("objects") === 0 ? null : sum(at) / sum("objects");
}
