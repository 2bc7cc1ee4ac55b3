/**
 * The real readers make the problems of the table, and each reaches training and evaluation, with their figures, their log and the
 * report. What only `medvox verify` looks for stands in `ofVerify`; a rule that has no row fails.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encode } from "fast-png";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Problem, type ProblemRule, problemEffects } from "../../src/data/problem.ts";
import { imageOf, labelOf, writeDecathlon } from "../../src/data/test/made-up.ts";
import { writeVolume } from "../../src/files/index.ts";
import { segmentation } from "../../src/med3d/index.ts";
import { detection } from "../../src/rcnn/index.ts";
import { smallRequest } from "../../src/rcnn/test/pictures.ts";
import {
  type AnyTask,
  beginRun,
  evaluateRun,
  folderStore,
  readLog,
  readProblems,
  readRun,
} from "../../src/train/index.ts";
import { medvox, workFolder } from "../cli/medvox.ts";

vi.mock("../../src/runtime/index.ts", async (original) => {
  const module = await original<typeof import("../../src/runtime/index.ts")>();
  const engine = await module.createEngine({ threads: 1 });
  afterAll(() => engine.close());
  return { ...module, createEngine: async () => ({ ...engine, close: async () => {} }) };
});

const work = workFolder("readers");

/** A picture of its own content. */
const picture = (seed: number): Uint8Array =>
  encode({
    ...{ width: 32, height: 24, channels: 3, depth: 8 },
    data: Uint8Array.from({ length: 3 * 32 * 24 }, (_, i) => (i * 31 + seed * 77) % 251),
  });
const xml = (id: string, box = "8,8,20,20", name = "cell", size = "32,24"): string => {
  const [left, top, right, bottom] = box.split(",");
  const [width, height] = size.split(",");
  return `<annotation><filename>${id}.png</filename><size><width>${width}</width><height>${height}</height></size><object><name>${name}</name><bndbox><xmin>${left}</xmin><ymin>${top}</ymin><xmax>${right}</xmax><ymax>${bottom}</ymax></bndbox></object></annotation>`;
};

/** Six pictures, the last two for the score, as Pascal VOC. */
function voc(name: string): string {
  const root = join(work, name);
  for (const folder of ["Annotations", "JPEGImages", "ImageSets/Main"])
    mkdirSync(join(root, folder), { recursive: true });
  const ids = ["p0", "p1", "p2", "p3", "p4", "p5"];
  for (const [i, id] of ids.entries()) {
    writeFileSync(join(root, `JPEGImages/${id}.png`), picture(i));
    writeFileSync(join(root, `Annotations/${id}.xml`), xml(id));
  }
  writeFileSync(join(root, "ImageSets/Main/train.txt"), `${ids.slice(0, 4).join("\n")}\n`);
  writeFileSync(join(root, "ImageSets/Main/test.txt"), `${ids.slice(4).join("\n")}\n`);
  return root;
}

/** The same as COCO, with what is changed of images and annotations. */
function coco(name: string, change: (document: { images: object[]; annotations: object[] }) => void): string {
  const root = join(work, name);
  mkdirSync(root, { recursive: true });
  const ids = [1, 2, 3, 4, 5, 6];
  for (const id of ids) writeFileSync(join(root, `p${id}.png`), picture(id));
  const document = {
    images: ids.map((id): object => ({ id, file_name: `p${id}.png`, width: 32, height: 24 })),
    annotations: ids.map((id): object => ({
      id,
      image_id: id,
      category_id: 1,
      bbox: [7, 7, 13, 13],
      area: 169,
      iscrowd: 0,
    })),
    categories: [{ id: 1, name: "cell" }],
  };
  change(document);
  writeFileSync(join(root, "instances.json"), JSON.stringify(document));
  return join(root, "instances.json");
}

type Maker = {
  readonly data: (name: string) => string | Promise<string>;
  readonly task: AnyTask;
  readonly request?: object;
};
const boxes = (change: (root: string) => void, request: object = {}): Maker => ({
  task: detection,
  request,
  data: (name) => {
    const root = voc(name);
    change(root);
    return root;
  },
});
const write = (path: string, content: string | Uint8Array) => (root: string) =>
  writeFileSync(join(root, path), content);
