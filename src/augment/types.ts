/**
 * What augmentation works on: a case held in memory as a network sees it, and the place in a batch that a patch of it
 * is written to.
 *
 * Shape shorthand: N batch · C channels · D H W depth, height, width (= z, y, x; x fastest). In 2D the D axis is absent.
 */

export type LabelArray = Uint8Array | Int8Array | Int16Array | Uint16Array | Int32Array;

/** A case in memory, already oriented, resampled and normalised. */
export interface PreparedSample {
  /** `[C, D, H, W]`, or `[C, H, W]`. */
  readonly image: Float32Array;
  /** Class indices, `[D, H, W]` or `[H, W]`. */
  readonly label: LabelArray | null;
  readonly channels: number;
  /** `[D, H, W]` or `[H, W]`. */
  readonly spatial: readonly number[];
  /** Voxel size along x, y, z in millimetres (2D: x, y), so that rotations are rigid in space. Default: all equal. */
  readonly spacingMm?: readonly number[];
  /** Where the classes are, for patches that must contain foreground; see `foregroundVoxels`. */
  readonly foreground?: ForegroundVoxels;
}

/** For each class present (background left out), some of its voxels as linear indices into the label. */
export interface ForegroundVoxels {
  readonly classes: readonly number[];
  readonly voxels: readonly Int32Array[];
}

/** A preallocated batch: `input` is `[N, C, D, H, W]` or `[N, C, H, W]`, `target` the same without C. */
export interface PatchBuffers {
  readonly input: Float32Array;
  readonly target: Float32Array | Int32Array | null;
}

/** Three extents as z, y, x; a 2D shape gets depth 1. */
export interface Extent {
  readonly depth: number;
  readonly height: number;
  readonly width: number;
}

/** `[D, H, W]` as it is, `[H, W]` with depth 1. */
export function extentOf(spatial: readonly number[]): Extent {
  return spatial.length === 2
    ? { depth: 1, height: spatial[0], width: spatial[1] }
    : { depth: spatial[0], height: spatial[1], width: spatial[2] };
}
