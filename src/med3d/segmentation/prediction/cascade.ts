/** Coarse to fine: the first network finds the region, the second says what is in it; together they predict like one. */
import { regionOf } from "../../../data/index.ts";
import { cropOrPad, type Vec3, type Volume, type VoxelArray, type VoxelBox } from "../../../volume/index.ts";
import type { Pass } from "./members.ts";

/** Two networks as one; where the first finds nothing, nothing is there. */
export function cascadePass(coarse: Pass, fine: Pass, marginMm: number): Pass {
  return {
    plan: fine.plan,
    mirrored: fine.mirrored,
    predict: async (image, options) => {
      let first = 0;
      let firstMs = 0;
      const found = await coarse.predict(image, {
        ...options,
        // The region is found as it was in training.
        keepLargest: undefined,
        onWindow: (window, windows, ms) => {
          [first, firstMs] = [windows, ms];
          options.onWindow?.(window, windows, ms);
        },
      });
      const region = regionOf(found, marginMm);
      const [nx, ny, nz] = image.size;
      if (region === undefined) return { ...image, data: new Uint8Array(nx * ny * nz), channels: 1 };
      const part = await fine.predict(
        { ...cropOrPad(image, region), name: image.name },
        {
          ...options,
          onWindow: (window, windows, ms) => options.onWindow?.(first + window, first + windows, firstMs + ms),
        },
      );
      return { ...image, data: pasted(part, region, image.size), channels: 1 };
    },
    memory: (image, options) => {
      const first = coarse.memory(image, options);
      // The region is not known yet; it is the whole image at most. The image and the first mask stay beside it.
      fine.share(first.parts.image + first.parts.mask);
      try {
        const second = fine.memory(image, options);
        const windows = first.windows + second.windows;
        return { ...(first.bytes > second.bytes ? first : second), windows };
      } finally {
        fine.share(-first.parts.image - first.parts.mask);
      }
    },
    resident: () => coarse.resident() + fine.resident(),
    share: (bytes) => {
      coarse.share(bytes);
      fine.share(bytes);
    },
    close: async () => {
      await coarse.close();
      await fine.close();
    },
  };
}

/** A part's labels in the whole grid, 0 around it. */
function pasted({ data, size }: Volume<VoxelArray>, { start }: VoxelBox, whole: Vec3): VoxelArray {
  const out = new (data.constructor as new (length: number) => VoxelArray)(whole[0] * whole[1] * whole[2]);
  for (let z = 0; z < size[2]; z++) {
    for (let y = 0; y < size[1]; y++) {
      const from = (z * size[1] + y) * size[0];
      const to = ((z + start[2]) * whole[1] + y + start[1]) * whole[0] + start[0];
      (out as Uint8Array).set((data as Uint8Array).subarray(from, from + size[0]), to);
    }
  }
  return out;
}
