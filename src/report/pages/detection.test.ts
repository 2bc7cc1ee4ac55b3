/** Reports of detections: what they say and show, and pictures with boxes. */
import { decode } from "fast-png";
import { describe, expect, it } from "vitest";
import type { Image2d } from "../../images/index.ts";
import { type DetectionImage, evaluateDetection } from "../../metrics/index.ts";
import type { Volume } from "../../volume/index.ts";
import { Canvas, colorOf, textSize } from "../draw/canvas.ts";
import { classColor } from "../draw/theme.ts";
import {
  type DetectionReportInput,
  pictureBoxesPng,
  renderDetectionReport,
  volumeBoxesPng,
  worstAndBest,
} from "../index.ts";

const image: Image2d = { width: 640, height: 480, channels: 3, data: new Uint8Array(640 * 480 * 3).fill(90) };
const pixels = (png: Uint8Array) => {
  const { width, height, data } = decode(png);
  const at = (x: number, y: number): number[] =>
    Array.from(data.subarray(3 * (y * width + x), 3 * (y * width + x) + 3));
  return { width, height, at };
};

describe("drawing", () => {
  it("covers whole and half pixels, and keeps inside", () => {
    const canvas = new Canvas(4, 3);
    canvas.fill(1, 0.5, 3, 2, [200, 100, 50]);
    const red = Array.from({ length: 12 }, (_, i) => canvas.data[3 * i]);
    expect(red).toEqual([0, 100, 100, 0, 0, 200, 200, 0, 0, 0, 0, 0]);
    canvas.fill(-5, -5, 50, 50, [1, 2, 3]);
    expect([...canvas.data.subarray(0, 3)]).toEqual([1, 2, 3]);
    canvas.text("outside", -500, 700, [255, 255, 255]);
  });

  it("measures and paints text; letters it lacks are question marks", () => {
    expect(textSize("RBC 0.98").width).toBeGreaterThan(45);
    expect(textSize("RBC 0.98").width).toBeLessThan(80);
    expect(textSize("漢").width).toBe(textSize("?").width);
    const [one, other] = [new Canvas(20, 20), new Canvas(20, 20)];
    one.text("漢", 2, 2, [255, 255, 255]);
    other.text("?", 2, 2, [255, 255, 255]);
    expect(one.data).toEqual(other.data);
    expect(one.data.some((v) => v > 200)).toBe(true);
  });

  it("a detection in its class's colour, a name above it, truth dashed, the unsure left away", () => {
    const detections = {
      boxes: Float64Array.of(100, 100, 200, 180, 300, 300, 400, 400),
      labels: [1, 0],
      scores: [0.9, 0.2],
    };
    const truth = { boxes: Float64Array.of(400, 100, 500, 200), labels: [0] };
    const { width, height, at } = pixels(pictureBoxesPng(image, detections, { classes: ["a", "b"], truth }));
    expect([width, height]).toEqual([640, 480]);
    const color = [...colorOf(classColor(1).dark)];
    expect(at(150, 180)).toEqual(color);
    // In the plate above the box, left of the text.
    expect(at(100, 95)[0]).toBeGreaterThan(color[0] - 30);
    expect(at(350, 300)).toEqual([90, 90, 90]);
    const side = Array.from({ length: 100 }, (_, k) => at(400 + k, 100)[0]);
    expect(side.filter((v) => v > 200).length).toBeGreaterThan(40);
    expect(side.filter((v) => v < 100).length).toBeGreaterThan(25);
  });

  it("enlarges small pictures, and survives boxes beyond the edge and equal places", () => {
    const small: Image2d = { width: 50, height: 40, channels: 1, data: new Uint8Array(2000) };
    const boxes = Float64Array.from(Array.from({ length: 12 }, () => [-10, -10, 70, 60]).flat());
    const detections = { boxes, labels: new Uint8Array(12), scores: new Float32Array(12).fill(0.9) };
    const { width } = pixels(
      pictureBoxesPng(small, detections, { classes: ["a very long name of a class".repeat(9)] }),
    );
    expect(width).toBe(600);
  });

  it("three planes of a volume, each with the box where it is", () => {
    const affine = [-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1];
    const volume: Volume = { data: new Float32Array(40 * 30 * 20), size: [40, 30, 20], affine, channels: 1 };
    const detections = { boxes: Float64Array.of(4, 6, 8, 10, 12, 14), labels: [0], scores: [0.8] };
    const { width, height, at } = pixels(
      volumeBoxesPng(volume, detections, { classes: ["nodule"], pixels: 400, window: [0, 1] }),
    );
    // Axial 40×30 mm, coronal 40×40 mm, sagittal 30×40 mm, each 400 on its longer side.
    expect([width, height]).toEqual([400 + 400 + 300 + 16, 400]);
    const color = [...colorOf(classColor(0).dark)];
    // LPS axes, radiological: x and y run to the right and down as the voxels do.
    expect(at(40, 90)).toEqual(color);
    expect(at(100, 90)).toEqual(color);
    // Coronal: z 8 to 14 of 20 from below, 20 pixels a voxel: rows 120 to 240.
    expect(at(408 + 70, 240)).toEqual(color);
    expect(at(408 + 40, 180)).toEqual(color);
  });
});