const annotation = (...given: Parameters<typeof xml> extends [string, ...infer R] ? R : never) =>
  boxes(write("Annotations/p0.xml", xml("p0", ...given)));
const cocoBoxes = (change: Parameters<typeof coco>[1]): Maker => ({
  task: detection,
  data: (name) => coco(name, change),
});

const size = [16, 16, 16] as const;
const sound = () => [0, 1, 2, 3].map((i) => ({ id: `case_${i}`, image: imageOf(size, i), label: labelOf(size, i) }));
const volumes = (change: (root: string) => void | Promise<void>, more?: object): Maker => ({
  task: segmentation,
  data: async (name) => {
    const made = await writeDecathlon(sound(), more);
    const root = join(work, name);
    cpSync(made, root, { recursive: true });
    rmSync(made, { recursive: true });
    await change(root);
    return root;
  },
});

const rows: Partial<Record<ProblemRule, Maker>> = {
  "missing-file": boxes((root) => rmSync(join(root, "JPEGImages/p0.png"))),
  "missing-annotation": boxes((root) => rmSync(join(root, "Annotations/p0.xml"))),
  unreadable: boxes(write("Annotations/p0.xml", "<annotation><obj")),
  unsupported: boxes((root) => {
    rmSync(join(root, "JPEGImages/p0.png"));
    writeFileSync(join(root, "JPEGImages/p0.bmp"), "BM of some kind");
    writeFileSync(join(root, "Annotations/p0.xml"), xml("p0").replace("p0.png", "p0.bmp"));
  }),
  "duplicate-id": cocoBoxes(({ images }) => Object.assign(images[0], { id: 2 })),
  duplicate: cocoBoxes(({ images }) => images.push(images[0])),
  "other-name": boxes(write("Annotations/p0.xml", xml("frame17"))),
  "without-annotation": boxes((root) => {
    writeFileSync(join(root, "JPEGImages/p9.png"), picture(9));
  }),
  "unmatched-list": boxes(write("ImageSets/Main/test.txt", "q1\nq2\n")),
  "size-mismatch": annotation("8,8,20,20", "cell", "64,48"),
  "not-finite": annotation("8,8,abc,20"),
  inverted: annotation("20,8,8,20"),
  degenerate: annotation("8,8,8,20"),
  outside: annotation("40,8,50,20"),
  beyond: annotation("8,8,40,20"),
  "computed-area": cocoBoxes(({ annotations }) => Object.assign(annotations[0], { area: "NaN" })),
  "computed-box": cocoBoxes(({ annotations }) =>
    Object.assign(annotations[0], { bbox: undefined, segmentation: [[5, 5, 15, 5, 15, 15, 5, 15]] }),
  ),
  "unwanted-class": boxes(write("Annotations/p0.xml", xml("p0", "8,8,20,20", "dust")), { classes: ["cell"] }),
  "unknown-label": volumes(async (root) => {
    const label = labelOf(size, 0);
    label.data[0] = 7;
    await writeVolume(join(root, "labelsTr/case_0.nii.gz"), label, { force: true });
  }),
  "case-count": volumes(() => {}, { numTraining: 9 }),
};

/** The made-up volumes' grid with some entries of its affine changed. */
const moved = (entries: Readonly<Record<number, number>>) =>
  Object.assign([...imageOf(size, 0).affine], entries) as never;

