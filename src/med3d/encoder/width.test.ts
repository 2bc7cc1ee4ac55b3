/** Networks on a narrow encoder: what follows from its width, a training of one, and weights of another width refused. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { imageOf, labelOf, writeDecathlon } from "../../data/test/made-up.ts";
import { ConfigError, WeightsError } from "../../errors.ts";
import { graph } from "../../graph/index.ts";
import { type ExportOptions, exportRun, folderStore, readRunOf } from "../../train/index.ts";
import {
  classificationScores,
  type EncoderConfig,
  encoderName,
  evaluateSegmentationRun,
  importWeights,
  openFeatures,
  openSegmenter,
  resolveClassificationConfig,
  resolvePretrainingConfig,
  resolveSegmentationConfig,
  type SegmentationConfig,
  segmentation,
  segmentationScores,
  trainSegmentation,
} from "../index.ts";

/** Names and shapes of a segmentation network of 2 channels and 3 classes. */
function shapesOf(config: Pick<SegmentationConfig, "decoder"> & EncoderConfig): [string, readonly number[]][] {
  const g = graph();
  segmentationScores(g.input("x", [1, 2, 32, 32, 32]), 3, { decoderChannels: null, ...config });
  return [...g.parameters].map(([name, { shape }]) => [name, shape]);
}

describe("decoders follow from the encoder's channels", () => {
  test.each([
    ["skip", 8],
    ["skip", 32],
    ["upsampling", 8],
    ["transposed", 8],
    ["denseAspp", 8],
  ] as const)("%s on output stride %d", (decoder, outputStride) => {
    const wide = shapesOf({ depth: 10, decoder, outputStride });
    const narrow = shapesOf({ depth: 10, decoder, outputStride, width: 16 });
    /** Where a number is of the data, not of the network: input channels, classes, kernels. */
    const given = (name: string, axis: number): boolean =>
      axis > 1 ||
      (axis === 1 && name === "conv1.weight") ||
      (axis === 0 && /^(decoder\.classify|head)\.(weight|bias)$/.test(name));
    expect(narrow).toEqual(
      wide.map(([name, shape]) => [
        name,
        shape.map((n, axis) => {
          if (given(name, axis)) return n;
          // The skip decoder joins the image itself, whose two channels stay two.
          const image = axis === 1 && /up\d\.mix\.weight$/.test(name) && n % 4 === 2 ? 2 : 0;
          return (n - image) / 4 + image;
        }),
      ]),
    );
  });

  test("channels that are named are taken as they are", () => {
    const g = graph();
    const config = resolveSegmentationConfig({ data: "", width: 8, decoderChannels: [12, 6, 3] });
    segmentationScores(g.input("x", [1, 1, 16, 16, 16]), 2, config);
    expect(g.parameters.get("decoder.up1.reduce.weight")!.shape).toEqual([12, 64, 1, 1, 1]);
  });

  test("a classification's layer does, too", () => {
    const g = graph();
    const config = resolveClassificationConfig({ data: "", width: 8, stages: 2 });
    classificationScores(g.input("x", [1, 1, 16, 16, 16]), undefined, 2, config);
    expect(g.parameters.get("classify.weight")!.shape).toEqual([2, 16, 1, 1, 1]);
  });
});

describe("the key", () => {
  test("is 64 unless told otherwise, of every task; a multiple of 4", () => {
    const sets = [{ name: "a", data: "a" }];
    for (const { width } of [
      resolveSegmentationConfig({ data: "" }),
      resolveClassificationConfig({ data: "" }),
      resolvePretrainingConfig({ sets }),
    ])
      expect(width).toBe(64);
    expect(resolvePretrainingConfig({ sets, width: 8 }).width).toBe(8);
    for (const width of [0, -4, 6, 4.5]) {
      expect(() => resolveSegmentationConfig({ data: "", width })).toThrow(ConfigError);
      expect(() => resolveSegmentationConfig({ data: "", width })).toThrow(/^width: /);
    }
  });

  test("is said where it is not the released one", () => {
    expect(encoderName({ depth: 18 })).toBe("resnet18");
    expect(encoderName({ depth: 18, width: 64 })).toBe("resnet18");
    expect(encoderName({ depth: 18, width: 16 })).toBe("resnet18 of width 16");
  });
});

describe("a run", () => {
  const folder = mkdtempSync(join(tmpdir(), "medvox-width-"));
  const run = join(folder, "run");
  const request = { epochs: 1, patch: [16, 16, 16], batch: 1, heldOut: 1, validation: 0, threads: 1, width: 4 };
  let data = "";
  const exportEncoder = async (out: string, options: Partial<ExportOptions> = {}) =>
    exportRun(
      { task: segmentation, run: await readRunOf(folderStore(run), segmentation) },
      { format: "safetensors", out, encoder: true, ...options },
    );
  beforeAll(async () => {
    const size = [16, 16, 16] as const;
    data = await writeDecathlon(
      [0, 1, 2].map((i) => ({ id: `case_${i}`, image: imageOf(size, i), label: labelOf(size, i) })),
    );
    await trainSegmentation({ data, ...request, patch: [16, 16, 16] }, { out: run });
  });
  afterAll(() => {
    for (const path of [folder, data]) rmSync(path, { recursive: true, force: true });
  });

  test("trains, is scored, and predicts the same from its exported model", async () => {
    const { scores } = await evaluateSegmentationRun(run);
    expect(scores).toHaveLength(1);
    const image = { ...imageOf([20, 18, 17], 7), name: "image" };
    const [trained, exported] = await Promise.all(
      [run, join(run, "model.onnx")].map(async (path) => {
        const segmenter = await openSegmenter(path, { threads: 1 });
        const { volume } = await segmenter.predict(image);
        await segmenter.close();
        return volume.data;
      }),
    );
    expect(exported).toEqual(trained);
  });

  test("its encoder is exported and imported again, and gives features of its own width", async () => {
    const out = join(folder, "encoder.safetensors");
    await exportEncoder(out);
    const { match } = await importWeights(out, { depth: 10, preActivation: false });
    expect([match.missing, match.unexpected]).toEqual([[], []]);
    const features = await openFeatures(out, {
      architecture: { depth: 10, preActivation: false },
      pool: true,
      threads: 1,
    });
    const image = join(data, "imagesTr", "case_0.nii.gz");
    expect((await features.extract({ id: "a", image })).shape).toEqual([32]);
    await features.close();
  });

  test("weights of another width are refused by what they are, before anything is trained", async () => {
    const from = join(folder, "encoder.safetensors");
    await exportEncoder(from, { force: true });
    const wider = trainSegmentation({ data, ...request, patch: [16, 16, 16], width: 8, from }, { out: `${run}-8` });
    await expect(wider).rejects.toThrow(WeightsError);
    await expect(wider).rejects.toThrow(
      `${from}: holds an encoder of width 4; the network's has width 8 (channels of the first stage), and weights fit their own width only`,
    );
  });
});
