import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { DataError, ShapeError } from "../../errors.ts";
import { cocoFigures, cocoScores } from "./coco.ts";
import type { DetectionImage } from "./detection.ts";
import { detectionCsv, detectionJson, evaluateDetection } from "./summary.ts";
import { vocScores } from "./voc.ts";

const golden = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../../test/fixtures/metrics/golden/${name}.json`, import.meta.url), "utf8"));

interface CocoCase {
  readonly name: string;
  readonly truth: {
    readonly images: { id: number }[];
    readonly annotations: { image_id: number; category_id: number; bbox: number[]; area: number; iscrowd: number }[];
    readonly categories: { id: number; name: string }[];
  };
  readonly detections: { image_id: number; category_id: number; bbox: number[]; score: number }[];
  readonly figures: (number | null)[];
  readonly perClass: (number | null)[][];
  readonly curve: number[];
  readonly vocArea: (number | null)[];
  readonly voc11: (number | null)[];
}

function imagesOf({ truth, detections }: CocoCase): DetectionImage[] {
  const place = new Map(truth.categories.map(({ id }, k) => [id, k]));
  const corners = (list: readonly { bbox: number[] }[]): Float64Array =>
    Float64Array.from(list.flatMap(({ bbox: [x, y, w, h] }) => [x, y, x + w, y + h]));
  const labels = (list: readonly { category_id: number }[]): number[] => list.map((a) => place.get(a.category_id)!);
  return truth.images.map(({ id }) => {
    const own = truth.annotations.filter((a) => a.image_id === id);
    const found = detections.filter((d) => d.image_id === id);
    return {
      image: String(id),
      truth: {
        boxes: corners(own),
        labels: labels(own),
        crowd: own.map((a) => a.iscrowd),
        areas: own.map((a) => a.area),
      },
      detections: { boxes: corners(found), labels: labels(found), scores: found.map((d) => d.score) },
    };
  });
}

describe("as pycocotools scores", () => {
  describe.each<CocoCase>(golden("coco").cases)("$name", (item) => {
    const images = imagesOf(item);
    const classes = item.truth.categories.map(({ name }) => name);
    const scores = cocoScores(images, { axes: 2, classes });
    const close = (got: number | null, want: number | null): void => {
      if (want === null) expect(got).toBeNull();
      else expect(got).toBeCloseTo(want, 9);
    };

    it("all twelve figures", () => {
      const got = Object.values(cocoFigures(scores));
      expect(got.length).toBe(12);
      item.figures.forEach((want, i) => {
        close(got[i], want);
      });
    });

    it("every class, and a curve", () => {
      item.perClass.forEach(([ap, ap50], classIndex) => {
        close(scores.averagePrecision({ classIndex }), ap);
        close(scores.averagePrecision({ classIndex, iou: 0.5 }), ap50);
      });
      const curve = scores.precisionCurve(0, 0.5);
      item.curve.forEach((want, i) => {
        expect(curve?.[10 * i]).toBeCloseTo(want, 9);
      });
    });

    it("VOC's rules, crowds as difficult", () => {
      const area = vocScores(images, { axes: 2, classes });
      const eleven = vocScores(images, { axes: 2, classes, rule: "11-point" });
      for (const k of classes.keys()) {
        close(area.classes[k].ap, item.vocArea[k]);
        close(eleven.classes[k].ap, item.voc11[k]);
      }
    });
  });
});

const one = (
  truth: number[][],
  detections: [box: number[], score: number][],
  flags: Partial<DetectionImage["truth"]> = {},
): DetectionImage => ({
  image: "one",
  truth: { boxes: Float64Array.from(truth.flat()), labels: truth.map(() => 0), ...flags },
  detections: {
    boxes: Float64Array.from(detections.flatMap(([box]) => box)),
    labels: detections.map(() => 0),
    scores: detections.map(([, score]) => score),
  },
});

describe("by hand", () => {
  const left = [0, 0, 10, 10];
  const right = [20, 0, 30, 10];
  const nowhere = [50, 50, 60, 60];

  it("right, wrong, right: precision 1, 1/2, 2/3 at recalls 1/2, 1/2, 1", () => {
    const images = [
      one(
        [left, right],
        [
          [left, 0.9],
          [nowhere, 0.8],
          [right, 0.7],
        ],
      ),
    ];
    const voc = vocScores(images, { axes: 2, classes: ["cell"] });
    expect(voc.classes[0].curve.map(({ precision }) => precision)).toEqual([1, 1 / 2, 2 / 3]);
    expect(voc.map).toBeCloseTo(0.5 * 1 + 0.5 * (2 / 3), 12);
    // Recalls 0 to 0.5 at precision 1, six of eleven; five at 2/3.
    expect(vocScores(images, { axes: 2, classes: ["cell"], rule: "11-point" }).map).toBeCloseTo(
      (6 + 5 * (2 / 3)) / 11,
      12,
    );
    // 51 of 101 recalls at 1, 50 at 2/3.
    const coco = cocoScores(images, { axes: 2, classes: ["cell"] });
    expect(coco.averagePrecision({ iou: 0.5 })).toBeCloseTo((51 + 50 * (2 / 3)) / 101, 12);
  });

  it("a second detection of the same box is wrong; of a difficult one neither right nor wrong", () => {
    const twice = [
      one(
        [left],
        [
          [left, 0.9],
          [left, 0.8],
        ],
      ),
    ];
    expect(vocScores(twice, { axes: 2, classes: ["cell"] }).classes[0].curve.length).toBe(2);
    const difficult = [
      one(
        [left, right],
        [
          [right, 0.9],
          [right, 0.8],
          [left, 0.7],
        ],
        { difficult: [0, 1] },
      ),
    ];
    expect(vocScores(difficult, { axes: 2, classes: ["cell"] }).map).toBe(1);
    // COCO: a difficult box is ignored once, the second detection of it is wrong; a crowd is ignored ever so often.
    expect(cocoScores(difficult, { axes: 2, classes: ["cell"] }).averagePrecision()).toBeCloseTo(0.5, 9);
  });

  it("in 3D by the overlap of volumes", () => {
    // Two cubes of side 4, moved by 2 along x: 32 of 96 voxels.
    const images = [one([[0, 0, 0, 4, 4, 4]], [[[2, 0, 0, 6, 4, 4], 0.9]])];
    const scores = cocoScores(images, { axes: 3, classes: ["nodule"] });
    expect(scores.averagePrecision({ iou: 0.1 })).toBeCloseTo(1, 12);
    expect(scores.averagePrecision({ iou: 0.3 })).toBeCloseTo(1, 12);
    expect(scores.averagePrecision({ iou: 0.35 })).toBe(0);
    // 0.1, 0.15, 0.2, 0.25, 0.3 of nine.
    expect(scores.averagePrecision()).toBeCloseTo(5 / 9, 12);
  });

  it("summed up as evaluate prints it", () => {
    const summary = evaluateDetection(
      [
        one([left], [[left, 0.9]]),
        { ...one([right], [[nowhere, 0.95]]), image: "two" },
        { ...one([], []), image: "empty" },
      ],
      { axes: 2, classes: ["cell", "never"] },
    );
    const json = detectionJson(summary);
    expect(json).toMatchObject({ task: "detection", images: 3, classes: { cell: { positives: 2, detections: 2 } } });
    expect(json.classes.never.ap50).toBeNull();
    // Best point: precision 1/2 at recall 1/2.
    expect(json.ap50).toBeCloseTo((51 * 0.5) / 101, 12);
    expect(summary.perImage.map(({ found, missed, falsePositives }) => [found, missed, falsePositives])).toEqual([
      [1, 0, 0],
      [0, 1, 1],
      [0, 0, 0],
    ]);
    expect(JSON.parse(JSON.stringify(json))).toEqual(json);
    expect(detectionCsv(summary).split("\r\n")[1]).toMatch(/^cell,2,2,/);
  });

  it("more than 100 detections of a class count where they are allowed to", () => {
    // 150 objects, each found; of 100 that may count, two thirds can be recalled.
    const boxes = Array.from({ length: 150 }, (_, i) => [20 * i, 0, 20 * i + 10, 10]);
    const images = [
      one(
        boxes,
        boxes.map((box, i) => [box, 1 - i / 1000] as [number[], number]),
      ),
    ];
    const score = (max?: number) => evaluateDetection(images, { axes: 2, classes: ["cell"], max });
    expect([score().ar, score(100).maxDetections]).toEqual([expect.closeTo(2 / 3, 12), 100]);
    const more = score(300);
    expect([more.ar, more.ap, more.coco?.ar100, more.coco?.ar10]).toEqual(
      [1, 1, 2 / 3, 1 / 15].map((value) => expect.closeTo(value, 12)),
    );
    expect(score(5)).toMatchObject({ maxDetections: 5, ar: expect.closeTo(1 / 30, 12) });
    expect(detectionJson(more).maxDetections).toBe(300);
    expect(() => score(0)).toThrow("max: 0; expected a whole number from 1");
  });

  it("in 3D with the free-response curve", () => {
    const summary = evaluateDetection([one([[0, 0, 0, 4, 4, 4]], [[[0, 0, 0, 4, 4, 4], 0.9]])], {
      axes: 3,
      classes: ["nodule"],
      scans: [
        {
          scan: "one",
          findings: [{ centreMm: [0, 0, 0], diameterMm: 8 }],
          marks: [{ centreMm: [1, 0, 0], score: 0.9 }],
        },
      ],
    });
    expect(detectionJson(summary)).toMatchObject({
      ap10: expect.closeTo(1, 9),
      cpm: 1,
      sensitivityAt: { "0.125": 1, "8": 1 },
    });
  });

  it("refuses lists that do not belong together", () => {
    const bad = one([left], [], { labels: [0, 1] });
    expect(() => cocoScores([bad], { axes: 2, classes: ["cell"] })).toThrow(ShapeError);
    expect(() => vocScores([one([left], [])], { axes: 2, classes: [] })).toThrow(
      "one: truth: label 0 at box 0; there are no classes",
    );
    const rule = "labels of 2 classes are 0 to 1";
    for (const label of [2, -1, 255, 0.5, Number.NaN]) {
      const image = one([left, left], [[left, 0.5]], { labels: [0, label] });
      const found = one([left], []);
      const detections = { boxes: Float64Array.from([...left, ...left]), labels: [1, label], scores: [0.5, 0.4] };
      const options = { axes: 2, classes: ["cell", "plate"] } as const;
      for (const score of [cocoScores, vocScores, evaluateDetection]) {
        expect(() => score([image], options)).toThrow(
          new DataError(`${image.image}: truth: label ${label} at box 1; ${rule}`),
        );
        expect(() => score([{ ...found, detections }], options)).toThrow(
          new DataError(`${found.image}: detections: label ${label} at box 1; ${rule}`),
        );
      }
    }
    expect(() => cocoScores([one([left], [])], { axes: 2, classes: ["c"] }).averagePrecision({ iou: 0.42 })).toThrow(
      "0.42",
    );
  });
});
