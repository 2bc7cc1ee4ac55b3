/** Every command that takes a volume takes DICOM: a folder of slices, a zip archive, a single multi-frame file. In process, on small series. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { medvox } from "../../test/cli/medvox.ts";
import { openDataset, readLabel } from "../data/index.ts";
import { parseDicom } from "../dicom/index.ts";
import { readVolume, writeVolume } from "../files/index.ts";
import { thresholdModel } from "../med3d/test/threshold-model.ts";
import { smallVolumeRequest, writeBlocks } from "../rcnn/test/volumes.ts";

const fixtures = fileURLToPath(new URL("../../test/fixtures/dicom", import.meta.url));
const forms = {
  folder: join(fixtures, "plain"),
  zip: join(fixtures, "series.zip"),
  "multi-frame file": join(fixtures, "enhanced/volume.dcm"),
} as const;
const cases = Object.entries(forms);
const work = mkdtempSync(join(tmpdir(), "medvox-dicom-"));
const at = (name: string): string => join(work, name);
afterAll(() => rmSync(work, { recursive: true, force: true }));

async function done(...words: string[]): Promise<Record<string, unknown>> {
  const { status, stdout, stderr } = await medvox(...words, "--json");
  expect(status, stderr + stdout).toBe(0);
  return JSON.parse(stdout);
}

let blocks = "";
beforeAll(async () => {
  writeFileSync(at("model.onnx"), thresholdModel([8, 16, 16]));
  blocks = await writeBlocks();
  writeFileSync(at("small.json"), JSON.stringify({ ...smallVolumeRequest, epochs: 1 }));
  const settings = { data: blocks, epochs: 1, threads: 1, patch: [16, 16, 16], batch: 1, width: 8, validation: 0 };
  writeFileSync(at("segmentation.json"), JSON.stringify(settings));
  await done("train", "segmentation", "--config", at("segmentation.json"), "--out", at("run"));
  await done("detect", "train", "--data", blocks, "--config", at("small.json"), "--out", at("detector"));
}, 120_000);
afterAll(() => rmSync(blocks, { recursive: true, force: true }));

describe.each(cases)("a %s", (form, path) => {
  const out = (name: string): string => at(`${form.replaceAll(" ", "-")}-${name}`);

  it("info", async () => {
    const { size, format, series } = await done("info", path);
    expect([size, format]).toEqual([(await readVolume(path)).size, "dicom"]);
    expect(series).toMatchObject({ modality: "CT" });
  });

  it("dicom list, dicom convert", async () => {
    expect(await done("dicom", "list", path)).toMatchObject({ series: [{ number: 1, verdict: "regular" }] });
    await done("dicom", "convert", path, out("ct.nii.gz"));
    const [converted, read] = [await readVolume(out("ct.nii.gz")), await readVolume(path)];
    expect(converted.data).toEqual(read.data);
    for (const [i, value] of converted.affine.entries()) expect(value).toBeCloseTo(read.affine[i], 3);
  });

  it("predict: NIfTI, and a DICOM segmentation with the same labels", async () => {
    const { predictions } = (await done("predict", at("model.onnx"), "--in", path, "--out", out("masks"))) as {
      predictions: { prediction: string }[];
    };
    const mask = await readVolume(predictions[0].prediction);
    await done("predict", at("model.onnx"), "--in", path, "--out", out("seg.dcm"));
    const object = parseDicom(new Uint8Array(await readFile(out("seg.dcm"))));
    expect(object.attributes.text("Modality")).toBe("SEG");
    const labels = await readVolume(out("seg.dcm"));
    const list = out("list.json");
    writeFileSync(list, JSON.stringify([{ image: path, label: out("seg.dcm") }]));
    const [item] = (await openDataset(list, { labels: { 0: "background", 1: "above 7" } })).cases;
    const placed = await readLabel(item, await readVolume(path));
    expect(Array.from(placed.data as Uint8Array, (value) => 7 * value)).toEqual(Array.from(mask.data as Uint8Array));
    expect(labels.header.dicom?.segments).toEqual({ 1: "above 7" });
  });

  it("features, detect predict", async () => {
    await done("features", at("run"), "--in", path, "--out", out("features.npy"));
    const { images } = await done(
      "detect",
      "predict",
      at("detector"),
      "--in",
      path,
      "--format",
      "sr",
      "--out",
      out("found"),
    );
    expect(images).toBe(1);
  });

  it("a training set of it is verified and planned", async () => {
    const { data, ...grid } = await readVolume(path);
    await writeVolume(out("label.nii.gz"), {
      ...grid,
      data: Uint8Array.from(data as Int16Array, (value) => (value > 0 ? 1 : 0)),
    });
    const folder = out("set");
    mkdirSync(folder);
    const description = {
      name: "DICOM",
      labels: { 0: "background", 1: "bright" },
      modality: { 0: "CT" },
      training: [{ image: path, label: out("label.nii.gz") }],
    };
    writeFileSync(join(folder, "dataset.json"), JSON.stringify(description));
    expect(await done("verify", folder)).toMatchObject({ ok: true, summary: { cases: 1 } });
    await done("plan", folder);
  });
});

describe("slices that are not regular", () => {
  it("are predicted with --repair alone, and answered on the slices that are there", async () => {
    const path = join(fixtures, "missing");
    const refused = await medvox("predict", at("model.onnx"), "--in", path, "--out", at("refused.dcm"));
    expect(refused.status).toBe(1);
    expect(refused.stdout + refused.stderr).toContain("1 slice is missing");
    await done("predict", at("model.onnx"), "--in", path, "--out", at("repaired.dcm"), "--repair");
    const object = parseDicom(new Uint8Array(await readFile(at("repaired.dcm"))));
    const instances = object.attributes.item("ReferencedSeriesSequence")?.items("ReferencedInstanceSequence");
    expect(instances).toHaveLength(7);
  });

  it("a DICOM segmentation needs DICOM images", async () => {
    await writeVolume(at("plain.nii.gz"), {
      data: new Float32Array(512),
      size: [8, 8, 8],
      affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
      channels: 1,
    });
    const { status, stdout, stderr } = await medvox(
      ...["predict", at("model.onnx"), "--in", at("plain.nii.gz"), "--out", at("x.dcm")],
    );
    expect(status).toBe(1);
    expect(stdout + stderr).toContain("is no DICOM image");
  });
});
