import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encode } from "fast-png";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { writeVolume } from "../../files/index.ts";
import type { DetectionItem } from "../boxes/detection.ts";
import { canvasFor } from "../boxes/prepare.ts";
import { createDetectionLoader, type DetectionBatch, type DetectionLoader } from "./boxes.ts";

let root: string;
const pictures: DetectionItem[] = [];
const volumes: DetectionItem[] = [];
const open: DetectionLoader[] = [];
const kept = <T extends DetectionLoader>(loader: T): T => {
  open.push(loader);
  return loader;
};

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "medvox-loader-"));
  for (let i = 0; i < 5; i++) {
    const [width, height] = i === 0 ? [30, 50] : [40, 30];
    const data = Uint8Array.from({ length: 3 * width * height }, (_, k) => (k * 13 + i * 50) % 256);
    const image = join(root, `p${i}.png`);
    await writeFile(image, encode({ width, height, data, channels: 3, depth: 8 }));
    const flags = { difficult: Uint8Array.of(0, 1), crowd: new Uint8Array(2), labels: Int32Array.of(1, 0) };
    const boxes = Float64Array.of(5, 5, 15, 15, 2, 2, 8, 8);
    pictures.push({ id: `p${i}`, image, size: [width, height], boxes, ...flags });
  }
  // Anisotropic, so that the working grid is another one.
  const affine = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1];
  for (let i = 0; i < 2; i++) {
    const data = new Int16Array(24 * 24 * 12);
    for (let z = 4; z < 7; z++)
      for (let y = 8; y < 14; y++) data.fill(1000, 24 * (24 * z + y) + 6, 24 * (24 * z + y) + 12);
    const image = join(root, `v${i}.nii.gz`);
    await writeVolume(image, { size: [24, 24, 12], affine, channels: 1, data });
    const boxes = Float64Array.of(6, 8, 4, 12, 14, 7);
    volumes.push({
      id: `v${i}`,
      image,
      size: [24, 24, 12],
      boxes,
      labels: Int32Array.of(0),
      difficult: Uint8Array.of(0),
      crowd: Uint8Array.of(0),
    });
  }
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((loader) => loader.close()));
});
afterAll(() => rm(root, { recursive: true }));

const prepare = { shortSide: 24, longSide: 64, channels: 3 as const, mean: [0, 0, 0], std: [1, 1, 1] };
const pictureOptions = { axes: 2, prepare, batch: 2, seed: 7, augmentation: "slide" } as const;

function digest({ input, images }: DetectionBatch): string {
  const hash = createHash("sha1").update(new Uint8Array(input.buffer));
  for (const { id, boxes, labels } of images) hash.update(id).update(Buffer.from(boxes.buffer)).update(String(labels));
  return hash.digest("hex");
}

async function epoch(loader: DetectionLoader, number: number, fromStep = 0): Promise<string[]> {
  const digests: string[] = [];
  for await (const batch of loader.batches(number, fromStep)) digests.push(digest(batch));
  return digests;
}

describe("pictures", () => {
  it("come on one canvas, with boxes in its pixels, whatever the number of workers", async () => {
    const one = kept(createDetectionLoader({ ...pictureOptions, items: pictures }));
    const three = kept(createDetectionLoader({ ...pictureOptions, items: pictures, workers: 3, cacheBytes: 1 }));
    expect(one.canvas).toEqual([32, 64]);
    expect(one.stepsPerEpoch).toBe(3);
    const [first, second] = [await epoch(one, 0), await epoch(one, 1)];
    expect(first.length).toBe(3);
    expect(new Set([...first, ...second]).size).toBe(6);
    expect(await epoch(three, 0)).toEqual(first);
    expect(await epoch(three, 1)).toEqual(second);
    // Any step can be started from, and an epoch can be read again.
    expect(await epoch(three, 0, 1)).toEqual(first.slice(1));
    let count = 0;
    for await (const { input, images } of one.batches(2)) {
      count += images.length;
      expect(images.map(({ labels }) => labels.length).some((boxes) => boxes > 0)).toBe(true);
      expect(input.length).toBe(2 * 3 * 32 * 64);
      for (const { size, boxes, labels, ignored } of images) {
        expect(boxes.length).toBe(4 * labels.length);
        expect(ignored.length).toBe(labels.length);
        boxes.forEach((corner, i) => {
          expect(corner).toBeGreaterThanOrEqual(0);
          expect(corner).toBeLessThanOrEqual(size[i % 2]);
        });
        labels.forEach((label, i) => {
          expect(ignored[i]).toBe(label === 0 ? 1 : 0);
        });
      }
    }
    expect(count).toBe(6);
  });

  it("a damaged file is named", async () => {
    const broken = join(root, "broken.png");
    await writeFile(broken, "no picture");
    const loader = kept(createDetectionLoader({ ...pictureOptions, items: [{ ...pictures[1], image: broken }] }));
    await expect(epoch(loader, 0)).rejects.toThrow(/p1: .*broken\.png: not a picture/);
    const wrong = kept(createDetectionLoader({ ...pictureOptions, items: [{ ...pictures[1], size: [41, 30] }] }));
    await expect(epoch(wrong, 0)).rejects.toThrow("p1: annotation says 41×30, the image is 40×30");
  });

  it("the canvas holds every fitted picture", () => {
    expect(canvasFor([{ id: "a", size: [640, 480] }], { shortSide: 240, longSide: 400 })).toEqual([320, 256]);
    expect(() => canvasFor([{ id: "a" }], prepare)).toThrow("a: its size is not known");
    expect(() => createDetectionLoader({ ...pictureOptions, items: pictures, batch: 0 })).toThrow("batch");
  });
});

describe("volumes", () => {
  const volumeOptions = {
    axes: 3,
    prepare: { orientation: "RAS", spacingMm: [1, 1, 1], intensity: { kind: "none" }, channels: 1 },
    canvas: [16, 16, 16],
    batch: 1,
    seed: 3,
    stepsPerEpoch: 6,
    objectProbability: 1,
    augmentation: {
      quarterTurns: { probability: 1, axes: ["z"] },
      flip: { probability: 0.5, axes: ["x", "y", "z"] },
    },
  } as const;

  it("windows on the working grid, boxes where the bright voxels are", async () => {
    const loader = kept(createDetectionLoader({ ...volumeOptions, items: volumes, workers: 2 }));
    let count = 0;
    for await (const { input, images } of loader.batches(0)) {
      count++;
      const [{ boxes, labels }] = images;
      expect([...labels]).toEqual([0]);
      const bounds = [16, 16, 16, 0, 0, 0];
      input.forEach((value, i) => {
        // Along z the volume was interpolated; half way is the edge.
        if (value < 499) return;
        [i % 16, Math.floor(i / 16) % 16, Math.floor(i / 256)].forEach((v, axis) => {
          bounds[axis] = Math.min(bounds[axis], v);
          bounds[3 + axis] = Math.max(bounds[3 + axis], v + 1);
        });
      });
      boxes.forEach((corner, i) => {
        expect(Math.abs(corner - bounds[i])).toBeLessThanOrEqual(i % 3 === 2 ? 1 : 1e-6);
      });
    }
    expect(count).toBe(6);
  });
});
