/** Predictions lie where their images lie: any orientation, any spacing, the same sizes and affine to the bit. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DataError, WeightsError } from "../../../errors.ts";
import { readVolume, readVolumeHeader, writeVolume } from "../../../files/index.ts";
import { graph, relu, scope, type Tensor } from "../../../graph/index.ts";
import { convLayer } from "../../../nn/index.ts";
import {
  type Affine,
  asFloat32,
  clipPercentiles,
  composeAffines,
  cropOrPad,
  keepLargestComponents,
  orderAxes,
  reorient,
  resampleToSpacing,
  restoreToGrid,
  type Vec3,
  type Volume,
  zScore,
} from "../../../volume/index.ts";
import { openSegmenter } from "../../runs.ts";
import { thresholdModel } from "../../test/threshold-model.ts";
import type { KeepLargest } from "../keep-largest.ts";
import type { SegmentationProgress, Segmenter } from "./segmenter.ts";

const SAMPLE = fileURLToPath(
  new URL("../../../../samples/hippocampus/imagesTr/hippocampus_001.nii.gz", import.meta.url),
);
const folder = mkdtempSync(join(tmpdir(), "medvox-predict-"));
let image: Volume;
let segmenter: Segmenter;

async function open(name: string, model: Uint8Array): Promise<Segmenter> {
  const path = join(folder, name);
  writeFileSync(path, model);
  return openSegmenter(path, { threads: 1 });
}

beforeAll(async () => {
  image = await readVolume(SAMPLE);
  segmenter = await open("model.onnx", thresholdModel([24, 32, 24]));
});
afterAll(async () => {
  await segmenter.close();
  rmSync(folder, { recursive: true });
});

/** Writes an image, predicts it, writes the mask as the commands do, and reads both back. */
async function predicted(name: string, volume: Volume, by = segmenter) {
  const path = join(folder, `${name}.nii.gz`);
  await writeVolume(path, volume, { force: true });
  const { volume: mask, image: read } = await by.predictCase({ id: name, image: path });
  const maskPath = join(folder, `${name}-mask.nii.gz`);
  await writeVolume(maskPath, mask, { like: read.header, force: true });
  return { image: await readVolume(path), mask: await readVolume(maskPath) };
}

const classesOf = ({ data }: Volume): number[] => Array.from(data as ArrayLike<number | bigint>, Number);

test("the classes are those of the model on the normalised image, as the data set's label values", async () => {
  const { mask } = await predicted("as it is", image);
  const normalised = zScore(asFloat32(reorient(image, "RAS")));
  const wanted = Array.from(normalised.data as Float32Array, (v) => (v > 0.5 ? 7 : 0));
  const turned = reorient(mask, "RAS");
  expect(classesOf(turned)).toEqual(wanted);
  expect(new Set(wanted)).toEqual(new Set([0, 7]));
});

/** A rotation by some degrees about z, with sheared, uneven spacing. */
const oblique = (degrees: number, spacing: readonly number[]): Affine => {
  const [c, s] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
  return [
    c * spacing[0],
    -s * spacing[1],
    0,
    -31.7,
    s * spacing[0],
    c * spacing[1],
    0.01,
    12.3,
    0,
    0.02,
    spacing[2],
    4.56,
    0,
    0,
    0,
    1,
  ];
};

describe.each([
  ["as it is", { from: [0, 1, 2], flip: [false, false, false] }],
  ["axes exchanged", { from: [2, 0, 1], flip: [false, false, false] }],
  ["left and right exchanged", { from: [0, 1, 2], flip: [true, false, false] }],
  ["axes exchanged and turned", { from: [1, 2, 0], flip: [true, false, true] }],
] as const)("%s", (name, order) => {
  test.each([
    ["with its own affine", undefined],
    ["turned by 20°, 0.7×1.3×2.9 mm", oblique(20, [0.7, 1.3, 2.9])],
    ["turned by −35°, millimetres with many digits", oblique(-35, [1 / 3, 2 / 7, 0.123456789])],
  ] as const)("%s: the same mask, at the same place to the bit", async (kind, turn) => {
    const there = turn === undefined ? image : { ...image, affine: composeAffines(turn, image.affine) };
    const reference = (await predicted("reference", { ...there, data: image.data })).mask;
    const copy = orderAxes(there, order);
    const { image: file, mask } = await predicted(`${name} ${kind}`, copy);
    expect(mask.size).toEqual(file.size);
    expect(mask.affine).toEqual(file.affine);
    expect(classesOf(mask)).toEqual(classesOf(orderAxes({ ...reference, affine: there.affine }, order)));
  });
});

