/** Detection as a user types it: on tiny made-up pictures, and on a few of BCCD's made small. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readImage2d, readSafetensors, writeSafetensors } from "../../src/files/index.ts";
import { toPlanar } from "../../src/images/index.ts";
import { random } from "../../src/random.ts";
import { detectorShapes, torchvisionDetector } from "../../src/rcnn/index.ts";
import { smallRequest, writeSquares } from "../../src/rcnn/test/pictures.ts";
import type { WeightTensor } from "../../src/weights/index.ts";
import { undeclaredKeys } from "./json-keys.ts";
import { type Ended, medvox, workFolder } from "./medvox.ts";

const bccd = fileURLToPath(new URL("../../../shared/data/BCCD", import.meta.url));
if (!existsSync(bccd)) console.warn("skipped: ../shared/data/BCCD is not here, so no blood cells are detected");
const work = workFolder("cli-detect");
let data = "";
let trained: Ended;

beforeAll(async () => {
  data = await writeSquares();
  writeFileSync(join(work, "small.json"), JSON.stringify(smallRequest));
  const asked = ["--data", data, "--config", "small.json", "--epochs", "30", "--optimizer", "adamW", "--lr", "0.003"];
  trained = await medvox("detect", "train", ...asked, "--out", "run", "--json");
}, 300_000);
afterAll(() => rmSync(data, { recursive: true, force: true }));

describe("detect train", () => {
  test("--json: one document; who learns, what is left out, a line an epoch with loss and AP", async () => {
    expect(trained.status, trained.stderr).toBe(0);
    expect(JSON.parse(trained.stdout)).toEqual({
      task: "detection",
      run: "run",
      classes: ["bright", "dark"],
      train: 4,
      validation: 2,
      heldOut: 3,
      problems: {
        count: 1,
        rules: { degenerate: 1 },
        list: [expect.objectContaining({ severity: "error", rule: "degenerate" })],
      },
    });
    expect(await undeclaredKeys("detect train", trained.stdout)).toEqual([]);
    expect(trained.stderr).toMatch(/^1 problem \(1 degenerate\)$/m);
    expect(trained.stderr).toMatch(/4 train · 2 watched · 3 held out · bright, dark$/m);
    expect(trained.stderr).toMatch(/^epoch 30\/30 {2}loss \d\.\d{3} {2}validation \d\.\d{3} {2}AP50 \d\.\d{3}/m);
    for (const name of ["run.json", "plan.json", "log.jsonl", "checkpoints/last.safetensors"])
      expect(existsSync(join(work, "run", name)), name).toBe(true);
    expect((await medvox("info", "run")).stdout).toMatch(/^progress {2}epoch 30\/30, loss /m);
  });

  test("nothing is overwritten unasked; a run that ended is left as it is", async () => {
    const again = await medvox("detect", "train", "--data", data, "--out", "run");
    expect(again.status).toBe(2);
    expect(again.stderr).toMatch(/^ConfigError: run: is a folder with files in it/);
    const before = readFileSync(join(work, "run/checkpoints/last.safetensors"));
    const resumed = await medvox("train", "--resume", "run");
    expect(resumed.status, resumed.stderr).toBe(0);
    expect(resumed.stdout).toContain("next   medvox evaluate run");
    expect(readFileSync(join(work, "run/checkpoints/last.safetensors")).equals(before)).toBe(true);
  });

  test.each([
    [["--arch", "resnet19"], /--arch.*must be vgg16 or resnet10/],
    [["--schedule", "jiont"], /^ConfigError: schedule: "jiont"; must be one of joint, alternating/],
    [["--anchors", "8/16/32"], /anchors\.sizes: sizes for 3 levels, the backbone has 5/],
    [["--canvas", "100,64"], /^ConfigError: canvas: 100,64; each must be a multiple of 32/],
    [["--spacing", "1,1,1"], /^ConfigError: spacingMm and window: are for volumes/],
    [["--trainable-stages", "6"], /^ConfigError: --trainable-stages 6: must be between 0 and 5/],
    [["--trainable-stages", "3"], /^ConfigError: trainableStages: 3; stages that stay as they are need weights/],
    [["--from", "run", "--backbone", "run"], /^ConfigError: backbone: from is given as well; name one of the two/],
  ])("%j is told in one line", async (asked, message) => {
    const { status, stderr } = await medvox("detect", "train", "--data", data, "--out", "wrong", ...asked);
    expect(status).toBe(2);
    expect(stderr).toMatch(message);
    expect(existsSync(join(work, "wrong"))).toBe(false);
  });
});

describe("detect train, what it starts from and what it is built of", () => {
  const asked = async (...more: string[]) => {
    const { status, stderr } = await medvox(
      "detect",
      "train",
      "--data",
      data,
      "--epochs",
      "1",
      "--validation",
      "0",
      ...more,
    );
    expect(status, stderr).toBe(0);
    return stderr;
  };

  test("--from: a detector, its first stages kept", async () => {
    const same = await asked("--config", "small.json", "--from", "run", "--out", "again");
    expect(same).toMatch(/^from run: \d+ matched · 0 missing · 0 unexpected/m);
    const [{ tensors: old }, { tensors: now }] = await Promise.all(
      ["run", "again"].map((run) => readSafetensors(join(work, run, "checkpoints/last.safetensors"))),
    );
    const kept = (name: string): boolean => isDeepStrictEqual(now.get(name)!.data, old.get(name)!.data);
    expect(kept("backbone.body.layer1.0.conv1.weight")).toBe(true);
    expect(kept("backbone.body.layer2.0.conv1.weight")).toBe(false);
  });

  test("--backbone: its layers alone, all of which learn if asked to", async () => {
    const other = await asked(
      ...[
        "--config",
        "small.json",
        "--backbone",
        "run",
        "--trainable-stages",
        "5",
        "--classes",
        "dark",
        "--out",
        "dark",
      ],
    );
    expect(other).toMatch(/^backbone from run: \d+ matched · 0 missing · 0 unexpected/m);
    // The other class's boxes are not told as broken; the one without extent is of them as well.
    expect(other).toMatch(/^2 problems \(1 degenerate, 1 unwanted-class\)$/m);
    expect(other).toMatch(/3 held out · dark$/m);
    const { config } = JSON.parse(readFileSync(join(work, "dark/run.json"), "utf8"));
    expect(config).toMatchObject({ backbone: "run", from: null, trainableStages: 5 });
  });

  test("--preset paper --arch vgg16", async () => {
    const heads = { regions: { hidden: 16, sampleCount: 32 }, rpn: { sampleCount: 32 } };
    writeFileSync(join(work, "vgg.json"), JSON.stringify({ detector: heads, threads: 1 }));
    const about = ["--config", "vgg.json", "--preset", "paper", "--arch", "vgg16", "--anchors", "12,20,30"];
    const said = await asked(...about, "--min-size", "48", "--max-size", "64", "--out", "vgg");
    expect(said).toMatch(/^Faster R-CNN \(paper\), VGG-16 · 64×48 · batch 2 · sgd 0.005 · 1 thread$/m);
    const scored = await medvox("detect", "evaluate", "vgg", "--threads", "1", "--json");
    expect(scored.status, scored.stderr).toBe(0);
    expect(JSON.parse(scored.stdout)).toMatchObject({ task: "detection", images: 3 });
    const { detector } = JSON.parse(readFileSync(join(work, "vgg/plan.json"), "utf8"));
    expect(detector).toMatchObject({
      backbone: { kind: "vgg16", pyramidChannels: null },
      rpn: { objectness: "softmax", dropBoundary: true, lossNormalisation: "paper", lambda: 10 },
      regions: { pooling: "max", hidden: 16, dropout: 0.5 },
    });
  });
});

describe("detect evaluate, and evaluate", () => {
  test("the keys of the architecture, the same by both names", async () => {
    const own = await medvox("detect", "evaluate", "run", "--threads", "1", "--json");
    expect(own.status, own.stderr).toBe(0);
    const json = JSON.parse(own.stdout);
    expect(json).toMatchObject({ task: "detection", images: 3, run: "run", report: "run/report.html" });
    expect(Object.keys(json.classes)).toEqual(["bright", "dark"]);
    expect(json.ap50).toBeGreaterThan(0.5);
    expect(await undeclaredKeys("detect evaluate", own.stdout)).toEqual([]);
    const common = await medvox("evaluate", "run", "--threads", "1", "--json");
    expect(JSON.parse(common.stdout)).toEqual(json);
    expect(await undeclaredKeys("evaluate", common.stdout)).toEqual([]);
    expect((await medvox("evaluate", "run", "--mirror")).stderr).toBe(
      "ConfigError: --mirror: is not for a detection run, which run is; leave it out\n",
    );
  });
});

describe("detect predict", () => {
  test("JSON and pictures; --score, --max and --classes choose", async () => {
    const input = join(data, "JPEGImages");
    const all = await medvox("detect", "predict", "run", "--in", input, "--out", "found", "--threads", "1", "--json");
    expect(all.status, all.stderr).toBe(0);
    const { detections, images, files } = JSON.parse(all.stdout);
    expect(images).toBe(9);
    expect(files).toHaveLength(10);
    expect(readdirSync(join(work, "found/pictures"))).toHaveLength(9);
    expect(JSON.parse(readFileSync(join(work, "found/detections.json"), "utf8"))).toEqual(detections);
    expect(await undeclaredKeys("detect predict", all.stdout)).toEqual([]);
    const few = ["--score", "0.3", "--max", "1", "--classes", "dark", "--threads", "1", "--json"];
    const chosen = JSON.parse((await medvox("detect", "predict", "run", "--in", input, ...few)).stdout).detections;
    const wanted = (detections as { category_id: number; score: number }[]).filter(
      ({ category_id, score }) => category_id === 1 && score > 0.3,
    );
    expect(new Set(chosen.map((one: { image_id: string }) => one.image_id)).size).toBe(chosen.length);
    for (const one of chosen) expect(wanted).toContainEqual(one);
    const common = await medvox("predict", "run", "--in", input, "--out", "found2", "--threads", "1", "--json");
    expect(JSON.parse(common.stdout).detections).toEqual(detections);
    expect(await undeclaredKeys("predict", common.stdout)).toEqual([]);
  });

  test("torchvision's names of old and of today are the same weights; without a run folder", {
    timeout: 300_000,
  }, async () => {
    const source = random(1, "weights");
    const [now, old] = [new Map<string, WeightTensor>(), new Map<string, WeightTensor>()];
    for (const [name, shape] of detectorShapes(torchvisionDetector("fasterrcnn_resnet18_fpn", { numClasses: 3 }))) {
      const size = shape.reduce((a, b) => a * b, 1);
      const width = shape.length > 1 ? Math.sqrt(shape[0] / size) : 0;
      const at = name.endsWith("running_var") || (name.includes("bn") && name.endsWith("weight")) ? 1 : 0;
      const values = Float32Array.from({ length: size }, () => at + width * source.normal());
      const tensor: WeightTensor = { dtype: "F32", shape: [...shape], data: values };
      now.set(name, tensor);
      old.set(name.replace(/(_blocks\.\d)\.0\./, "$1.").replace("rpn.head.conv.0.0.", "rpn.head.conv."), tensor);
    }
    expect([...old.keys()].filter((name) => !now.has(name))).toHaveLength(18);
    await writeSafetensors(join(work, "now.safetensors"), now, {});
    await writeSafetensors(join(work, "old.safetensors"), old, {});
    const about = ["--arch", "fasterrcnn_resnet18_fpn", "--num-classes", "3", "--min-size", "96", "--max-size", "128"];
    const input = ["--in", join(data, "JPEGImages/p0.png"), "--threads", "1", "--json"];
    const found: { image_id: string; bbox: number[] }[][] = [];
    for (const name of ["now", "old"]) {
      const { status, stdout, stderr } = await medvox(
        "detect",
        "predict",
        "--weights",
        `${name}.safetensors`,
        ...about,
        ...input,
      );
      expect(status, stderr).toBe(0);
      found.push(JSON.parse(stdout).detections);
    }
    expect(found[0].length).toBeGreaterThan(0);
    expect(found[0][0]).toMatchObject({
      image_id: "p0",
      bbox: [expect.any(Number), expect.any(Number), expect.any(Number), expect.any(Number)],
    });
    expect(found[1]).toEqual(found[0]);
    const imported = await medvox(
      "import",
      "old.safetensors",
      "--arch",
      "fasterrcnn_resnet18_fpn",
      "--out",
      "new.safetensors",
      "--json",
    );
    expect(JSON.parse(imported.stdout)).toMatchObject({
      numClasses: 3,
      normEpsilon: 1e-5,
      missing: [],
      unexpected: [],
    });
    expect(await undeclaredKeys("import", imported.stdout)).toEqual([]);
    const graph = [
      "export",
      "--weights",
      "now.safetensors",
      ...about,
      "--format",
      "onnx",
      "--out",
      "now.onnx",
      "--json",
    ];
    const exported = await medvox(...graph);
    expect(exported.status, exported.stderr).toBe(0);
    expect(JSON.parse(exported.stdout)).toEqual({ format: "onnx", out: "now.onnx", canvas: [128, 96] });
    const wrong = await medvox("detect", "predict", "--weights", "now.safetensors", ...input);
    expect(wrong.stderr).toMatch(/^ConfigError: --weights: needs --arch and --num-classes, too/);
  });
});

describe("export", () => {
  test("one ONNX file finds what detect predict finds; info shows what it is; predict says where it belongs", async () => {
    const { status, stdout, stderr } = await medvox(
      "export",
      "run",
      "--format",
      "onnx",
      "--out",
      "squares.onnx",
      "--json",
    );
    expect(status, stderr).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ run: "run", format: "onnx", out: "squares.onnx", canvas: [64, 48] });
    expect(await undeclaredKeys("export", stdout)).toEqual([]);
    const { metadata, inputs } = JSON.parse((await medvox("info", "squares.onnx", "--json")).stdout);
    expect(metadata).toMatchObject({ task: "detection", classes: '["bright","dark"]', canvas: "64,48" });
    expect(inputs).toEqual([{ name: "image", dtype: "float", shape: [1, 3, "height", "width"] }]);
    const picture = await readImage2d(join(data, "JPEGImages/p7.png"));
    const { data: pixels, width, height } = toPlanar(picture);
    const session = await InferenceSession.create(join(work, "squares.onnx"), { intraOpNumThreads: 1 });
    const found = await session.run({ image: new Tensor("float32", pixels, [1, 3, height, width]) });
    await session.release();
    const asked = ["--in", join(data, "JPEGImages/p7.png"), "--threads", "1", "--json"];
    const { detections } = JSON.parse((await medvox("detect", "predict", "run", ...asked)).stdout);
    expect(detections.length).toBeGreaterThan(0);
    expect(found.scores.dims).toEqual([detections.length]);
    const names = ["bright", "dark"];
    for (const [i, { bbox, score, category_id }] of detections.entries()) {
      const [x1, y1, x2, y2] = (found.boxes.data as Float32Array).slice(4 * i, 4 * i + 4);
      for (const [k, value] of [x1, y1, x2 - x1, y2 - y1].entries()) expect(value).toBeCloseTo(bbox[k], 3);
      expect((found.scores.data as Float32Array)[i]).toBeCloseTo(score, 4);
      expect(names[Number((found.labels.data as BigInt64Array)[i]) - 1]).toBe(names[category_id]);
    }
    const wrong = await medvox("predict", "squares.onnx", "--in", join(data, "JPEGImages/p7.png"), "--out", "never");
    expect(wrong.stderr).toMatch(/^ConfigError: squares\.onnx: is an exported detector, for other programs/);
  });

  test("weights under torchvision's names, with the counters PyTorch has for batch norms", async () => {
    const asked = ["export", "run", "--out", "weights.safetensors", "--json", "--force"];
    const plain = await medvox(...asked, "--format", "safetensors");
    expect(plain.status, plain.stderr).toBe(0);
    expect(await undeclaredKeys("export", plain.stdout)).toEqual([]);
    const { tensors } = JSON.parse(plain.stdout);
    // Group norms count nothing.
    expect(JSON.parse((await medvox(...asked, "--format", "pth-names")).stdout).tensors).toBe(tensors);
    const names = JSON.parse((await medvox("info", "weights.safetensors", "--json")).stdout).tensors as {
      name: string;
    }[];
    expect(names.map(({ name }) => name)).toContain("roi_heads.box_predictor.cls_score.weight");
  });

  test.each([
    [["run", "--canvas", "60,48"], /^ConfigError: canvas: 60,48; 2 multiples of 16 are needed/],
    [["run", "--weights", "x.pth"], /^ConfigError: export: name either a run or --weights FILE/],
    [["run", "--num-classes", "3"], /^ConfigError: --num-classes: is for --weights; a run knows its own/],
    [["run", "--encoder"], /^ConfigError: --encoder: is not for a detection run, which run is; /],
  ])("%j is told in one line", async (asked, message) => {
    const { status, stderr } = await medvox("export", ...asked, "--format", "onnx", "--out", "wrong.onnx");
    expect(status).toBe(2);
    expect(stderr).toMatch(message);
    expect(existsSync(join(work, "wrong.onnx"))).toBe(false);
  });
});

describe.skipIf(!existsSync(bccd))("BCCD", () => {
  test("a few pictures, made small: broken boxes are left out, a step is learnt, cells are scored", {
    timeout: 300_000,
  }, async () => {
    const few = {
      train: ["BloodImage_00338", "BloodImage_00343", "BloodImage_00001", "BloodImage_00002"],
      val: ["BloodImage_00000"],
    };
    for (const folder of ["Annotations", "JPEGImages", "ImageSets/Main"])
      mkdirSync(join(work, "few", folder), { recursive: true });
    for (const [list, ids] of Object.entries(few)) {
      writeFileSync(join(work, `few/ImageSets/Main/${list}.txt`), `${ids.join("\n")}\n`);
      for (const id of ids) {
        copyFileSync(join(bccd, `JPEGImages/${id}.jpg`), join(work, `few/JPEGImages/${id}.jpg`));
        copyFileSync(join(bccd, `Annotations/${id}.xml`), join(work, `few/Annotations/${id}.xml`));
      }
    }
    const about = ["--data", "few", "--config", "small.json", "--min-size", "96", "--max-size", "128", "--epochs", "1"];
    const train = await medvox("detect", "train", ...about, "--validation", "0", "--out", "cells");
    expect(train.status, train.stderr).toBe(0);
    expect(train.stderr).toMatch(/^2 problems \(2 degenerate\)$/m);
    expect(train.stderr).toMatch(/4 train · 1 held out · Platelets, RBC, WBC$/m);
    const { status, stdout, stderr } = await medvox("evaluate", "cells", "--threads", "1", "--json");
    expect(status, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ task: "detection", images: 1 });
  });
});