/** What `medvox verify` alone looks for, since it reads every voxel. */
const ofVerify: Partial<Record<ProblemRule, Maker>> = {
  "constant-image": volumes(async (root) => {
    const image = imageOf(size, 0);
    await writeVolume(join(root, "imagesTr/case_0.nii.gz"), { ...image, data: image.data.fill(3) }, { force: true });
  }),
  "one-slice": volumes(async (root) => {
    await writeVolume(join(root, "imagesTr/case_0.nii.gz"), imageOf([16, 16, 1], 0), { force: true });
    await writeVolume(join(root, "labelsTr/case_0.nii.gz"), labelOf([16, 16, 1], 0), { force: true });
  }),
  "empty-label": volumes(async (root) => {
    const label = labelOf(size, 0);
    await writeVolume(join(root, "labelsTr/case_0.nii.gz"), { ...label, data: label.data.fill(0) }, { force: true });
  }),
  "fractional-label": volumes(async (root) => {
    const data = Float32Array.from(labelOf(size, 0).data, (value) => value / 2);
    await writeVolume(join(root, "labelsTr/case_0.nii.gz"), { ...imageOf(size, 0), data }, { force: true });
  }),
  "affine-mismatch": volumes(async (root) => {
    const label = labelOf(size, 0, moved({ 3: 3 }));
    await writeVolume(join(root, "labelsTr/case_0.nii.gz"), label, { force: true });
  }),
  // The same place, with x the other way round.
  geometry: volumes(async (root) => {
    const label = labelOf(size, 0, moved({ 0: -1, 3: 15 }));
    await writeVolume(join(root, "labelsTr/case_0.nii.gz"), label, { force: true });
  }),
  channels: volumes(async (root) => {
    const image = imageOf(size, 0);
    const data = Float32Array.from([...image.data, ...image.data]);
    await writeVolume(join(root, "imagesTr/case_0.nii.gz"), { ...image, data, channels: 2 }, { force: true });
  }),
  "unused-label": volumes(() => {}, { labels: { "0": "background", "1": "left", "2": "right", "3": "none" } }),
  "unused-class": cocoBoxes((document) =>
    Object.assign(document, {
      categories: [
        { id: 1, name: "cell" },
        { id: 2, name: "none" },
      ],
    }),
  ),
};

/** What has a test of its own: below, or where its reader stands. */
const elsewhere: Partial<Record<ProblemRule, string>> = {
  "unknown-class": "test/contract/readers.test.ts",
  "missing-label": "src/data/lists.test.ts",
  "missing-part": "src/data/boxes/cases.test.ts",
};

test.each(Object.entries(ofVerify))("verify: %s", async (rule, { data }) => {
  const { stdout } = await medvox("verify", await data(`verify-${rule}`), "--json");
  const { findings } = JSON.parse(stdout) as { findings: Problem[] };
  expect(findings.map((problem) => problem.rule)).toContain(rule);
});

test("every rule has a row", () => {
  expect(Object.keys({ ...rows, ...ofVerify, ...elsewhere }).sort()).toEqual(Object.keys(problemEffects).sort());
  for (const [rule, file] of Object.entries(elsewhere))
    expect(readFileSync(join(root, file), "utf8"), file).toContain(rule);
});
const root = join(import.meta.dirname, "../..");

const requests = new Map<AnyTask, object>([
  [detection, { ...smallRequest, minSide: 24, maxSide: 32, epochs: 1, validation: 1 }],
  [
    segmentation,
    {
      ...{ epochs: 1, patch: size, batch: 1, width: 8, decoderChannels: [4, 4, 4], threads: 1 },
      ...{ heldOut: 1, validation: 0, stepsPerEpoch: 1 },
    },
  ],
]);
const runs = new Map<AnyTask, string>();
beforeAll(async () => {
  const trained = async (task: AnyTask, data: string) => {
    const out = join(work, `run-${task.name}`);
    await beginRun(task, { ...requests.get(task), data }, { out });
    runs.set(task, out);
  };
  await trained(detection, voc("clean"));
  await trained(segmentation, await volumes(() => {}).data("clean-volumes"));
});