test("a plan with another spacing changes neither sizes nor affine", async () => {
  const coarse = await open("coarse.onnx", thresholdModel([16, 16, 16], { spacingMm: [1.7, 2.1, 1.4] }));
  try {
    const turned = orderAxes(
      { ...image, affine: composeAffines(oblique(10, [1.1, 0.9, 1.3]), image.affine) },
      { from: [1, 0, 2], flip: [false, true, false] },
    );
    const { image: file, mask } = await predicted("coarse", turned, coarse);
    expect([mask.size, mask.affine]).toEqual([file.size, file.affine]);
    const [fine, found] = [(await predicted("fine", turned)).mask, mask].map(classesOf);
    // A coarser grid smooths borders; most voxels stay what they were.
    const same = fine.filter((value, i) => value === found[i]).length;
    expect(same / fine.length).toBeGreaterThan(0.85);
  } finally {
    await coarse.close();
  }
});

test("mirroring a model that looks at single voxels changes nothing, whatever the overlap", async () => {
  const item = { id: "a", image: SAMPLE };
  const wanted = classesOf((await segmenter.predictCase(item)).volume);
  for (const options of [{ mirror: true }, { overlap: 0 }, { overlap: 0.7 }, { mirror: true, overlap: 0.25 }])
    expect(classesOf((await segmenter.predictCase(item, options)).volume)).toEqual(wanted);
});

describe("in bounded memory", () => {
  /** The same by steps on whole volumes; the model looks at single voxels, so windows do not matter to it. */
  const wholly = (volume: Volume, orientation: string, spacingMm: Vec3 | null, keep: number | null): number[] => {
    const oriented = reorient(asFloat32(volume), orientation);
    const seen = spacingMm === null ? oriented : resampleToSpacing(oriented, spacingMm, { mode: "linear" });
    const normalised = zScore(clipPercentiles(seen, 0.5, 99.5));
    const thresholds = [0.5, 0.75, 1, 1.25];
    const classes = Uint8Array.from(normalised.data, (value) => thresholds.filter((level) => value > level).length);
    if (keep !== null) keepLargestComponents(classes, seen.size, keep);
    return Array.from(restoreToGrid({ ...normalised, data: classes }, volume).data, (index) => 7 * index);
  };

  test.each([
    ["as it is", "RAS", null, null, undefined],
    ["other axes, the largest parts", "LPI", null, 1, undefined],
    ["finer", "RAS", [0.8, 0.7, 0.9], 2, undefined],
    ["coarser and uneven", "ASL", [2.3, 1.1, 3.7], 1, undefined],
    ["in bands", "RAS", [0.8, 0.7, 0.9], 1, 1],
  ] as const)("%s: the labels of the whole way", async (name, orientation, spacingMm, keep, bands) => {
    const options = { classes: 5, orientation, spacingMm, keepLargest: keep ?? undefined };
    const intensity = { kind: "zscore", clipPercentile: [0.5, 99.5] } as const;
    const model = thresholdModel([13, 15, 11], { ...options, intensity });
    const path = join(folder, `${name}.onnx`);
    writeFileSync(path, model);
    // An odd part of the image, its axes exchanged.
    const part = cropOrPad(image, { start: [2, 3, 1], end: [33, 48, 30] });
    const volume = orderAxes(part, { from: [2, 0, 1], flip: [true, false, true] });
    const one = await openSegmenter(path, { threads: 1 });
    const size = { ...volume, bytesPerVoxel: volume.data.BYTES_PER_ELEMENT };
    const maxMemory = bands === undefined ? undefined : one.estimate(size).bytes - bands;
    const bounded = await openSegmenter(path, { threads: 1, maxMemory });
    try {
      expect(bounded.estimate(size).band !== undefined).toBe(bands !== undefined);
      const { volume: found } = await bounded.predict(volume, { overlap: 0.3 });
      const wanted = wholly(volume, orientation, spacingMm, keep);
      expect(new Set(wanted).size).toBe(5);
      expect(classesOf(found)).toEqual(wanted);
    } finally {
      await one.close();
      await bounded.close();
    }
  });
});