function example(name: (what: string) => string, axes: 2 | 3 = 2): DetectionReportInput {
  const box = axes === 2 ? [0, 0, 10, 10] : [0, 0, 0, 10, 10, 10];
  const far = box.map((v) => v + 50);
  const images = Array.from(
    { length: 6 },
    (_, i): DetectionImage => ({
      image: name(`image ${i}`),
      truth: { boxes: Float64Array.from([...box, ...far]), labels: [0, 1] },
      detections: {
        boxes: Float64Array.from(i < 2 ? [...box, ...far] : box),
        labels: i < 2 ? [0, 0] : [0],
        scores: i < 2 ? [0.9, 0.8] : [0.7],
      },
    }),
  );
  const scans = images.map(({ image: scan }, i) => ({
    scan,
    findings: [{ centreMm: [0, 0, 0] as const, diameterMm: 10 }],
    marks: [{ centreMm: [i < 4 ? 0 : 90, 0, 0] as const, score: 0.5 + i / 20 }],
  }));
  const options = { axes, classes: [name("RBC"), name("WBC")] };
  return {
    title: name("Cells"),
    summary: evaluateDetection(images, axes === 2 ? options : { ...options, scans }),
    phases: [
      {
        history: [1, 2, 3].map((epoch) => ({
          epoch,
          trainLoss: 1 / epoch,
          scores: { [name("RBC")]: 0.3 * epoch },
          learningRate: 0.01,
        })),
        bestEpoch: 3,
      },
    ],
    asked: { [name("data")]: name("a folder") },
    machine: {
      cpu: "a processor",
      cores: 2,
      versions: { medvox: "0.1.0" },
      date: "2026-01-02T03:04:05.000Z",
      seconds: 61,
    },
    command: name("medvox detect train"),
    data: [{ name: name("BCCD"), licence: "MIT" }],
  };
}

describe("report", () => {
  const plain = (what: string): string => what;
  const tiny = pictureBoxesPng(image, { boxes: new Float32Array(0), labels: [], scores: [] }, { classes: [] });

  it("says scores, draws curves, shows the worst and the best images once each", async () => {
    const shown: string[] = [];
    const html = await renderDetectionReport(example(plain), async (id) => {
      shown.push(id);
      return tiny;
    });
    expect(shown.length).toBe(6);
    expect(new Set(shown).size).toBe(6);
    for (const part of ["AP50", "VOC AP50", "RBC: 0.834 of 6", "Precision and recall at IoU 0.75", "Every image"]) {
      expect(html).toContain(part);
    }
    expect(html).not.toContain("undefined");
    expect(html).not.toContain("NaN");
    expect(html).not.toContain("Free-response");
  });

  it("in 3D with the free-response curve and its table", async () => {
    const html = await renderDetectionReport(example(plain, 3));
    for (const part of ["CPM", "AP at IoU 0.1", "Free-response curve", "1/8", "Sensitivity at false-positive rates"]) {
      expect(html).toContain(part);
    }
    expect(html).not.toContain("NaN");
  });

  it("shows hostile names as text", async () => {
    const html = await renderDetectionReport(
      example((what) => `"><script>${what}`),
      async () => tiny,
    );
    expect(html).not.toContain("<script>");
  });

  it("ranks by mistakes", () => {
    const of = (id: string, missed: number, falsePositives: number) => ({
      image: id,
      truth: 3,
      found: 3 - missed,
      missed,
      falsePositives,
    });
    const { worst, best } = worstAndBest([of("a", 0, 0), of("b", 1, 2), of("c", 1, 0), of("d", 0, 9)], 2);
    expect([worst.map((i) => i.image), best.map((i) => i.image)]).toEqual([
      ["d", "b"],
      ["a", "c"],
    ]);
  });
});
