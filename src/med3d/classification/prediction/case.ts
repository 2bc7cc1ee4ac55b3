/** A case as a classifier sees it: the patch at the centre of its image, and if wanted its mirror images, in one batch. */
import { augmentInto } from "../../../augment/index.ts";
import { type DataCase, type PreparedCase, prepareCase } from "../../../data/index.ts";
import { random } from "../../../random.ts";
import type { Feeds } from "../../../runtime/index.ts";
import type { ClassificationPlan } from "../plan.ts";

export interface PreparedViews {
  /** 1, or 8 with mirror images. */
  readonly views: number;
  /** [views, C, D, H, W] */
  readonly input: Float32Array;
  /** [views, D, H, W], where the network takes a mask. */
  readonly mask?: Float32Array;
}

/** @throws DataError or GeometryError naming the case */
export async function prepareViews(
  item: DataCase,
  plan: Pick<ClassificationPlan, "preprocessing" | "patch">,
  withMask: boolean,
  mirror = false,
): Promise<PreparedViews> {
  return viewsOf(await prepareCase(item, plan.preprocessing, withMask), plan, withMask, mirror);
}

/** The views of a case in memory. */
export function viewsOf(
  prepared: PreparedCase,
  { preprocessing, patch }: Pick<ClassificationPlan, "preprocessing" | "patch">,
  withMask: boolean,
  mirror = false,
): PreparedViews {
  const voxels = patch[0] * patch[1] * patch[2];
  const { channels } = preprocessing;
  const views = mirror ? 8 : 1;
  const input = new Float32Array(views * channels * voxels);
  const mask = withMask ? new Float32Array(views * voxels) : undefined;
  for (let view = 0; view < views; view++) {
    const axes = (["x", "y", "z"] as const).filter((_, axis) => (view >> axis) & 1);
    augmentInto(
      prepared,
      { patch, augmentation: { flip: { probability: 1, axes } }, crop: "centre" },
      certain,
      { input, target: mask ?? null },
      view,
    );
  }
  return { views, input, ...(mask ? { mask } : {}) };
}

/** A stream for transforms that happen in any case. */
const certain = random(0, "views");

/** The views as the network's inputs. */
export function viewFeeds(
  { views, input, mask }: PreparedViews,
  { preprocessing, patch }: Pick<ClassificationPlan, "preprocessing" | "patch">,
): Feeds {
  return {
    input: { data: input, shape: [views, preprocessing.channels, ...patch] },
    ...(mask ? { mask: { data: mask, shape: [views, ...patch] } } : {}),
  };
}
