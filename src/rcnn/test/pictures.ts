/** A tiny Pascal VOC folder of bright and dark squares on grey, as PNG files, and what trains on it in seconds. */
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encode } from "fast-png";
import { random } from "../../random.ts";
import type { DetectionRequest } from "../run/config.ts";

/** @returns the folder: 6 pictures of 64×48 to train on, 3 of them in `val` and 1 with a box without extent */
export async function writeSquares(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "medvox-squares-"));
  for (const folder of ["Annotations", "JPEGImages", "ImageSets/Main"])
    await mkdir(join(root, folder), { recursive: true });
  const source = random(3, "squares");
  const ids = Array.from({ length: 9 }, (_, i) => `p${i}`);
  for (const [i, id] of ids.entries()) {
    const data = new Uint8Array(64 * 48 * 3).map(() => 110 + source.integer(20));
    const side = 12 + source.integer(6);
    const objects = ["bright", "dark"].map((name, k) => {
      const left = 2 + k * 32 + source.integer(10);
      const top = 2 + source.integer(48 - side - 4);
      for (let y = top; y < top + side; y++)
        for (let x = left; x < left + side; x++)
          data.fill(name === "bright" ? 240 : 10, (y * 64 + x) * 3, (y * 64 + x) * 3 + 3);
      return box(name, left, top, left + side, top + side);
    });
    if (i === 0) objects.push(box("bright", 5, 5, 5, 9));
    await writeFile(join(root, `JPEGImages/${id}.png`), encode({ width: 64, height: 48, data, channels: 3, depth: 8 }));
    await writeFile(
      join(root, `Annotations/${id}.xml`),
      `<annotation><filename>${id}.png</filename><size><width>64</width><height>48</height><depth>3</depth></size>${objects.join("")}</annotation>`,
    );
  }
  await writeFile(join(root, "ImageSets/Main/train.txt"), `${ids.slice(0, 6).join("\n")}\n`);
  await writeFile(join(root, "ImageSets/Main/val.txt"), `${ids.slice(6).join("\n")}\n`);
  return root;
}

function box(name: string, ...[left, top, right, bottom]: number[]): string {
  return `<object><name>${name}</name><bndbox><xmin>${left}</xmin><ymin>${top}</ymin><xmax>${right}</xmax><ymax>${bottom}</ymax></bndbox></object>`;
}

/** A detector of few channels at strides 4 and 8. */
export const smallRequest: Omit<DetectionRequest, "data"> = {
  depth: 10,
  norm: "group",
  minSide: 48,
  maxSide: 64,
  anchorSizes: [[12], [20]],
  anchorRatios: [1],
  batch: 2,
  validation: 2,
  threads: 1,
  detector: {
    input: { divisor: 16 },
    backbone: { normGroups: 8, levels: ["layer1", "layer2"], pyramidChannels: 16, extraLevel: false },
    rpn: { sampleCount: 32, training: { before: 100, after: 50 }, inference: { before: 100, after: 30 } },
    regions: { outputSize: [3, 3], hidden: 32, sampleCount: 32, canonicalSide: 16, canonicalLevel: 2 },
  },
};
