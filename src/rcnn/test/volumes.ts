/** A tiny folder of volumes with label maps: bright blocks in noise, on oblong voxels. */
import { mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeVolume } from "../../files/index.ts";
import { random } from "../../random.ts";
import type { DetectionRequest } from "../run/config.ts";

/** @returns the folder: 5 volumes of 32×32×24 voxels of 1×1×2 mm, two blocks in each */
export async function writeBlocks(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "medvox-blocks-"));
  for (const folder of ["images", "labels"]) await mkdir(join(root, folder));
  const source = random(4, "blocks");
  const size = [32, 32, 24] as const;
  const affine = [1, 0, 0, -10, 0, 1, 0, 5, 0, 0, 2, 30, 0, 0, 0, 1] as const;
  for (let i = 0; i < 5; i++) {
    const data = Float32Array.from({ length: 32 * 32 * 24 }, () => source.normal());
    const label = new Uint8Array(data.length);
    for (const start of [2, 18]) {
      const low = [start + source.integer(4), 2 + source.integer(20), 2 + source.integer(14)];
      for (let z = low[2]; z < low[2] + 7; z++)
        for (let y = low[1]; y < low[1] + 7; y++)
          for (let x = low[0]; x < low[0] + 7; x++) {
            const at = (z * 32 + y) * 32 + x;
            data[at] += 8;
            label[at] = 1;
          }
    }
    await writeVolume(join(root, `images/v${i}.nii.gz`), { data, size, affine: [...affine], channels: 1 });
    await writeVolume(join(root, `labels/v${i}.nii.gz`), {
      data: label,
      size,
      affine: [...affine],
      channels: 1,
    });
  }
  return root;
}

/** A detector of few channels at strides 2 and 4. */
export const smallVolumeRequest: Omit<DetectionRequest, "data"> = {
  depth: 10,
  norm: "group",
  canvas: [32, 32, 24],
  anchorSizes: [[7], [10]],
  anchorRatios: [1],
  batch: 2,
  heldOut: 1,
  validation: 1,
  threads: 1,
  detector: {
    input: { divisor: 8 },
    anchors: { depthRatios: [1] },
    backbone: { normGroups: 8, levels: ["stem", "layer1"], pyramidChannels: 16, extraLevel: false },
    rpn: {
      sampleCount: 32,
      positiveOverlap: 0.35,
      negativeOverlap: 0.15,
      training: { before: 100, after: 50 },
      inference: { before: 100, after: 20 },
    },
    regions: { outputSize: [3, 3, 3], hidden: 32, sampleCount: 32, canonicalSide: 8, canonicalLevel: 1 },
  },
};
