/** A head of one's own, which a configuration may hold where it names one of the library's. */
import type { Scope, Tensor } from "../../graph/index.ts";

/**
 * A head of one's own: from pooled regions to one vector each, from which the detector's last two layers make scores and boxes. It is called
 * once for every graph that holds the head, in training and in detection (`pooled.graph.training` tells which).
 * @param pooled [regions, channels, (bins z,) bins y, bins x]
 * @param scope where its parameters go, `roi_heads.box_head`
 * @returns [regions, features]
 */
export type RegionHead = (pooled: Tensor, scope: Scope) => Tensor;

/** What stands for such a function in files. */
export const CUSTOM_HEAD = "custom";