describe("as a program uses it", () => {
  test("a file is predicted to a file, with progress, and not over one that is there", async () => {
    const mask = join(folder, "mask.nii.gz");
    const told: SegmentationProgress[] = [];
    const onProgress = (progress: SegmentationProgress): void => void told.push(progress);
    const { windows, volume } = await segmenter.predictFile(SAMPLE, mask, { onProgress });
    expect(classesOf(await readVolume(mask))).toEqual(classesOf(volume));
    expect(told.map(({ window }) => window)).toEqual(Array.from({ length: windows }, (_, i) => i + 1));
    expect(told.at(-1)).toMatchObject({ share: 1, windows });
    expect((await readVolume(mask)).affine).toEqual(image.affine);
    await expect(segmenter.predictFile(SAMPLE, mask)).rejects.toThrow(/mask\.nii\.gz.*exists/);
    await segmenter.predictFile(SAMPLE, mask, { force: true });
  });

  test("an estimate counts the windows that will run, of a header, a volume or a size", async () => {
    const options = { overlap: 0.3 };
    const { windows } = await segmenter.predict(image, options);
    const header = await readVolumeHeader(SAMPLE);
    for (const size of [image, header, image.size])
      expect(segmenter.estimate(size, options)).toMatchObject({ windows, bytes: expect.any(Number) });
    const tall = segmenter.estimate([image.size[0], image.size[1], 10 * image.size[2]], options);
    expect(tall.windows).toBeGreaterThan(windows);
    expect(tall.bytes).toBeGreaterThan(segmenter.estimate(image.size, options).bytes);
  });

  test("many calls at once take turns and give what each alone gives; only so many wait", async () => {
    const path = join(folder, "model.onnx");
    const one = await openSegmenter(path, { threads: 1, mostWaiting: 2 });
    const other = cropOrPad(image, { start: [2, 3, 1], end: [33, 48, 30] });
    const alone = [image, other].map(async (volume) => classesOf((await segmenter.predict(volume)).volume));
    const calls = [image, other, image].map((volume) => one.predict(volume));
    await expect(one.predict(image)).rejects.toThrow(
      "segmenter: 2 calls wait already, which is the most that may (mostWaiting)",
    );
    const [first, second] = await Promise.all(alone);
    const found = await Promise.all(calls);
    expect(found.map(({ volume }) => classesOf(volume))).toEqual([first, second, first]);
    await one[Symbol.asyncDispose]();
    await one.close();
    await expect(one.predict(image)).rejects.toThrow("engine: it is closed");
  });

  test("a signal's own reason is what a call is rejected with, running or waiting", async () => {
    const stop = new AbortController();
    const reason = new Error("the client has gone");
    const mask = join(folder, "never.nii.gz");
    const running = segmenter.predictFile(SAMPLE, mask, { signal: stop.signal, onProgress: () => stop.abort(reason) });
    const waiting = segmenter.predict(image, { signal: stop.signal });
    const results = await Promise.allSettled([running, waiting]);
    for (const result of results) expect(result).toEqual({ status: "rejected", reason });
    expect(existsSync(mask)).toBe(false);
  });

  test("weights and a network are opened without a run", async () => {
    const { plan } = segmenter;
    const network = (input: Tensor): Tensor => convLayer(input, 2, scope("head"), { kernel: 1 });
    const weights = new Map([
      ["head.weight", { shape: [2, 1, 1, 1, 1], data: Float32Array.of(0, 40) }],
      ["head.bias", { shape: [2], data: Float32Array.of(0, -20) }],
    ]);
    await using own = await openSegmenter({ weights, network, plan }, { threads: 1 });
    expect(classesOf((await own.predict(image)).volume)).toEqual(classesOf((await segmenter.predict(image)).volume));
    const [, bias] = weights;
    await expect(openSegmenter({ weights: new Map([bias]), network, plan })).rejects.toThrow(
      new WeightsError("weights: lacks 1 of the network's tensors, the first head.weight"),
    );
    const wrong = (input: Tensor): Tensor => convLayer(input, 3, scope("head"), { kernel: 1 });
    await expect(openSegmenter({ weights, network: wrong, plan })).rejects.toThrow(
      /network: gives scores \[1, 3, 24, 32, 24\]; of 2 classes they must be/,
    );
    await expect(openSegmenter({ weights, network: { decoder: "skipp" as never }, plan })).rejects.toThrow(
      'network.decoder: "skipp"; must be one of',
    );
  });
});

