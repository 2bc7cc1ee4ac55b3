/** A detector's detections go to the scores as they are: labels count from 0 in both, and a perfect box scores 1. */
import { describe, expect, it } from "vitest";
import { cocoFigures, cocoScores, type Detections, evaluateDetection } from "../../src/metrics/index.ts";
import { type DetectedBoxes, selectDetections } from "../../src/rcnn/index.ts";

/** One region with the score of `label`'s class, and no shift. */
function foundBy(label: number): DetectedBoxes {
  const probabilities = new Float32Array(3);
  // Column 0 of the network is the background.
  probabilities[label + 1] = 0.9;
  return selectDetections(
    Float32Array.of(10, 10, 50, 50),
    probabilities,
    new Float32Array(3 * 4),
    [64, 64],
    2,
    { weights: [10, 5], clamp: 4 },
    { minimumScore: 0.05, threshold: 0.5, limit: 10, minimumSide: 0 },
  );
}

describe.each([0, 1])("a perfect box of class %d", (label) => {
  const detections: Detections = foundBy(label);
  const truth = { boxes: Float64Array.of(10, 10, 50, 50), labels: [label] };
  const options = { axes: 2, classes: ["cat", "dog"] } as const;

  it("has its class counted from 0", () => {
    expect(Array.from(detections.labels)).toEqual([label]);
  });

  it("scores 1", () => {
    const images = [{ image: "a", truth, detections }];
    expect(cocoFigures(cocoScores(images, options)).ap).toBeCloseTo(1, 12);
    expect(evaluateDetection(images, options).ap).toBeCloseTo(1, 12);
  });
});