describe.each(Object.entries(rows) as [ProblemRule, Maker][])("%s", (rule, { task, request, data: make }) => {
  const stops = problemEffects[rule] === "stops";
  const rulesOf = (problems: readonly Problem[]): string[] => problems.map((problem) => problem.rule);
  const data = join(work, rule);

  test("in training, before its first step", async () => {
    const out = join(work, `run-${rule}`);
    const path = await make(rule);
    let told: readonly Problem[] = [];
    // What is told, recorded and refused is so before a network is built.
    const going = beginRun(
      task,
      { ...requests.get(task), ...request, data: path },
      { out, onProblems: (problems) => (told = problems), onStart: () => Promise.reject(new Error("enough")) },
    );
    await expect(going).rejects.toThrow(stops ? `(${rule}); the figures would be wrong` : "enough");
    expect(rulesOf(told)).toContain(rule);
    if (stops) return expect(existsSync(join(out, "run.json"))).toBe(false);
    const store = folderStore(out);
    expect(await readProblems(store)).toEqual(told);
    expect((await readLog(store))[0]).toMatchObject({ event: "problems", problems: told });
    const strict = { ...requests.get(task), ...request, data: path, strict: true };
    const strictly = beginRun(task, strict, {
      out: `${out}-strict`,
      onStart: () => Promise.reject(new Error("enough")),
    });
    await expect(strictly).rejects.toThrow(problemEffects[rule] === "costs" ? "--strict leaves nothing out" : "enough");
  });

  test("in evaluation", async () => {
    // Boxes of a class that the run does not know are no wish of its own.
    if (rule === "unwanted-class") return;
    const path = task === detection && existsSync(join(data, "instances.json")) ? join(data, "instances.json") : data;
    const run = runs.get(task)!;
    const opened = await readRun(folderStore(run), () => task);
    if (stops) {
      await expect(evaluateRun(opened, { data: path })).rejects.toThrow(`(${rule}); the figures would be wrong`);
      return;
    }
    const { json, problems, report } = await evaluateRun(opened, { data: path, force: true });
    expect(rulesOf(problems)).toContain(rule);
    expect(json.problems).toMatchObject({ count: problems.length, list: problems });
    const [first] = problems.filter((problem) => problem.rule === rule);
    expect(first.message).not.toBe("");
    expect(readFileSync(report, "utf8")).toContain(`<td>${rule}</td>`);
    expect((await readLog(folderStore(run))).at(-1)).toMatchObject({ event: "evaluated", problems: json.problems });
    const strictly = evaluateRun(opened, { data: path, strict: true });
    if (problemEffects[rule] === "costs") await expect(strictly).rejects.toThrow("--strict leaves nothing out");
    else await strictly;
  });
});

test("a class that the run does not know stops its evaluation on another data set", async () => {
  const data = await boxes(write("Annotations/p0.xml", xml("p0", "8,8,20,20", "dust"))).data("dust");
  const { status, stderr } = await medvox("evaluate", runs.get(detection)!, "--data", data);
  expect(status).toBe(1);
  expect(stderr).toMatch(/p0\.xml: .*"dust" is not known.* \(unknown-class\); the figures would be wrong/);
});

test("predict: one broken picture of several, one of a kind that is not read, and hidden files", async () => {
  const folder = join(work, "pictures");
  mkdirSync(folder);
  for (const i of [0, 1, 2, 3]) writeFileSync(join(folder, `p${i}.png`), picture(i));
  writeFileSync(join(folder, "p1.png"), picture(1).subarray(0, 90));
  writeFileSync(join(folder, "._p0.png"), "of a Mac");
  writeFileSync(join(folder, "q.bmp"), "BM of some kind");
  const { status, stdout } = await medvox(
    "predict",
    runs.get(detection)!,
    "--in",
    folder,
    "--out",
    join(work, "found"),
    "--json",
  );
  expect(status).toBe(1);
  const { images, failed, problems } = JSON.parse(stdout);
  expect(images).toBe(3);
  expect(failed.map((one: { case: string }) => one.case).sort()).toEqual(["p1", "q"]);
  expect(problems.rules).toEqual({ unsupported: 1 });
});

test("predict: one broken volume of several", async () => {
  const folder = join(work, "scans");
  mkdirSync(folder);
  for (const i of [0, 1, 2]) await writeVolume(join(folder, `s${i}.nii.gz`), imageOf(size, i));
  writeFileSync(join(folder, "s1.nii.gz"), "no volume");
  writeFileSync(join(folder, "._s0.nii.gz"), "of a Mac");
  const { status, stdout } = await medvox(
    "predict",
    runs.get(segmentation)!,
    "--in",
    folder,
    "--out",
    join(work, "masks"),
    "--json",
  );
  expect(status).toBe(1);
  const { predictions, failed } = JSON.parse(stdout);
  // Voxel counts come from the library, so a server has them, too.
  expect(predictions.map((one: { case: string; voxels: object }) => [one.case, Object.keys(one.voxels)])).toEqual([
    ["s0", ["left", "right"]],
    ["s2", ["left", "right"]],
  ]);
  expect(failed.map((one: { case: string }) => one.case)).toEqual(["s1"]);
});