describe("which components are kept", () => {
  // One row: an organ (7) with two lesions (14), the second one smaller; far from it a speck of organ.
  const row = [0, 7, 7, 14, 14, 7, 14, 7, 0, 0, 7, 0];
  const without = (...places: number[]): number[] => row.map((value, i) => (places.includes(i) ? 0 : value));
  const scan = {
    data: Float32Array.from(row, (value) => [0, 0.6, 1][value / 7]),
    size: [12, 1, 1] as const,
    affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
    channels: 1,
  };
  const rules: readonly [KeepLargest | null | undefined, number[]][] = [
    // The speck goes, both lesions stay.
    [{ foreground: 1 }, without(10)],
    [{ foreground: 2 }, row],
    // Of each class: the second lesion is gone, and pieces of the organ.
    [1, without(5, 6, 7, 10)],
    [{ classes: { "above 14": 1 } }, without(6)],
    [null, row],
  ];

  test.each(rules)("as the model says, or as the call says: %j", async (rule, wanted) => {
    const options = { classes: 3, intensity: { kind: "none" } } as const;
    const said = await open("said.onnx", thresholdModel([4, 4, 12], { ...options, keepLargest: rule ?? undefined }));
    const plain = await open("plain.onnx", thresholdModel([4, 4, 12], { ...options, keepLargest: 3 }));
    try {
      expect(classesOf((await said.predict(scan)).volume)).toEqual(wanted);
      expect(classesOf((await plain.predict(scan, { keepLargest: rule })).volume)).toEqual(wanted);
      await expect(plain.predict(scan, { keepLargest: { classes: { tumour: 1 } } })).rejects.toThrow(
        "keepLargest: tumour is no class of Threshold, which has above 7, above 14",
      );
    } finally {
      await said.close();
      await plain.close();
    }
  });
});

describe("what is refused", () => {
  test("an image of several channels", async () => {
    const data = new Float32Array(2 * 8 * 8 * 8).fill(1);
    const path = join(folder, "two.nii.gz");
    await writeVolume(path, { ...image, data, size: [8, 8, 8], channels: 2 });
    await expect(segmenter.predictCase({ id: "two", image: path })).rejects.toThrow(
      /2 channels, the plan was made for 1/,
    );
  });

  test("a model without a plan", async () => {
    const g = graph();
    const model = g.toOnnx({ y: relu(g.input("x", [1])) });
    await expect(open("foreign.onnx", model)).rejects.toThrow(
      new DataError(
        `${join(folder, "foreign.onnx")}: has no medvox plan in its metadata, so its preprocessing is unknown`,
      ),
    );
  });

  test("a signal stops between windows", async () => {
    const stop = new AbortController();
    const running = segmenter.predictCase(
      { id: "a", image: SAMPLE },
      { signal: stop.signal, onProgress: () => stop.abort() },
    );
    await expect(running).rejects.toMatchObject({ name: "AbortError" });
  });
});
