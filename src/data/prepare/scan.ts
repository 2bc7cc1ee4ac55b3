/**
 * One pass over a volume's values: range, values that are not finite, and a fingerprint of the voxels. Works in pieces
 * of fixed size, so that it needs no memory beside the volume's own.
 */
import { createHash } from "node:crypto";
import type { Volume } from "../../volume/types.ts";

const pieceLength = 65536;

export interface VoxelScan {
  /** Of the finite values; `NaN` where there are none. */
  readonly min: number;
  readonly max: number;
  readonly notFinite: number;
  /** SHA-1 over size and values as doubles: equal for equal voxels, whatever element type or compression the file has. */
  readonly hash: string;
}

export function scanVoxels(volume: Volume): VoxelScan {
  const { data } = volume;
  const hash = createHash("sha1");
  hash.update(`${volume.size.join("×")}×${volume.channels}`);
  const piece = new Float64Array(Math.min(pieceLength, data.length));
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  let notFinite = 0;
  for (let start = 0; start < data.length; start += pieceLength) {
    const length = Math.min(pieceLength, data.length - start);
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
      for (let i = 0; i < length; i++) piece[i] = Number(data[start + i]);
    } else {
      piece.set(data.subarray(start, start + length));
    }
    for (let i = 0; i < length; i++) {
      const value = piece[i];
      if (!Number.isFinite(value)) notFinite++;
      else {
        if (value < min) min = value;
        if (value > max) max = value;
      }
    }
    hash.update(new Uint8Array(piece.buffer, 0, 8 * length));
  }
  const none = min > max;
  return { min: none ? Number.NaN : min, max: none ? Number.NaN : max, notFinite, hash: hash.digest("hex") };
}
